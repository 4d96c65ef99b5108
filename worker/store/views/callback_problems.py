"""The problems of callbacks, found in the database."""

from worker.core.problems import Problem, counted, problem
from worker.store.db.store import Store


def callback_problems(store: Store) -> list[Problem]:
    """What a person must see of callbacks."""
    held = int(store.read("SELECT count(*) AS n FROM bodies WHERE source = 'callback'")[0]["n"])
    return [problem("callback_quarantined", held, callbacks=counted(held, "callback"))] if held else []

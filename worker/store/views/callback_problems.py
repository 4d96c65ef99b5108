"""The problems of callbacks, found in the database."""

from dataclasses import replace

from worker.core.problems import Problem, counted, problem
from worker.store.db.store import Store
from worker.store.state import callback_lane
from worker.store.tasks import held_callbacks, verifying


def callback_problems(store: Store) -> list[Problem]:
    """What a person must see of callbacks."""
    found = []
    held = held_callbacks.count(store)
    if held:
        found.append(problem("callback_quarantined", held, callbacks=counted(held, "callback")))
    counts = {"callback_mismatch": verifying.not_confirmed(store), "callback_unconfirmed": verifying.failing(store)}
    found += [problem(code, n) for code, n in counts.items() if n]
    lane = callback_lane.get(store)
    if lane.on_since is not None and lane.down_since is not None:
        found.append(replace(problem("callbacks_down"), since=lane.down_since))
    return found

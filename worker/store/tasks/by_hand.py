"""What a person does to tasks: poll them now, give them a fresh start, abandon them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from worker.core.task import DueReason
from worker.store.db.store import Store
from worker.store.state import acts, api
from worker.store.state.acts import Action
from worker.store.tasks import history


@dataclass(slots=True)
class Handled:
    """``done`` ids in the order given; ``refused`` ids with the reason in words."""

    done: dict[str, int] = field(default_factory=dict)  # id -> the task's row
    refused: dict[str, str] = field(default_factory=dict)


# What stands in a text in place of what was damaged on the disk.
LOST = "\ufffd"

UNKNOWN = "is not recorded here: give the whole id, in its own letter case"


def due_now(store: Store, ids: Iterable[str], now: int, who: str) -> Handled:
    """Make pending tasks due at once. Of a concluded one, the vendor is asked to confirm what a callback said."""
    return _each(
        store,
        ids,
        """
        UPDATE tasks SET leased_until = NULL, due_at = CASE WHEN state = 'pending' THEN :now END,
            reason = CASE WHEN state = 'pending' THEN :reason ELSE reason END,
            verify_at = CASE WHEN state = 'concluded' THEN :now ELSE verify_at END
        WHERE seq = :seq AND (state = 'pending' OR (state = 'concluded' AND callback_at IS NOT NULL)) RETURNING seq
        """,
        {"now": now, "reason": DueReason.HAND},
        {"concluded": "is concluded: there is nothing to ask", "abandoned": "is abandoned: `cdpoll retry` revives it"},
        (who, "asked for a poll"),
    )


def retry(store: Store, ids: Iterable[str], now: int, who: str) -> Handled:
    """A fresh start of the schedule, also for abandoned tasks: alert and give-up count from now."""
    return _each(
        store,
        ids,
        """
        UPDATE tasks SET state = 'pending', due_at = :now, leased_until = NULL, reason = :reason, life_from = :now,
            paused_base = :paused_base, failures = 0, not_found_since = NULL, last_error = NULL, abandoned_at = NULL,
            purged_at = NULL
        WHERE seq = :seq AND state <> 'concluded' RETURNING seq
        """,
        {"now": now, "reason": DueReason.RETRY},
        {"concluded": "is concluded: finished; the vendor will not change it"},
        (who, "retried"),
    )


def abandon(store: Store, ids: Iterable[str], now: int, who: str) -> Handled:
    """Abandon pending tasks. They stay visible, and a late result still concludes them."""
    return _each(
        store,
        ids,
        """
        UPDATE tasks SET state = 'abandoned', due_at = NULL, leased_until = NULL, abandoned_at = :now
        WHERE seq = :seq AND state = 'pending' RETURNING seq
        """,
        {"now": now},
        {"concluded": "is concluded: there is nothing to abandon", "abandoned": "is abandoned already"},
        (who, "abandoned"),
    )


def _each(
    store: Store,
    ids: Iterable[str],
    sql: str,
    params: dict[str, Any],
    reasons: dict[str, str],
    act: tuple[str, Action],
) -> Handled:
    """``act``: who does it, and what. The history has it as well, of what changes the life of the task."""
    who, action = act
    handled = Handled()
    with store.write():
        params = {**params, "paused_base": api.get(store).breaker.paused_until_now(params["now"])}
        for task_id in dict.fromkeys(ids):
            found = _named(store, task_id)
            row = None if found is None else store.one(sql, {**params, "seq": found["seq"]})
            if row is not None:
                handled.done[task_id] = row["seq"]
                acts.note(store, who, action, task_id, params["now"])
                if action != "asked for a poll":
                    history.add(store, row["seq"], params["now"], action, f"by {who}")
                continue
            handled.refused[task_id] = UNKNOWN if found is None else reasons[found["state"]]
    return handled


def _named(store: Store, task_id: str) -> Any:
    """The task's row, with its state before. One whose id was damaged on the disk is named as lists show it."""
    row = store.one("SELECT seq, state FROM tasks WHERE id = :id", {"id": task_id})
    if row is not None or LOST not in task_id:
        return row
    damaged = store.read("SELECT seq, id, state FROM tasks WHERE last_error = 'damaged_id' ORDER BY seq")
    return next((row for row in damaged if row["id"] == task_id), None)

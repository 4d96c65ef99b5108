"""What a person does to tasks: poll them now, give them a fresh start, abandon them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from worker.core.problems import counted
from worker.core.task import DueReason
from worker.store.db.store import Store
from worker.store.state import api
from worker.store.state.standing import note_act_inside
from worker.store.tasks import history


@dataclass(slots=True)
class Handled:
    """``done`` ids in the order given; ``refused`` ids with the reason in words."""

    done: dict[str, int] = field(default_factory=dict)  # id -> the task's row
    refused: dict[str, str] = field(default_factory=dict)


UNKNOWN = "is not recorded here: give the whole id, in its own letter case"


def due_now(store: Store, ids: Iterable[str], now: int) -> Handled:
    """Make pending tasks due at once."""
    return _each(
        store,
        ids,
        """
        UPDATE tasks SET due_at = :now, leased_until = NULL, reason = :reason
        WHERE id = :id AND state = 'pending' RETURNING seq
        """,
        {"now": now, "reason": DueReason.HAND},
        {"concluded": "is concluded: there is nothing to ask", "abandoned": "is abandoned: `cdpoll retry` revives it"},
        None,
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
        WHERE id = :id AND state <> 'concluded' RETURNING seq
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
        WHERE id = :id AND state = 'pending' RETURNING seq
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
    act: tuple[str, str] | None,
) -> Handled:
    """``act``: who did it, and what, for the history."""
    handled = Handled()
    with store.write():
        params = {**params, "paused_base": api.get(store).breaker.paused_until_now(params["now"])}
        for task_id in dict.fromkeys(ids):
            row = store.one(sql, {**params, "id": task_id})
            if row is not None:
                handled.done[task_id] = row["seq"]
                if act is not None:
                    history.add(store, row["seq"], params["now"], act[1], f"by {act[0]}")
                continue
            row = store.one("SELECT state FROM tasks WHERE id = :id", {"id": task_id})
            handled.refused[task_id] = UNKNOWN if row is None else reasons[row["state"]]
        if act is not None and handled.done:
            who, verb = act
            note_act_inside(store, who, f"{verb} {named(list(handled.done))}", params["now"])
    return handled


_NAMED_TASKS = 5


def named(ids: list[str]) -> str:
    """``2 tasks: a, b``; of many the first five."""
    more = f" and {len(ids) - _NAMED_TASKS} more" if len(ids) > _NAMED_TASKS else ""
    return f"{counted(len(ids), 'task')}: {', '.join(ids[:_NAMED_TASKS])}{more}"

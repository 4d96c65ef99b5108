"""Rows of tasks that are polled in which a number or a text was damaged on the disk.

SQLite checks the type of every column when a row is written, and none when it is read. So one damaged column keeps its
whole row from being saved, and Python from comparing it with others.
"""

from worker.core.instant import FAR
from worker.core.task import DueReason
from worker.store.db.store import Store
from worker.store.state import api
from worker.store.tasks import history

# What takes the place of a damaged value, in SQL. Of what is lost for good, the daemon knows that it is there now.
_NUMBERS = {
    "recorded_at": ":now",
    "life_from": ":now",
    "paused_base": ":paused_total",
    "due_at": ":now",
    "polls": "0",
    "failures": "0",
    "polls_outlived": "0",
}
_OPTIONAL_NUMBERS = (
    "started_at",
    "leased_until",
    "not_found_since",
    "last_poll_at",
    "last_status",
    "pending_at",
    "delay_per_request_ms",
    "verify_at",
)
_TEXTS = {"reason": f"'{DueReason.FIRST}'", "task_class": "'unseen'"}
_OPTIONAL_TEXTS = ("verified", "name", "correlation_id", "trace_id", "last_error", "last_trace_id")

# What the log says of it.
MENDED = "tasks were damaged on the disk: what was lost of them is set anew"

# A count beyond it was never reached by counting.
MOST_POLLS = 1_000_000_000


def _sound(column: str) -> str:
    if _NUMBERS.get(column) == "0":
        return f"(typeof({column}) = 'integer' AND {column} BETWEEN 0 AND {MOST_POLLS})"
    return f"(typeof({column}) = 'integer' AND {column} BETWEEN {-FAR} AND {FAR})"


_SOUND = {
    **{name: _sound(name) for name in _NUMBERS},
    **{name: f"({name} IS NULL OR {_sound(name)})" for name in _OPTIONAL_NUMBERS},
    **{name: f"(typeof({name}) = 'text')" for name in _TEXTS},
    **{name: f"({name} IS NULL OR typeof({name}) = 'text')" for name in _OPTIONAL_TEXTS},
}
_SOUND["due_at"] = f"(state <> 'pending' OR {_SOUND['due_at']})"
_INSTEAD = {**_NUMBERS, **dict.fromkeys((*_OPTIONAL_NUMBERS, *_OPTIONAL_TEXTS), "NULL"), **_TEXTS, "verify_at": ":now"}
# One for each index: by both at once, all tasks there are would be read.
_DAMAGED = tuple(
    f"{polled} AND NOT ({' AND '.join(_SOUND.values())})"
    for polled in ("state = 'pending'", "verify_at IS NOT NULL AND state <> 'pending'")
)


def mend(store: Store, now: int) -> int:
    """Give tasks that are polled something sane for each damaged column, and say so in their history; how many there
    were. Pending ones are polled, and concluded ones that the vendor is to confirm.

    This reads every row of them: it is for when one has stood in the way. On a server a column holds what its type
    says, and nothing is read.
    """
    if store.shared:
        return 0
    return sum(_mend(store, condition, now) for condition in _DAMAGED)


def _mend(store: Store, condition: str, now: int) -> int:
    if store.one(f"SELECT seq FROM tasks WHERE {condition} LIMIT 1") is None:  # noqa: S608 - constants
        return 0
    given = {"now": now, "paused_total": api.get(store).breaker.paused_until_now(now)}
    with store.write():
        rows = store.read(
            f"SELECT seq, {', '.join(f'{sound} AS {name}' for name, sound in _SOUND.items())}"  # noqa: S608 - constants
            f" FROM tasks WHERE {condition}"
        )
        for row in rows:
            names = [name for name in _SOUND if not row[name]]
            anew = ", ".join(f"{name} = {_INSTEAD[name]}" for name in names)
            store.execute(f"UPDATE tasks SET {anew} WHERE seq = :seq", {**given, "seq": row["seq"]})  # noqa: S608
            history.add(store, row["seq"], now, "mended", f"damaged on the disk: {', '.join(names)}")
    return len(rows)


def put_off(store: Store, seq: int, now: int, wait_ms: int) -> None:
    """Count a failure of a task whose row or reply breaks our own code, with nothing of that code."""
    with store.write():
        row = store.one(
            """
            UPDATE tasks SET due_at = :due_at, leased_until = NULL, reason = :reason, polls = polls + 1,
                failures = failures + 1, last_error = 'internal', last_poll_at = :now
            WHERE seq = :seq AND state = 'pending' RETURNING failures
            """,
            {"due_at": now + wait_ms, "reason": DueReason.BACKOFF, "now": now, "seq": seq},
        )
        if row is not None and row["failures"] == 1:
            history.add(store, seq, now, "failing", "internal")

"""What all processes share of the API: its circuit breaker, rate limiter and schedule, in one row; and its origin.

Every poll pass reads and writes that row in its transaction, so it is the lock as well.
"""

from typing import NamedTuple, get_args

from worker.core.errors import BadConfiguration
from worker.core.pacing.breaker import Breaker, PauseReason
from worker.core.pacing.limiter import LimiterState
from worker.core.pacing.shared import Shared
from worker.core.schedule.state import ScheduleState
from worker.store.db.store import Store
from worker.store.state import meta

_REASONS = (None, *get_args(PauseReason))
_FIELDS = (*Breaker._fields, *LimiterState._fields, *ScheduleState._fields)
_COLUMNS = ", ".join(_FIELDS)
_SET = ", ".join(f"{name} = :{name}" for name in _FIELDS)


def get(store: Store) -> Shared:
    """The row as it stands in the database."""
    row = store.one(f"SELECT {_COLUMNS} FROM api WHERE id = 1")  # noqa: S608 - constants
    assert row is not None
    breaker = Breaker(**{name: row[name] for name in Breaker._fields})
    if breaker.reason not in _REASONS:
        breaker = breaker._replace(reason="unreachable", code=None)  # damaged on the disk: probes end the pause
    return Shared(
        breaker,
        LimiterState(**{name: row[name] for name in LimiterState._fields}),
        ScheduleState(**{name: row[name] for name in ScheduleState._fields}),
    )


def put(store: Store, shared: Shared) -> None:
    """Write the row, inside a transaction that has read it."""
    params = shared.breaker._asdict() | shared.limiter._asdict() | shared.schedule._asdict()
    store.execute(f"UPDATE api SET {_SET} WHERE id = 1", params)  # noqa: S608 - constants


class LastPause(NamedTuple):
    """The pause that ended last: its reason, the code of the last reply in it, and when it ended (ms)."""

    reason: str
    code: str
    ended_at: int


_LAST_PAUSE = "last_pause"


def note_pause(store: Store, breaker: Breaker, now: int) -> None:
    """A pause has ended; ``breaker`` is as it was in it. Inside a transaction."""
    meta.put(store, _LAST_PAUSE, {"reason": breaker.reason, "code": breaker.code or "", "ended_at": now})


def last_pause(store: Store) -> LastPause | None:
    """``None`` where there was none."""
    noted = meta.get(store, _LAST_PAUSE)
    reason, code, ended_at = noted.get("reason"), noted.get("code"), noted.get("ended_at")
    if not isinstance(reason, str) or not isinstance(code, str) or not isinstance(ended_at, int):
        return None
    return LastPause(reason, code, ended_at)


def shift(store: Store, by: int) -> None:
    """The clock was set back by ``-by`` ms: a pause keeps its length, and so does what the limiter remembers."""
    store.execute(
        """
        UPDATE api SET paused_at = paused_at + :by, resumes_at = resumes_at + :by,
            tat_us = tat_us + 1000 * CAST(:by AS BIGINT),
            slowed_at = CASE WHEN slowed_at + :by > 0 THEN slowed_at + :by ELSE 0 END,
            eased_at = CASE WHEN eased_at + :by > 0 THEN eased_at + :by ELSE 0 END
        """,
        {"by": by},
    )


def shift_pause(store: Store, by: int) -> None:
    """The clock was set forward by ``by`` ms: the pause has not lasted longer. It ends when that was planned."""
    store.execute("UPDATE api SET paused_at = paused_at + :by", {"by": by})


def forget_first_wait(store: Store) -> None:
    """Polling is not configured now: `record` plans first polls by the cadence again. Inside a transaction."""
    store.execute("UPDATE api SET first_wait_ms = NULL WHERE id = 1")


def origin_of(store: Store) -> str | None:
    """The API this database belongs to; ``None`` before its first use with one."""
    row = store.one("SELECT value FROM meta WHERE key = 'api_origin'")
    return None if row is None else str(row["value"])


def bind_origin(store: Store, origin: str) -> None:
    """Remember the API this database belongs to; raises :class:`BadConfiguration` when it is another one's.

    The ids of one environment mean nothing in another: asking production for a sandbox's ids finds only 404s.
    """
    if origin_of(store) is None:
        with store.write():
            store.execute(
                "INSERT INTO meta (key, value) VALUES ('api_origin', :origin) ON CONFLICT (key) DO NOTHING",
                {"origin": origin},
            )
            store.execute("UPDATE tasks SET origin = :origin WHERE origin = ''", {"origin": origin})
    refuse_other_origin(store, origin)


def refuse_other_origin(store: Store, origin: str) -> None:
    """Raises :class:`BadConfiguration` where the database belongs to another API."""
    known = origin_of(store)
    if known is not None and known != origin:
        raise BadConfiguration(
            f"{store.name} belongs to {known}, but [api] base_url names {origin}",
            "use another database for another environment ([store] path or url), or set base_url back; where the "
            "vendor has moved to that host with all of its tasks: cdpoll db rebind",
        )


def rebind_origin(store: Store, origin: str) -> int:
    """Let the database belong to another API, which knows the same ids; how many tasks are asked for there from now on.

    Inside a transaction. What is concluded keeps the API that concluded it.
    """
    before = origin_of(store)
    store.execute(
        "INSERT INTO meta (key, value) VALUES ('api_origin', :origin) ON CONFLICT (key) DO UPDATE SET value = :origin",
        {"origin": origin},
    )
    return store.execute(
        "UPDATE tasks SET origin = :origin WHERE state <> 'concluded' AND origin IN ('', :before)",
        {"origin": origin, "before": before or ""},
    )

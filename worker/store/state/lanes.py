"""The state that several processes share: the pause and the limiter, the daemon's beat, the API's origin."""

import os
from dataclasses import dataclass
from typing import NamedTuple

from worker.core.errors import BadConfiguration
from worker.core.pacing.breaker import Lane
from worker.core.pacing.limiter import Meter
from worker.store.db.store import Store

_LANE = ("reason", "code", "paused_at", "resumes_at", "probes", "paused_total")
_METER = {name: "tat_us" if name == "tat" else name for name in Meter._fields}  # field -> column
_COLUMNS = ", ".join((*_LANE, *_METER.values()))
_SET = ", ".join([f"{name} = :{name}" for name in _LANE] + [f"{name} = :{key}" for key, name in _METER.items()])


def get(store: Store) -> Lane:
    """The lane as it stands in the database."""
    row = store.one(f"SELECT {_COLUMNS} FROM api WHERE id = 1")  # noqa: S608 - constants
    assert row is not None
    return Lane(*tuple(row)[: len(_LANE)])._replace(meter=Meter(*tuple(row)[len(_LANE) :]))


def put(store: Store, lane: Lane) -> None:
    """Write the lane, inside a transaction that has read it."""
    params = {name: getattr(lane, name) for name in _LANE} | lane.meter._asdict()
    store.execute(f"UPDATE api SET {_SET} WHERE id = 1", params)  # noqa: S608 - constants


def origin_of(store: Store) -> str | None:
    """The API this database belongs to; ``None`` before its first use with one."""
    row = store.one("SELECT value FROM meta WHERE key = 'api_origin'")
    return None if row is None else str(row["value"])


def shift(store: Store, by: int) -> None:
    """The clock was set back by ``-by`` ms: a pause keeps its length, and so does what the limiter remembers."""
    store.execute(
        "UPDATE api SET paused_at = paused_at + :by, resumes_at = resumes_at + :by, tat_us = tat_us + 1000 * :by,"
        " slowed_at = max(0, slowed_at + :by), eased_at = max(0, eased_at + :by)",
        {"by": by},
    )


def bind_origin(store: Store, origin: str) -> None:
    """Remember the API this database belongs to; raises :class:`BadConfiguration` when it is another one's.

    The ids of one environment mean nothing in another: asking production for a sandbox's ids finds 404s for ever.
    """
    if origin_of(store) is None:
        with store.write():
            store.execute(
                "INSERT INTO meta (key, value) VALUES ('api_origin', :origin) ON CONFLICT (key) DO NOTHING",
                {"origin": origin},
            )
            store.execute("UPDATE tasks SET origin = :origin WHERE origin = ''", {"origin": origin})
    known = origin_of(store)
    if known != origin:
        raise BadConfiguration(
            f"{store.path} belongs to {known}, but [api] base_url names {origin}",
            "use another [store] path for another environment, or set base_url back",
        )


class FirstLook(NamedTuple):
    """The plan for new tasks, ms: the wait from recording to the first look, and the price it was planned at."""

    wait: int | None  # none: as the cadence says
    price: int | None


def first_look(store: Store) -> FirstLook:
    """As the daemon last planned it."""
    row = store.one("SELECT first_wait_ms, delay_per_request_ms FROM api WHERE id = 1")
    if row is None or row["first_wait_ms"] is None:
        return FirstLook(None, None)
    return FirstLook(row["first_wait_ms"], round(row["delay_per_request_ms"]))


@dataclass(frozen=True, slots=True)
class Beat:
    """The daemon's row."""

    pid: int
    version: str
    started_at: int
    beat_at: int
    stopped_at: int | None
    token_expires_at: int | None

    # Passes come at least once a minute; twice that and a bit is no daemon, whatever its pid says.
    STALE = 150_000

    def alive(self, now: int) -> bool:
        """Whether passes are being made."""
        return now - self.beat_at < self.STALE and self.exists()

    def exists(self) -> bool:
        """Whether the process is there and has not said that it ends."""
        if self.stopped_at is not None:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def beat(store: Store, *, pid: int, version: str, started_at: int, now: int, token_expires_at: int | None) -> None:
    """Say that a pass was made."""
    store.execute(
        """
        INSERT INTO daemon (id, pid, version, started_at, beat_at, stopped_at, token_expires_at)
        VALUES (1, :pid, :version, :started_at, :now, NULL, :token_expires_at)
        ON CONFLICT (id) DO UPDATE SET pid = :pid, version = :version, started_at = :started_at, beat_at = :now,
            stopped_at = NULL, token_expires_at = :token_expires_at
        """,
        {
            "pid": pid,
            "version": version,
            "started_at": started_at,
            "now": now,
            "token_expires_at": token_expires_at,
        },
    )


def stopped(store: Store, now: int) -> None:
    """Say that the daemon ended as it should."""
    store.execute("UPDATE daemon SET stopped_at = :now WHERE id = 1", {"now": now})


def last_beat(store: Store) -> Beat | None:
    row = store.one("SELECT pid, version, started_at, beat_at, stopped_at, token_expires_at FROM daemon WHERE id = 1")
    return None if row is None else Beat(**{key: row[key] for key in row.keys()})  # noqa: SIM118

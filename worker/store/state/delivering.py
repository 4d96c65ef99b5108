"""What the process of `cdpoll deliver` says of itself on each host: that it lives, or when it ended."""

from typing import Any, NamedTuple

from worker.store.db.store import Store
from worker.store.state import meta

# With the name of the host's daemon behind it.
_KEY = "deliver:"

# It says that it lives every 15 s. After a gap like this it does not.
STALE_MS = 90_000


class DeliverBeat(NamedTuple):
    """Instants are ms. ``stopped_at``: when it ended as it should; ``None``: it runs, or did not end so.

    ``daemon``: the name of the daemon of its host; ``None``: an earlier release wrote it.
    """

    pid: int
    version: str
    started_at: int
    beat_at: int
    stopped_at: int | None = None
    daemon: str | None = None

    def alive(self, now: int) -> bool:
        """Also by a clock that was set back since."""
        return self.stopped_at is None and now - self.beat_at < STALE_MS

    @property
    def last_seen_at(self) -> int:
        return self.beat_at if self.stopped_at is None else self.stopped_at


def put(store: Store, beat: DeliverBeat) -> None:
    """Inside a transaction."""
    meta.put(store, _KEY + store.daemon, beat._asdict())


def get(store: Store) -> DeliverBeat | None:
    """Of the one that was last seen alive, of all hosts; ``None``: none ever ran, or its row was damaged."""
    found = [beat for told in meta.beginning(store, _KEY) if (beat := _beat(told)) is not None]
    return max(found, key=lambda one: (one.stopped_at is None, one.last_seen_at), default=None)


def _beat(told: dict[str, Any]) -> DeliverBeat | None:
    try:
        beat = DeliverBeat(**told)
    except TypeError:
        return None
    numbers = (beat.pid, beat.started_at, beat.beat_at, beat.stopped_at or 0)
    texts = (beat.version, beat.daemon or "")
    return beat if all(isinstance(n, int) for n in numbers) and all(isinstance(t, str) for t in texts) else None

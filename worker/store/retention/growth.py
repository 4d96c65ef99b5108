"""How fast the database grows: its size of each of the last days, one row of ``meta``."""

from typing import NamedTuple

from worker.store.db.store import Store
from worker.store.state import meta

_KEY = "sizes"
_DAY_MS = 86_400_000
_MOST_DAYS_ROWS = 8
# Less says nothing of a day.
_LEAST_MS = _DAY_MS // 2


class Growth(NamedTuple):
    """``used_bytes``: pages that hold something; ``file_bytes``: all pages. ``bytes_per_day`` is measured over
    ``days``; ``None``: it was not watched for long enough."""

    used_bytes: int
    file_bytes: int
    bytes_per_day: int | None
    days: float

    def lasts_days(self, free_bytes: int) -> int | None:
        """How long a disk with so many free bytes lasts; ``None``: that cannot be told, or the database grows no more.
        Pages that hold nothing are used first."""
        if self.bytes_per_day is None or self.bytes_per_day <= 0:
            return None
        return (free_bytes + self.file_bytes - self.used_bytes) // self.bytes_per_day


def note(store: Store, now: int) -> None:
    """Note the size once a day, in a transaction of its own."""
    noted = _noted(store, now)
    last, _ = noted[-1] if noted else (None, 0)
    if last is not None and now - last < _DAY_MS:
        return
    size, free = store.file_bytes()
    with store.write():
        meta.put(store, _KEY, {"days": [*noted, [now, size - free]][-_MOST_DAYS_ROWS:]})


def growth(store: Store, now: int) -> Growth:
    """What is known of it."""
    size, free = store.file_bytes()
    noted = _noted(store, now)
    at, used = noted[0] if noted else (now, 0)
    if now - at < _LEAST_MS:
        return Growth(size - free, size, None, 0)
    return Growth(size - free, size, (size - free - used) * _DAY_MS // (now - at), (now - at) / _DAY_MS)


def _noted(store: Store, now: int) -> list[list[int]]:
    """Without what a wrong clock has left."""
    days = meta.get(store, _KEY).get("days", [])
    return [one for one in days if 0 <= now - one[0] <= 2 * _MOST_DAYS_ROWS * _DAY_MS]

"""What `status` says of retention, and of how long the disk lasts. Reads only."""

from typing import Any

from worker.core.instant import iso_or_none, words
from worker.core.problems import Problem, problem
from worker.store.db.store import Store
from worker.store.retention import growth, noted

Json = dict[str, Any]

# The daemon rewrites the file once a week.
_LATE_MS = 8 * 86_400_000


def retention(store: Store, keep_ms: int | None) -> Json:
    """``not_rewritten``: what was removed and still stands in the file."""
    past = noted.get(store)
    left = past.get("rows") or 0
    return {
        "keep_s": None if keep_ms is None else keep_ms // 1000,
        "purged_at": iso_or_none(past.get("purged_at")),
        "rewritten_at": iso_or_none(past.get("rewritten_at")),
        "not_rewritten": {
            "rows": left,
            "since": iso_or_none(past.get("since")) if left else None,
            "hindrance": past.get("hindrance") if left else None,
        },
    }


def disk(store: Store, now: int, free_bytes: int | None) -> Json:
    """``lasts_days``: at the growth of the days that it was measured over."""
    found = growth.growth(store, now)
    return {
        "free_bytes": free_bytes,
        "database_bytes": found.file_bytes,
        "grows_bytes_per_day": found.bytes_per_day,
        "measured_days": round(found.days, 1),
        "lasts_days": None if free_bytes is None else found.lasts_days(free_bytes),
    }


def not_rewritten(store: Store, now: int) -> list[Problem]:
    """What was removed long ago stands in the file: more than a week, or a first attempt was in vain."""
    past = noted.get(store)
    since, why = past.get("since"), past.get("hindrance")
    if not past.get("rows") or since is None or (why is None and now - since < _LATE_MS):
        return []
    cause = why or "no daemon ran at the time that [retention] vacuum names, or it names none"
    return [problem("not_rewritten", past["rows"], lasting=words(max(0, now - since)), cause=cause)]

"""Makes letters of rows: what a way out is given of a result."""

import json
from collections.abc import Iterable
from typing import Any

from worker.core.delivery import Letter, LetterRefused
from worker.core.errors import StorageFailed, TryLater, place_of
from worker.core.way import Undone
from worker.store.db.store import Store
from worker.store.views import exported

Json = dict[str, Any]

# What names a result; the rest of an object says what was found, or comes from the vendor as it is.
_THIN = (
    *("seq", "kind", "id", "ref", "correlation_id", "trace_id", "subtenant", "name", "source", "outcome", "revision"),
    *("recorded_at", "concluded_at", "received_at", "visible_at"),
)


def letters(store: Store, rows: Iterable[Undone]) -> dict[int, Letter | LetterRefused]:
    """By number the letters; none for a result that is gone, was purged, or was replaced by a later body.

    One that cannot be made by a fault of ours is refused, so it holds up no other. Raises StorageFailed and TryLater.
    """
    numbers = [row.number for row in rows]
    try:
        return dict(_made(store, numbers))
    except (StorageFailed, TryLater):
        raise
    except Exception:  # it is one of them: find out which
        return {number: one for number in numbers for one in _alone(store, number)}


def _made(store: Store, numbers: list[int]) -> dict[int, Letter]:
    told = exported.objects(store, exported.entries_of(store, numbers))
    return {number: _letter(one) for number, one in told.items()}


def _alone(store: Store, number: int) -> list[Letter | LetterRefused]:
    try:
        return [*_made(store, [number]).values()]
    except (StorageFailed, TryLater):
        raise
    except Exception as error:
        return [LetterRefused("internal", f"a fault in cdpoll itself, {type(error).__name__} at {place_of(error)}")]


def _letter(told: Json) -> Letter:
    x12 = tuple(text.encode("utf-8", "replace") for text in exported.x12_of(told))
    outcome = told["outcome"] if told["kind"] == "task" else "batch"
    return Letter(
        told["seq"], told["id"], told["ref"], outcome, told["subtenant"], _encoded(told), _encoded(_thin(told)), x12
    )


def _thin(told: Json) -> Json:
    """What names the result, and a summary: how many coverages, how many paths. Its size has a bound."""
    lists = [path["list"] for path in told["paths"]]
    summary = {
        "coverages": len(told["found"]),
        "paths": {name: lists.count(name) for name in sorted(set(lists))},
        "unanswered_paths": len(told["unanswered_paths"]),
    }
    return {**{key: told[key] for key in _THIN}, "summary": summary}


def _encoded(told: Json) -> bytes:
    try:
        return json.dumps(told, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can escape and UTF-8 cannot hold
        return json.dumps(told).encode()

"""How the vendor's callbacks fare, for `status`, the page and the metrics; read from indexes of few rows."""

from collections.abc import Iterator
from typing import Any

from worker.core.instant import about, from_iso, iso_or_none
from worker.core.problems import counted
from worker.store.db.store import Store
from worker.store.state import callback_lane
from worker.store.tasks import verifying

Json = dict[str, Any]


def picture(store: Store) -> Json:
    """Whether they arrive, and how many tasks wait for theirs, or for the vendor to confirm what one said."""
    lane = callback_lane.get(store)
    return {
        "on_since": iso_or_none(lane.on_since),
        "last_at": iso_or_none(lane.last_at),
        "last_fresh_at": iso_or_none(lane.last_fresh_at),
        "down_since": iso_or_none(lane.down_since),
        "waiting": callback_lane.waiting(store),
        "to_confirm": verifying.under_way(store),
        "not_confirmed": verifying.not_confirmed(store),
    }


def fact(told: Json, now: int) -> str:
    """The same in a line."""
    return "; ".join(_said(told, now))


def _said(told: Json, now: int) -> Iterator[str]:
    down, last, fresh = (from_iso(told[key]) for key in ("down_since", "last_at", "last_fresh_at"))
    if down is not None:
        yield f"DOWN for {about(now - down)}: no poll waits for them"
    yield "none came yet" if last is None else f"the last one {about(now - last)} ago"
    if last is not None and fresh != last:
        yield f"it was replayed; the last fresh one {'never' if fresh is None else about(now - fresh) + ' ago'}"
    if told["waiting"]:
        yield f"{counted(told['waiting'], 'task')} wait{'s' if told['waiting'] == 1 else ''} for theirs"
    if told["to_confirm"]:
        yield f"{told['to_confirm']} to be confirmed by the vendor"
    if told["not_confirmed"]:
        yield f"{told['not_confirmed']} NOT CONFIRMED by the vendor"

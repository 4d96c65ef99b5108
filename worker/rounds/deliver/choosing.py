"""Which of the results that went into the outbox a way is to deliver."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from worker.rounds.ingest.deriving import derive_fresh
from worker.store import deliveries
from worker.store.db.store import Store
from worker.store.deliveries import About, Fresh
from worker.store.views import exported
from worker.store.views.entries import Entry

# Each reads the 271s of some results, which may not be those that are waited for.
MOST_READINGS = 50


@dataclass(frozen=True, slots=True)
class WayRules:
    """What one way delivers. ``subtenants``: only their results; ``None``: all. ``schedule_ms``: the waits between the
    attempts of a letter."""

    name: str
    schedule_ms: tuple[int, ...]
    start: Literal["all", "new"] = "all"
    subtenants: frozenset[str] | None = None
    outcomes: frozenset[str] = frozenset({"success", "failure", "batch"})

    def wants(self, about: About) -> bool:
        return about.outcome in self.outcomes and (self.subtenants is None or about.subtenant in self.subtenants)

    def of(self, subtenant: str) -> "WayRules":
        """The same, of the results of one subtenant alone."""
        mine = frozenset({subtenant})
        return replace(self, subtenants=mine if self.subtenants is None else mine & self.subtenants)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a way is to deliver of the numbers up to ``up_to``."""

    fresh: tuple[Fresh, ...]
    up_to: int


def choose(store: Store, rules: WayRules, after: int, most: int, now: int) -> Chosen | None:
    """What follows the number ``after``, of up to ``most`` numbers; ``None``: nothing follows yet.

    The 271s of these results are read first where nobody has, so that what goes out is whole. Raises StorageFailed and
    TryLater.
    """
    page = exported.entries_after(store, after, most)
    for _ in range(MOST_READINGS):
        if page.up_to > after or not derive_fresh(store, now):
            break
        page = exported.entries_after(store, after, most)
    return None if page.up_to == after else Chosen(tuple(_wanted(store, rules, page.entries)), page.up_to)


def _wanted(store: Store, rules: WayRules, entries: Iterable[Entry]) -> Iterable[Fresh]:
    entries = list(entries)
    known = deliveries.about(store, {one.result for one in entries})
    for one in entries:
        about = known.get(one.result)
        if one.seq is not None and about is not None and rules.wants(about):
            yield Fresh(one.seq, one.result, about.task)

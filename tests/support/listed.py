"""A list of discoveries that behaves as the vendor's may, without HTTP: what a sweep is tried against."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from worker.core import backfill
from worker.core.backfill import Memory, OffsetBy, Sweep
from worker.core.vendor.page import Page, PageQuery, Row

Order = Literal["ascending", "descending", "none"]


@dataclass
class Listed:
    """The rows, and how the list is odd. ``asked`` counts the queries."""

    rows: list[Row]
    order: Order = "ascending"
    by: OffsetBy = "records"
    cap: int = 100
    windowed: bool = True
    repeats: int = 0  # rows of the page before that each page behind an offset begins with
    asked: Counter[PageQuery] = field(default_factory=Counter)

    def page(self, query: PageQuery) -> Page:
        self.asked[query] += 1
        end = query.end
        assert end is not None
        rows = [one for one in self.rows if not self.windowed or _within(one.started_at, query.start, end)]
        if self.order != "none":
            rows.sort(key=lambda row: ((row.started_at or 0) // 1000, row.id), reverse=self.order == "descending")
        size = min(self.cap, query.limit)
        first = query.offset if self.by == "records" else query.offset * size
        page = tuple(rows[max(0, first - self.repeats) if first else 0 : first + size])
        return Page(page, len(page))


def _within(start: int | None, begin: int, end: int) -> bool:
    return start is None or begin <= start <= end


class Swept:
    """What a sweep found, with its last step."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.memory = Memory()
        self.pages = 0


def sweep_over(
    listed: Listed, begin: int, end: int, *, between: Callable[[int], bool] = lambda _n: False, most: int = 5_000
) -> Swept:
    """A whole sweep. ``between`` is called with the number of each page, before the next is asked for; where it says
    so, the process has died meanwhile, and the answer of that page is lost."""
    found = Swept()
    sweep: Sweep = backfill.begun(begin, end)
    over = False
    while not over:
        assert found.pages < most, f"the sweep does not end: {sweep}"
        page = listed.page(backfill.query_of(sweep, found.memory))
        found.pages += 1
        if between(found.pages):
            sweep, found.memory = backfill.resumed(sweep), Memory()
            continue
        sweep, found.memory, fresh, over = backfill.after(sweep, found.memory, page)
        found.ids += [row.id for row in fresh]
    return found

"""The sweep: through a list whose pages cannot be trusted, by time.

The vendor's list takes a window of time, an order and an offset. It is not known whether the offset counts records or
pages, rows may repeat or be left out between pages, the order may be ignored, and so may the window. What is used is
what needs the least trust:

=====================================  ===============================================================================
the page                               what is asked next
=====================================  ===============================================================================
is ascending, in more than one second  the same window from the second of its last row on, offset 0: new rows can shift
                                       nothing, and the second is asked for whole
lies within one second                 by offset, until a page brings nothing new or a later second. The first step is
                                       offset 1: if it repeats most of the page, the offset counts records, else pages
is not ascending, and full             the first half of the window. A part that was read is followed by one of twice
                                       its length
is not ascending, and not full         offset 1: if that brings nothing new, all of the window was seen
holds rows from outside the window     by offset, to the end of the list: the window is ignored
is empty                               nothing: all of the window was seen
=====================================  ===============================================================================

So no page is asked for twice, but for one whose answer was lost. By hand: 250 discoveries, one a second from second 0
on, 100 rows a page: asked for from 0, 99 and 198 on, then from 249 on, which brings the last row alone, and then with
offset 1, which brings none: five requests.

:func:`after` does no I/O. :class:`Sweep` is the checkpoint, which outlives the process; :class:`Memory` may be lost.
Instants are ms. A window includes its begin and excludes its end; both are whole seconds.
"""

from itertools import pairwise
from typing import Literal, NamedTuple

from worker.core.vendor.page import ASKED_ROWS, Page, PageQuery, Row

SECOND_MS = 1_000

# By offset, each page begins with the last rows of the one before: so many may vanish meanwhile.
OVERLAP_ROWS = 10

# Half a million discoveries. A list that never ends must not be asked for ever.
MOST_PAGES = 5_000

OffsetBy = Literal["records", "pages"]

# What may be wrong with the whole of a sweep, as its error's code.
PAGE_CAP, OUTSIDE_WINDOW, OFFSET_IGNORED = "page_cap", "outside_window", "offset_ignored"
FLAWS = (PAGE_CAP, OUTSIDE_WINDOW, OFFSET_IGNORED)


class Sweep(NamedTuple):
    """How far a sweep over [begins_at, ends_at) has come: all before ``reached_at`` was read, and the next page lies in
    [reached_at, until_at). ``offset_by`` is known once a second was too full for one page."""

    begins_at: int
    ends_at: int
    reached_at: int
    until_at: int
    offset: int = 0
    offset_by: OffsetBy | None = None


class Memory(NamedTuple):
    """What is remembered of the pages of one run, which begins with offset 0, and of the sweep."""

    seen: frozenset[str] = frozenset()  # ids of the run's pages
    last: frozenset[str] = frozenset()  # ids of the last page, of whichever run
    second: int | None = None  # in which all rows of the run lie
    unfiltered: bool = False  # the run has shown rows from outside the window
    mixed: bool = False  # a page was not ascending: another may look so by chance
    limit: int = ASKED_ROWS  # how many rows are asked for: fewer where a page was too large
    flaw: str | None = None  # of the sweep


class Step(NamedTuple):
    """The checkpoint and the memory after a page; ``fresh``: its rows that the page before did not have, each once.
    ``over``: the sweep has come to its end."""

    sweep: Sweep
    memory: Memory
    fresh: tuple[Row, ...]
    over: bool


def begun(begin: int, end: int) -> Sweep:
    """A sweep over all that began from ``begin`` to ``end``, widened to whole seconds."""
    first, last = begin // SECOND_MS * SECOND_MS, -(-end // SECOND_MS) * SECOND_MS
    last = max(last, first + SECOND_MS)
    return Sweep(first, last, first, last)


def resumed(sweep: Sweep) -> Sweep:
    """The checkpoint as it is gone on with by a process that remembers nothing: the first step by offset compares."""
    return sweep if sweep.offset_by is not None else sweep._replace(offset=0)


def query_of(sweep: Sweep, memory: Memory, correlation_id: str | None = None) -> PageQuery:
    """What is to be asked next."""
    return PageQuery(sweep.reached_at, sweep.until_at, sweep.offset, memory.limit, correlation_id)


def after(sweep: Sweep, memory: Memory, page: Page) -> Step:
    """The sweep after the answer to :func:`query_of`."""
    ids = frozenset(row.id for row in page.rows)
    fresh = tuple({row.id: row for row in page.rows if row.id not in memory.seen | memory.last}.values())
    starts = [row.started_at for row in page.rows if row.started_at is not None]
    if any(not sweep.reached_at <= start <= sweep.until_at for start in starts):
        memory = memory._replace(unfiltered=True, flaw=memory.flaw or OUTSIDE_WINDOW)
    again = sweep.offset > 0 and ids <= memory.seen
    if again and ids == memory.seen and page.received >= memory.limit:
        memory = memory._replace(flaw=memory.flaw or OFFSET_IGNORED)
    memory = memory._replace(last=ids)
    if page.received == 0 or again:
        return _read(sweep, memory, fresh)
    seconds = [min(start, sweep.until_at - 1) // SECOND_MS * SECOND_MS for start in starts]
    if memory.second is not None:
        seconds.insert(0, memory.second)
    narrowed = sweep.until_at < sweep.ends_at  # only a list that is not ascending makes it so
    memory = memory._replace(mixed=memory.mixed or narrowed or any(one > other for one, other in pairwise(seconds)))
    if len(set(seconds)) > 1 and not memory.unfiltered:
        if not memory.mixed:
            return Step(_moved(sweep, seconds[-1], sweep.until_at), _new_run(memory), fresh, over=False)
        half = (sweep.until_at - sweep.reached_at) // (2 * SECOND_MS) * SECOND_MS
        if half and (page.received >= memory.limit or sweep.offset > 0):
            halved = _moved(sweep, sweep.reached_at, sweep.reached_at + half)
            return Step(halved, _new_run(memory), fresh, over=False)
    by = sweep.offset_by
    if by is None and sweep.offset > 0:
        by = "records" if 2 * len(ids & memory.seen) >= len(memory.seen) else "pages"
    stride = max(1, page.received - OVERLAP_ROWS) if by == "records" else 1
    memory = memory._replace(seen=memory.seen | ids, second=seconds[0] if len(set(seconds)) == 1 else None)
    return Step(sweep._replace(offset=sweep.offset + stride, offset_by=by), memory, fresh, over=False)


def _read(sweep: Sweep, memory: Memory, fresh: tuple[Row, ...]) -> Step:
    """All of the present window was seen."""
    if sweep.until_at >= sweep.ends_at:
        return Step(sweep._replace(reached_at=sweep.ends_at, offset=0), _new_run(memory), fresh, over=True)
    length = 2 * (sweep.until_at - sweep.reached_at)
    moved = _moved(sweep, sweep.until_at, min(sweep.ends_at, sweep.until_at + length))
    return Step(moved, _new_run(memory), fresh, over=False)


def _moved(sweep: Sweep, begin: int, end: int) -> Sweep:
    return sweep._replace(reached_at=begin, until_at=end, offset=0, offset_by=None)


def _new_run(memory: Memory) -> Memory:
    return Memory(last=memory.last, mixed=memory.mixed, limit=memory.limit, flaw=memory.flaw)

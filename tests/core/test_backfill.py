"""The sweep finds every discovery of its window, however the list counts, sorts and shifts, and repeats no page."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.listed import Listed, Order, sweep_over
from worker.core.backfill import OFFSET_IGNORED, OUTSIDE_WINDOW, Memory, OffsetBy, after, begun, query_of
from worker.core.vendor.page import Page, PageQuery, Row

NOW = 1_800_000_000_000
HOUR = 3_600_000


def row(n: int, start: int | None) -> Row:
    return Row(f"t{n:05}", started_at=start)


def rows(starts: list[int]) -> list[Row]:
    return [row(n, start) for n, start in enumerate(sorted(starts))]


def bursts(chance: random.Random, length: int, count: int) -> list[int]:
    """Starts within a window: some alone, some many in one second."""
    found: list[int] = []
    while len(found) < count:
        at = NOW + chance.randrange(length)
        found += [at // 1000 * 1000 + chance.randrange(1000) for _ in range(chance.choice((1, 1, 3, 40, 250)))]
    return found[:count]


def test_the_example_of_the_module() -> None:
    listed = Listed([row(n, NOW + 1000 * n) for n in range(250)])
    assert len(sweep_over(listed, NOW, NOW + HOUR).ids) == 250
    begins = [((query.start - NOW) // 1000, query.offset) for query in listed.asked]
    assert begins == [(0, 0), (99, 0), (198, 0), (249, 0), (249, 1)]


@examples(60)
@given(
    st.integers(0, 2**32),
    st.sampled_from(["ascending", "descending", "none"]),
    st.sampled_from(["records", "pages"]),
    st.sampled_from([100, 30]),
    st.sampled_from([0, 0, 1, 5]),
    st.integers(0, 900),
)
def test_every_row_is_found_and_no_page_is_asked_for_twice(
    seed: int, order: Order, by: OffsetBy, cap: int, repeats: int, count: int
) -> None:
    chance = random.Random(seed)
    found = rows(bursts(chance, HOUR, count))
    if order == "none":
        chance.shuffle(found)
    listed = Listed(found, order, by, cap, repeats=repeats)
    swept = sweep_over(listed, NOW, NOW + HOUR)
    assert set(swept.ids) == {one.id for one in found}
    assert set(listed.asked.values()) <= {1}
    assert swept.memory.flaw is None
    if order == "ascending" and not repeats:
        assert swept.ids == [one.id for one in found]


@examples(30)
@given(st.integers(0, 2**32), st.sampled_from(["records", "pages"]))
def test_new_ones_that_arrive_and_old_ones_that_vanish_cost_none(seed: int, by: OffsetBy) -> None:
    """What was there from the begin to the end of the sweep is found; in one second, at most nine vanish a page."""
    chance = random.Random(seed)
    found = rows(bursts(chance, HOUR, 800))
    goers = {one.id for one in chance.sample(found, 60)} if by == "records" else set()
    listed = Listed(list(found), by=by)

    def meanwhile(page: int) -> bool:
        listed.rows += [row(10_000 + 50 * page + n, NOW + HOUR + 1 + n) for n in range(50)]
        listed.rows.insert(0, row(20_000 + page, NOW + chance.randrange(HOUR)))
        gone = sorted(goers & {one.id for one in listed.rows})[:4]
        listed.rows = [one for one in listed.rows if one.id not in gone]
        return False

    swept = sweep_over(listed, NOW, NOW + HOUR, between=meanwhile)
    assert {one.id for one in found} - goers <= set(swept.ids)
    assert set(listed.asked.values()) <= {1}
    assert not any(task_id >= "t10000" and task_id < "t20000" for task_id in swept.ids), "they began after its window"


@examples(30)
@given(st.integers(0, 2**32), st.sampled_from(["ascending", "descending"]), st.sampled_from(["records", "pages"]))
def test_a_process_that_dies_repeats_the_page_whose_answer_was_lost(seed: int, order: Order, by: OffsetBy) -> None:
    """And where it was the first step by offset, the page before, with which it is compared."""
    chance = random.Random(seed)
    found = rows(bursts(chance, HOUR, 900))
    listed = Listed(found, order, by)
    dies_at = chance.randint(1, 12)
    swept = sweep_over(listed, NOW, NOW + HOUR, between=lambda page: page == dies_at)
    assert set(swept.ids) == {one.id for one in found}
    assert max(listed.asked.values()) <= 2
    assert sum(n > 1 for n in listed.asked.values()) <= 2


@pytest.mark.parametrize("by", ["records", "pages"])
def test_a_second_that_is_too_full_for_a_page(by: OffsetBy) -> None:
    listed = Listed(rows([NOW + 5_000 + n % 900 for n in range(1_000)]), by=by)
    swept = sweep_over(listed, NOW, NOW + HOUR)
    assert len(set(swept.ids)) == 1_000
    assert swept.pages <= (13 if by == "records" else 11)


@pytest.mark.parametrize("by", ["records", "pages"])
@pytest.mark.parametrize("order", ["ascending", "descending", "none"])
def test_a_list_that_ignores_the_window_is_read_to_its_end_and_told_of(order: Order, by: OffsetBy) -> None:
    found = rows([NOW - 500_000 + 1000 * n for n in range(730)])
    listed = Listed(found, order, by, windowed=False)
    swept = sweep_over(listed, NOW, NOW + 100_000)
    assert {one.id for one in found} == set(swept.ids), "which of them are taken is not for the sweep to say"
    assert (swept.memory.flaw, swept.pages) == (OUTSIDE_WINDOW, 9 if by == "pages" else 10)


def test_an_offset_that_is_ignored_is_told_of() -> None:
    page = Page(tuple(row(n, NOW) for n in range(100)), 100)
    sweep, memory, fresh, over = after(begun(NOW, NOW + HOUR), Memory(), page)
    assert (len(fresh), sweep.offset, over) == (100, 1, False)
    _, memory, fresh, over = after(sweep, memory, page)
    assert (memory.flaw, fresh, over) == (OFFSET_IGNORED, (), True)


def test_rows_without_a_start_stop_nothing() -> None:
    found = [row(n, None if n % 3 else NOW + 1000 * n) for n in range(400)]
    for order in ("ascending", "descending"):
        listed = Listed(list(found), order)
        assert set(sweep_over(listed, NOW, NOW + HOUR).ids) == {one.id for one in found}
    listed = Listed([row(n, None) for n in range(250)], by="pages")
    assert len(sweep_over(listed, NOW, NOW + HOUR).ids) == 250


def test_rows_that_cannot_be_used_stop_nothing() -> None:
    sweep, memory, _, over = after(begun(NOW, NOW + HOUR), Memory(), Page((), 100))
    assert (sweep.offset, over) == (1, False)
    _, _, _, over = after(sweep, memory, Page((), 99))
    assert over, "nothing new in it"


def test_an_empty_window_takes_one_request() -> None:
    listed = Listed([])
    assert (sweep_over(listed, NOW, NOW + HOUR).ids, len(listed.asked)) == ([], 1)


def test_the_window_is_whole_seconds_and_never_empty() -> None:
    assert begun(NOW + 1, NOW + 1_001)[:4] == (NOW, NOW + 2_000, NOW, NOW + 2_000)
    assert begun(NOW, NOW).ends_at == NOW + 1_000
    assert query_of(begun(NOW, NOW + 5), Memory(limit=25), "c") == PageQuery(NOW, NOW + 1_000, 0, 25, "c")

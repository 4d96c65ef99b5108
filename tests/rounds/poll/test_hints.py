"""Hints from the vendor's list: pages that pay, looks that they bring about, and lists that are not to be believed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hint_desk import ALL, COST, FIRST, HOUR, MINUTE, NAMES, NOW, SECOND, TESTED, Desk, desks, page, row
from worker.core.instant import FAR
from worker.core.intake.recording import Recording
from worker.core.pacing.breaker import Lane
from worker.core.schedule.cadence import Schedule
from worker.core.schedule.learned import ONE_IN, PUT_OFF, PUT_OFF_TESTED, put_off
from worker.core.sweep import APART, MARGIN, MOST_LIES, UNSURE, in_turn
from worker.core.vendor.page import Row
from worker.core.vendor.reply import Garbled, Pending, RateLimited, Refused, Rejected, Reply, Unknown, Unreachable
from worker.store.tasks import polling as tasks
from worker.store.tasks.recording import record


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desks(tmp_path) as made:
        yield made


def test_a_page_is_asked_for_when_the_waiting_it_tells_of_is_worth_its_requests(desk: Desk) -> None:
    # 60 tasks that end by 1/1300 a second wait 60 * t² / 2600 s after t: 200 s are reached after 93 s.
    assert desk.hints.propose(Lane(), NOW + 80 * SECOND) is None
    query = desk.page(FIRST)
    assert (query.start, query.end) == (NOW - UNSURE, FIRST), "nobody has told yet when they began"
    assert desk.learned.spared == 1000 - COST
    assert desk.hints.propose(Lane(), FIRST + SECOND) is None, "one page at a time"


def test_what_a_page_shows_as_pending_is_planned_from_there(desk: Desk) -> None:
    before = desk.tasks()
    desk.page(FIRST)
    spared = desk.learned.spared
    desk.tell(ALL, FIRST)
    assert desk.changed(before) == {}
    told = desk.tasks()["t7"]
    assert (told.seen_at, told.started_at, told.last_poll_at) == (FIRST, NOW, None)
    assert desk.learned.spared > spared, "the written cadence would have looked meanwhile"
    assert desk.hints.propose(Lane(), FIRST + 60 * SECOND) is None, "what it told is not worth another one soon"
    assert desk.page(FIRST + 110 * SECOND).start == NOW - MARGIN
    look = desk.learned.replanned(told._replace(last_poll_at=NOW + 100 * SECOND), FIRST + SECOND)
    assert look is not None
    assert look.why == "learned"
    tested = desk.tasks()[TESTED]
    assert desk.learned.replanned(tested, FIRST + SECOND) is None, "it has not been looked at by its id at all"


def test_one_task_in_eight_puts_the_list_to_the_test_much_sooner() -> None:
    found = [put_off(f"task {n}") for n in range(8000)]
    assert set(found) == {PUT_OFF, PUT_OFF_TESTED}
    assert found.count(PUT_OFF_TESTED) == pytest.approx(8000 / ONE_IN, rel=0.1)


@pytest.mark.parametrize("tested", [True, False])
def test_a_page_never_puts_a_look_off_for_long(desk: Desk, tested: bool) -> None:
    name, most = (TESTED, PUT_OFF_TESTED) if tested else ("t7", PUT_OFF)
    assert put_off(name) == most
    last = NOW
    with desk.store.write():
        desk.store.execute("UPDATE tasks SET last_poll_at = ?, seen_at = ?, why = 'learned'", (NOW + 20 * SECOND,) * 2)
    for minute in range(1, 60):
        task = desk.tasks()[name]._replace(seen_at=NOW + minute * MINUTE)
        look = desk.learned.replanned(task, NOW + minute * MINUTE)
        if minute * MINUTE >= most * 20 * SECOND:
            assert look is None, "so many times the age of the last look by id"
        elif look is not None:
            last = NOW + minute * MINUTE + look.wait
            assert last <= NOW + most * 20 * SECOND
    assert last > NOW + most * 10 * SECOND, "it was put off, though"


def test_looks_that_are_due_have_their_turn_between_two_pages(desk: Desk) -> None:
    desk.page(FIRST)
    desk.tell(ALL, FIRST)
    with desk.store.write():
        desk.store.execute("UPDATE tasks SET due_at = ? WHERE id = 't1'", (FIRST,))
    again = FIRST + 110 * SECOND  # when the next one pays
    desk.hints.count(COST - 1)
    assert desk.hints.propose(Lane(), again) is None
    assert again < desk.hints.next_at <= again + SECOND, "no reason to spin"
    desk.hints.count(1)
    assert desk.hints.propose(Lane(), again + SECOND) is not None


def test_a_page_waits_for_no_look_that_is_not_due() -> None:
    assert in_turn(0, 10, due=False)
    assert not in_turn(9, 10, due=True)
    assert in_turn(10, 10, due=True)


def test_no_page_without_a_slot_without_savings_or_in_a_pause(desk: Desk) -> None:
    assert desk.hints.propose(Lane(reason="rate_limited"), FIRST) is None
    full = Lane(meter=Lane().meter._replace(tat=(FIRST + 10 * SECOND) * 1000))
    assert desk.hints.propose(full, FIRST) is None
    desk.learned.spared = COST - 1
    assert desk.hints.propose(Lane(), FIRST) is None
    desk.learned.spared = COST
    assert desk.hints.propose(Lane(), FIRST + 10 * SECOND) is not None


def test_a_slot_that_has_gone_meanwhile_costs_nothing(desk: Desk) -> None:
    query = desk.hints.propose(Lane(), FIRST)
    assert query is not None
    assert desk.hints.ask(query, Lane(reason="credentials"), FIRST, FIRST)[1] == []
    assert desk.learned.spared == 1000
    assert desk.hints.next_at < FAR


@pytest.mark.parametrize("status", ["success", "failure"])
def test_a_task_shown_as_concluded_is_due_at_once_and_what_was_never_shown_keeps_its_schedule(
    desk: Desk, status: str
) -> None:
    with desk.store.write():
        tasks.lease(desk.store, [5], NOW + HOUR + 5)
        desk.store.execute("UPDATE tasks SET state = 'abandoned', due_at = NULL WHERE seq = 7")
        desk.store.execute("UPDATE tasks SET due_at = ?, why = 'cadence' WHERE seq = 8", (FIRST - 1,))
    before = desk.tasks()
    desk.page(FIRST)
    shown = [row(f"t{n}", status) for n in (3, 3, 4, 6, 7)] + [row("t10"), row("t11", "in_review")]
    desk.tell(page(*shown, row("foreign", status), row("T12", status)), FIRST)
    assert desk.changed(before) == {"t3": (FIRST, "hint")}, "t4 is asked about already, t6 abandoned, t7 due"
    assert len(desk.store.read("SELECT 1 FROM tasks")) == 60, "a foreign row is not stored"


def test_a_task_that_has_gone_from_the_pending_ones_is_looked_at_at_once(desk: Desk) -> None:
    desk.page(FIRST)
    desk.tell(page(*(row(name) for name in NAMES[:50])), FIRST)
    before, later = desk.tasks(), FIRST + 120 * SECOND
    desk.page(later)
    desk.tell(page(*(row(name) for name in NAMES[3:40])), later)
    assert desk.changed(before) == dict.fromkeys([*NAMES[:3], *NAMES[40:50]], (later, "hint")), "t50… never stood there"


def test_a_look_by_id_counts_more_than_what_a_page_showed_before_it(desk: Desk) -> None:
    desk.page(FIRST)
    desk.tell(ALL, FIRST)
    with desk.store.write():
        desk.store.execute("UPDATE tasks SET last_poll_at = ?, seen_at = ? WHERE seq < 60", (FIRST + SECOND,) * 2)
    before, later = desk.tasks(), FIRST + 120 * SECOND
    desk.page(later)
    desk.tell(page(), later)
    assert desk.changed(before) == {"t59": (later, "hint")}


def test_beyond_its_last_row_a_full_page_says_nothing(desk: Desk) -> None:
    desk.page(FIRST)
    desk.tell(page(*(row(name, started_at=NOW - MINUTE + n * SECOND) for n, name in enumerate(NAMES))), FIRST)
    before, later = desk.tasks(), FIRST + 120 * SECOND
    desk.page(later)
    last = row("t20", started_at=NOW - MINUTE + 20 * SECOND)
    desk.tell(page(row("foreign", started_at=NOW - 70 * SECOND), last, received=100), later)
    gone = list(desk.changed(before))
    assert gone == NAMES[: 20 - MARGIN // SECOND + 1], "and nothing of what began shortly before that row"


def test_a_page_that_is_full_before_it_comes_to_our_tasks_is_not_asked_for_again_and_again(desk: Desk) -> None:
    """Hundreds began within the same seconds, as when a batch is handed in."""
    strangers = page(*(row(f"foreign{n}", started_at=NOW - 3 * SECOND) for n in range(100)))
    desk.page(FIRST)
    desk.tell(strangers, FIRST)
    before = desk.tasks()
    desk.hints.count(COST)
    for second in range(1, 120):
        assert desk.hints.propose(Lane(), FIRST + second * SECOND) is None
    assert desk.changed(before) == {}, "nor has anything gone"
    for n, name in enumerate(NAMES):
        desk.looked(name, Pending(), FIRST + 120 * SECOND + n)
    assert desk.page(FIRST + 180 * SECOND).start == NOW - UNSURE, "but after looks by id it is"


def test_more_tasks_than_a_page_holds_lie_in_several_windows(desk: Desk) -> None:
    more = [Recording(f"u{n}", "id") for n in range(190)]
    record(desk.store, more, (), origin="", now=NOW + SECOND, schedule=Schedule())
    with desk.store.write():
        desk.store.execute("UPDATE tasks SET due_at = ?", (NOW + HOUR,))
    asked = []
    for n in range(3):
        asked.append(desk.page(FIRST + n * 10).start)
        found = desk.hints._asked
        assert found is not None
        assert len(found[1]) == (100, 100, 50)[n]
        desk.tell(page(*(row(task.id, started_at=NOW) for task in found[1])), FIRST + n * 10)
    assert desk.hints.propose(Lane(), FIRST + 50) is None


def test_a_list_that_tells_lies_is_found_out_and_what_it_put_off_is_looked_at(desk: Desk) -> None:
    desk.page(FIRST)
    desk.tell(ALL, FIRST)
    for name in NAMES[1:MOST_LIES]:
        desk.looked(name, Unreachable("timeout"), FIRST, why="hint")
        desk.looked(name, Pending(), FIRST, why="hint")
    assert desk.notice() is None
    desk.looked(NAMES[0], Pending(), FIRST, why="hint")
    assert "5 found that the list had not told the truth" in (desk.notice() or "")
    assert desk.hints.next_at == FAR
    assert desk.hints.propose(Lane(), NOW + HOUR) is None
    assert {(task.due_at, task.seen_at) for task in desk.tasks().values()} == {(FIRST, None)}


def test_a_task_that_the_list_lied_of_is_not_looked_at_for_its_sake_again(desk: Desk) -> None:
    desk.page(FIRST)
    desk.looked("t3", Pending(), FIRST, why="hint")
    before = desk.tasks()
    desk.tell(page(row("t3", "success"), row("t4", "success")), FIRST)
    assert list(desk.changed(before)) == ["t4"]


@pytest.mark.parametrize(
    ("replies", "said"),
    [
        ([Unknown()], "the vendor knows no such list (not_found)"),
        ([Rejected("http_422")], "the vendor knows no such list (http_422)"),
        ([Refused("http_403")] * 3, "3 times in a row, at last with http_403"),
        ([Unreachable("http_500")] * 3, "3 times in a row, at last with http_500"),
        ([Garbled("no_list"), RateLimited("http_429"), Garbled("html")], "3 times in a row, at last with html"),
    ],
)
def test_a_list_that_is_refused_or_fails_again_and_again_switches_itself_off(
    desk: Desk, replies: list[Reply], said: str
) -> None:
    at = FIRST
    before = desk.tasks()
    for reply in replies:
        assert desk.notice() is None
        desk.page(at)
        desk.tell(reply, at)
        at += 61 * SECOND
    assert said in (desk.notice() or "")
    assert desk.hints.propose(Lane(), at + HOUR) is None
    assert desk.tasks() == before


def test_a_failure_now_and_then_is_none(desk: Desk) -> None:
    at = FIRST
    for n in range(6):
        desk.page(at)
        desk.tell(ALL if n % 3 == 2 else Unreachable("timeout"), at)
        at += 200 * SECOND
    assert desk.notice() is None


@pytest.mark.parametrize(
    ("started_at", "taken"),
    [
        (NOW - APART, True),
        (NOW - APART - 1, False),  # so long before we were told of it
        (FIRST, True),
        (FIRST + 1, False),  # later than it was asked for
        (0, False),
        (None, False),
    ],
)
def test_a_start_that_a_page_tells_is_taken_if_it_is_likely(desk: Desk, started_at: int | None, taken: bool) -> None:
    desk.page(FIRST)
    desk.tell(page(Row("t7", "pending", started_at, ("RTCOB",), None)), FIRST)
    told = desk.tasks()["t7"]
    assert told.started_at == (started_at if taken else None)
    assert (told.seen_at, told.kind) == (FIRST, "rtcob"), "the rest of the row is believed"


def test_a_start_that_is_known_is_not_changed_by_a_page(desk: Desk) -> None:
    with desk.store.write():
        desk.store.execute("UPDATE tasks SET started_at = ? WHERE id = 't7'", (NOW - SECOND,))
    desk.page(FIRST)
    desk.tell(ALL, FIRST)
    assert (desk.tasks()["t7"].started_at, desk.tasks()["t8"].started_at) == (NOW - SECOND, NOW)


@pytest.mark.parametrize("status", ["pending", "success"])
def test_a_page_says_nothing_of_tasks_that_were_looked_at_since_it_was_asked_for(desk: Desk, status: str) -> None:
    """Neither of one whose look came later than the page was asked for, nor of one that is being looked at."""
    desk.page(FIRST)
    with desk.store.write():
        desk.store.execute("UPDATE tasks SET seen_at = ?, last_poll_at = ? WHERE id = 't3'", (FIRST + 1,) * 2)
        desk.store.execute("UPDATE tasks SET seen_at = ?, last_poll_at = ? WHERE id = 't4'", (FIRST,) * 2)
        tasks.lease(desk.store, [6], NOW + HOUR + 5)
    before, spared = desk.tasks(), desk.learned.spared
    desk.tell(page(*(row(name, status) for name in ("t3", "t4", "t5", "t6", "t7"))), FIRST)
    due = dict.fromkeys(("t4", "t6", "t7"), (FIRST, "hint"))
    assert desk.changed(before) == (due if status == "success" else {})
    # Written looks at 10, 24, 43.6, 71.04 and 109.5 s: five are spared for t6 and t7, none for t4 that was just seen.
    assert desk.learned.spared == spared + (10 if status == "pending" else 0)


# --- what a transaction took back


def test_what_was_heard_in_vain_leaves_no_trace(desk: Desk) -> None:
    """A look that denied what the list had said, a page that left tasks out, and one that failed: as if none of it."""
    desk.page(FIRST)
    before = desk.tasks()
    desk.hints.begin(proposed=False)
    desk.looked("t3", Pending(), FIRST, why="hint")
    desk.tell(page(), FIRST)
    desk.hints.go_back()
    desk.hints.begin(proposed=False)
    desk.tell(Unreachable("timeout"), FIRST)
    desk.hints.go_back()
    desk.tell(page(row("t3", "success")), FIRST)
    assert desk.changed(before) == {"t3": (FIRST, "hint")}, "nobody has denied it"


def test_what_was_left_out_or_failed_in_vain_is_no_reason_to_wait(desk: Desk) -> None:
    later = FIRST + 2 * SECOND
    for answer in (page(), Unreachable("timeout")):
        desk.page(later)
        desk.hints.begin(proposed=False)
        desk.tell(answer, later)
        desk.hints.go_back()
        desk.hints.give_up()
        later += 2 * SECOND
    desk.page(later)


def test_a_page_that_was_not_sent_after_all_has_not_had_its_turn(desk: Desk) -> None:
    with desk.store.write():
        desk.store.execute("UPDATE tasks SET due_at = ? WHERE id = 't1'", (FIRST,))
    query = desk.hints.propose(Lane(), FIRST)
    assert query is not None
    desk.hints.begin(proposed=True)
    assert desk.hints.ask(query, Lane(), FIRST, FIRST)[1] != []
    desk.hints.go_back()
    assert desk.hints.propose(Lane(), FIRST + SECOND) is not None

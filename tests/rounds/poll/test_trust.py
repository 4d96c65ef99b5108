"""Trust in the vendor's list: how it is earned, what it allows, and what the first lie undoes."""

from collections.abc import Iterator
from dataclasses import replace
from math import ceil
from pathlib import Path

import pytest

from tests.support.hint_desk import (
    ALL,
    COST,
    FIRST,
    HOUR,
    LIMIT,
    MINUTE,
    NAMES,
    NOW,
    SECOND,
    Desk,
    concluded,
    desks,
    page,
    row,
    shown,
    untrusted,
)
from worker.core.pacing.breaker import Lane
from worker.core.schedule.learned import ONE_IN, Learned
from worker.core.sweep import EARNED, LATEST, MARGIN, MOST_LIES, Trust
from worker.core.vendor.page import PageQuery
from worker.core.vendor.reply import Pending, Unknown
from worker.gateways.http.pool import PAGE, Done, Job
from worker.rounds.poll.hints import Hints
from worker.store.tasks import polling as tasks
from worker.store.tasks import sweeping

LATER = FIRST + 120 * SECOND


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with desks(tmp_path) as made:
        yield made


def chance(desk: Desk) -> float:
    """That one of the tasks had ended by MARGIN before the first page, if it has LATER."""
    return desk.learned.odds("unseen").share(0, FIRST - MARGIN - NOW, LATER - NOW)


def moved(desk: Desk, at: int) -> int:
    """How many looks that fall due are put off."""
    return sum(desk.learned.replanned(task, at) is not None for task in desk.tasks().values())


# --- a list that is not trusted


def test_what_it_shows_as_pending_changes_nothing(desk: Desk) -> None:
    untrusted(desk)
    before = desk.tasks()
    desk.page(FIRST)
    known, spared = desk.learned.known, desk.learned.spared
    desk.tell(ALL, FIRST)
    assert desk.tasks() == before
    assert (desk.learned.known, desk.learned.spared) == (known, spared)
    assert moved(desk, FIRST) == 0


def test_what_it_shows_is_remembered(desk: Desk) -> None:
    """For the next page: what it told of is not worth another one soon, and what has gone is looked at."""
    shown(untrusted(desk))
    assert desk.hints.propose(Lane(), FIRST + 60 * SECOND) is None
    before = desk.tasks()
    assert desk.page(LATER).start == NOW - MARGIN
    desk.tell(page(*(row(name) for name in NAMES[3:])), LATER)
    assert desk.changed(before) == dict.fromkeys(NAMES[:3], (LATER, "hint"))


def test_no_more_is_remembered_than_there_is_room_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.rounds.poll.hints.MOST_REMEMBERED", 59)
    shown(untrusted(desk))
    assert len(desk.hints._remembered) == 60
    desk.page(LATER)
    desk.tell(page(row("t1")), LATER)
    assert len(desk.hints._remembered) == 1


def test_five_lies_switch_it_off(desk: Desk) -> None:
    shown(untrusted(desk))
    for name in NAMES[: MOST_LIES - 1]:
        desk.looked(name, concluded(ended_at=FIRST - MINUTE), FIRST + HOUR)
    assert desk.notice() is None
    before = desk.tasks()
    desk.looked(NAMES[MOST_LIES], concluded(ended_at=FIRST - MINUTE), FIRST + HOUR)
    assert "of the latest 5 looks by id, 5 found" in (desk.notice() or "")
    assert desk.tasks() == before, "nothing was put off"


@pytest.mark.parametrize("truths", [LATEST - MOST_LIES, LATEST - MOST_LIES + 1])
def test_lies_count_among_the_latest_tests_alone(truths: int) -> None:
    trust = Trust()
    for true in (*[False] * (MOST_LIES - 1), *[True] * truths, False):
        assert trust.reason is None
        trust.proved(true=true)
    assert (trust.reason is None) == (truths > LATEST - MOST_LIES)


@pytest.mark.parametrize("back", [MARGIN + 1, MINUTE, 24 * HOUR])
def test_a_page_from_before_the_clock_was_set_back_proves_nothing(desk: Desk, back: int) -> None:
    desk.hints.watch_clock(FIRST, 1_000)
    shown(untrusted(desk))
    desk.hints.watch_clock(FIRST + MINUTE - back, 1_000 + MINUTE)
    for name in NAMES[:MOST_LIES]:
        desk.looked(name, concluded(ended_at=FIRST - back), FIRST + HOUR)
    assert desk.notice() is None


def test_a_clock_that_goes_its_way_forgets_nothing(desk: Desk) -> None:
    shown(untrusted(desk))
    for second in range(0, 3600, 60):
        desk.hints.watch_clock(FIRST + second * 1_010, second * 1_000)
    assert len(desk.hints._remembered) == 60


def test_a_page_that_was_in_the_air_when_the_clock_was_set_back_is_no_claim_about_the_future(desk: Desk) -> None:
    untrusted(desk).page(FIRST)
    job = Job(PAGE, "", FIRST, FIRST + 30_000, PageQuery(0, 0))
    with desk.store.write():
        desk.hints.hear([Done(job, Pending(), 1, ALL)], {}, Lane(), FIRST - MINUTE)
    assert {shown_then.at for shown_then in desk.hints._remembered.values()} == {FIRST - MINUTE}


# --- what earns trust


def test_it_is_trusted_when_five_lies_would_have_been_found_of_one_that_knows_nothing(desk: Desk) -> None:
    shown(untrusted(desk))
    needed = ceil(EARNED / chance(desk))
    for n in range(needed):
        assert not desk.learned.trusting
        desk.looked(NAMES[n], concluded(ended_at=FIRST + n), LATER)
    assert desk.learned.trusting
    desk.page(LATER)
    desk.tell(ALL, LATER)
    assert {task.seen_at for task in desk.tasks().values()} == {LATER}
    assert moved(desk, LATER) > 60 / ONE_IN


def test_tasks_that_are_still_pending_prove_nothing(desk: Desk) -> None:
    """A list that shows everything as pending is right about them; and before anything has ended, nobody knows whether
    they could have."""
    shown(untrusted(desk))
    for n in range(300):
        desk.looked(NAMES[n % 60], Pending(), FIRST + HOUR)
    assert not desk.learned.trusting


def test_a_test_that_could_not_fail_proves_nothing(desk: Desk) -> None:
    """The task was seen pending by its id just before the page."""
    untrusted(desk).page(FIRST)
    with desk.store.write():
        desk.store.execute("UPDATE tasks SET last_poll_at = ?, seen_at = ?, polls = 1", (FIRST - MARGIN,) * 2)
    desk.tell(ALL, FIRST)
    for n in range(300):
        desk.looked(NAMES[n % 60], concluded(ended_at=FIRST + n), FIRST + HOUR)
    assert not desk.learned.trusting


def test_a_look_that_tells_nothing_proves_nothing(desk: Desk) -> None:
    shown(untrusted(desk))
    for n in range(300):
        desk.looked(NAMES[n % 60], Unknown(), FIRST + HOUR)
    assert not desk.learned.trusting


def test_where_ends_are_not_told_no_list_is_trusted(desk: Desk) -> None:
    shown(untrusted(desk))
    desk.hints._trust.passed(EARNED - 0.5 * chance(desk))
    untold = replace(concluded(ended_at=0), ended_at=None)
    for name in NAMES[:MOST_LIES]:
        desk.looked(name, untold, FIRST + HOUR)
    for n in range(ceil(EARNED / chance(desk)) - 1):
        desk.looked(NAMES[n], concluded(ended_at=FIRST + n), LATER)
    assert not desk.learned.trusting
    assert desk.notice() is None, "that is no lie"


@pytest.mark.parametrize(("ended", "lies"), [(-MARGIN - 1, True), (-MARGIN, False), (1, False)])
def test_an_end_shortly_before_the_page_is_no_lie(desk: Desk, ended: int, lies: bool) -> None:
    """Clocks differ, and a page takes time to be made."""
    desk = shown(desk)
    desk.looked("t1", concluded(ended_at=FIRST + ended), FIRST + HOUR)
    assert desk.learned.trusting != lies


def test_a_lie_is_also_found_when_the_list_itself_has_brought_the_look_about(desk: Desk) -> None:
    """It showed a task as pending that had ended, and left it out afterwards: a list that is late."""
    desk = shown(desk)
    desk.looked("t1", concluded(ended_at=FIRST - MINUTE), LATER, why="hint")
    assert not desk.learned.trusting


def test_after_a_lie_many_tests_have_to_be_passed() -> None:
    trust = Trust()
    for _ in range(4):
        trust.passed(1.0)
    trust.passed(0.9)
    assert not trust.earned
    trust.passed(0.1)
    assert trust.earned
    trust.lied()
    for _ in range(LATEST):
        assert not trust.earned
        trust.passed(1.0)
    assert trust.earned
    trust.lied()
    for _ in range(2 * LATEST):
        trust.passed(0.01)
    assert not trust.earned, "what was passed before it does not count"
    trust.passed(EARNED)
    assert trust.earned
    trust.doubted()
    assert not trust.earned


# --- what the first lie undoes


def test_after_the_first_lie_what_was_put_off_is_planned_anew_without_the_list(desk: Desk) -> None:
    shown(desk)
    assert moved(desk, FIRST) > 0
    with desk.store.write():
        desk.store.execute("UPDATE tasks SET last_poll_at = ?, polls = 1 WHERE seq % 2", (NOW + 20 * SECOND,))
        desk.store.execute("UPDATE tasks SET kind = 'insight'")
    found = NOW + 245 * SECOND
    desk.looked("t1", concluded(ended_at=FIRST - MINUTE), found)
    assert desk.notice() is None
    anew = Learned(desk.learned.schedule, 20_000, desk.learned.known)
    for task in desk.tasks().values():
        assert (task.due_at, task.kind, task.price, task.seen_at) == (found, "unseen", 0, task.last_poll_at)
        look = desk.learned.replanned(task, found)
        last = task.last_poll_at or NOW
        planned = last + anew.next_look(task, last).wait
        assert (None if look is None else found + look.wait) == (planned if planned > found else None)
    assert 0 < moved(desk, found) < 60


def test_after_the_first_lie_what_fails_waits_on(desk: Desk) -> None:
    desk.page(FIRST)
    with desk.store.write():
        desk.store.execute("UPDATE tasks SET failures = 9, why = 'backoff', last_poll_at = ?, polls = 9", (NOW,))
    desk.tell(ALL, FIRST)
    before = desk.tasks()
    assert {task.seen_at for task in before.values()} == {FIRST}
    desk.looked("t1", concluded(ended_at=FIRST - MINUTE), LATER)
    assert {task.seen_at for task in desk.tasks().values()} == {NOW}
    assert desk.changed(before) == {}


def test_what_is_being_looked_at_during_the_first_lie_is_not_put_off_afterwards(desk: Desk) -> None:
    shown(desk)
    with desk.store.write():
        tasks.lease(desk.store, [5], FIRST + HOUR)
    desk.looked("t1", concluded(ended_at=FIRST - MINUTE), FIRST)
    leased = desk.tasks()["t4"]
    assert (leased.seen_at, leased.why) == (FIRST, "lease")
    assert desk.learned.replanned(leased._replace(why="learned"), FIRST) is None


def test_the_next_process_does_not_trust_it_and_its_first_lie_undoes_what_the_last_one_believed(desk: Desk) -> None:
    shown(desk)
    learned = Learned(desk.learned.schedule, 20_000, desk.learned.known)
    desk = desk._replace(learned=learned, hints=Hints(desk.store, learned, LIMIT, COST, FIRST))
    assert moved(desk, FIRST) == 0
    learned.price *= 9
    for task in desk.tasks().values():
        unshown = task._replace(seen_at=task.last_poll_at)
        assert learned.replanned(task, FIRST) == learned.replanned(unshown, FIRST) is not None
    desk.looked("t1", concluded(ended_at=FIRST - MINUTE), FIRST)
    assert {task.seen_at for task in desk.tasks().values()} == {None}


def test_what_was_put_off_is_forgotten_in_portions(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "PORTION", 25)
    shown(desk)
    left = []
    for _ in range(3):
        desk.looked("t1", concluded(ended_at=FIRST - MINUTE) if not left else Unknown(), FIRST)
        left.append([task.id for task in desk.tasks().values() if task.seen_at is not None])
    assert left == [NAMES[:35], NAMES[:10], []]
    assert not desk.hints.forgetting


def test_what_was_forgotten_is_not_gone_through_again_for_the_next_lie(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until a page that is trusted has been stored again."""
    shown(desk).looked("t1", concluded(ended_at=FIRST - MINUTE), FIRST)
    monkeypatch.setattr(sweeping, "PORTION", 1)
    desk.hints.count(COST)
    desk.page(LATER)
    desk.tell(ALL, LATER)
    desk.looked("t2", concluded(ended_at=FIRST), LATER)
    assert desk.hints._trust._latest == (True, False, False)
    assert not desk.hints.forgetting


def test_what_a_page_has_shown_since_the_lie_is_not_forgotten(desk: Desk) -> None:
    with desk.store.write():
        desk.store.execute("UPDATE tasks SET seen_at = ?", (FIRST,))
        desk.store.execute("UPDATE tasks SET seen_at = ? WHERE seq <= 10", (FIRST + 1,))
        assert sweeping.forget(desk.store, 51, FIRST, LATER) == 0
    left = [task.id for task in desk.tasks().values() if task.seen_at is not None]
    assert left == [*NAMES[:10], *NAMES[50:]], "nor what is not its turn"


def test_a_lie_that_was_heard_in_vain_is_heard_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "PORTION", 50)
    shown(desk)
    lie = concluded(ended_at=FIRST - MINUTE)
    desk.hints.begin(proposed=False)
    desk.looked("t1", lie, FIRST)
    with desk.store.write():
        desk.store.execute("UPDATE tasks SET seen_at = ?", (FIRST,))
    assert not desk.learned.trusting
    desk.hints.go_back()
    assert desk.learned.trusting
    assert not desk.hints.forgetting
    desk.looked("t1", lie, FIRST)
    desk.looked("t1", Unknown(), FIRST)
    assert {task.seen_at for task in desk.tasks().values()} == {None}


def test_trust_that_was_earned_anew_can_be_lost_again(desk: Desk) -> None:
    lie = concluded(ended_at=FIRST - MINUTE)
    shown(desk).looked("t1", lie, FIRST)
    for n in range(LATEST):
        desk.hints._trust.passed(n)
    desk.hints.count(COST)
    desk.page(LATER)
    desk.tell(ALL, LATER)
    assert {task.seen_at for task in desk.tasks().values()} == {LATER}
    desk.looked("t2", lie, LATER)
    assert {task.seen_at for task in desk.tasks().values()} == {None}

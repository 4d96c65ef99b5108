"""Pages of the vendor's list in the poll round: never starved by looks, and never a reason to spin."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.page_world import (
    NAMES,
    READY,
    asked_for_a_page,
    due_at,
    listed,
    looks,
    page,
    page_worlds,
    pages,
    script,
)
from tests.support.poll_world import HOUR, NOW, TIMEOUT, Make, concluded, concludes
from worker.core.pacing.limiter import FULL, Limit
from worker.core.sweep import EARNED
from worker.core.vendor.page import Page
from worker.core.vendor.reply import Pending, RateLimited, Refused, Reply, Unreachable
from worker.store.db.store import Store
from worker.store.state import lanes
from worker.store.tasks import polling as tasks
from worker.store.tasks import sweeping


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Make]:
    with page_worlds(tmp_path) as make:
        yield make


# --- pages beside looks


def test_a_page_comes_before_the_looks_that_would_take_its_slot(world: Make) -> None:
    w = world(script(page(*NAMES)), limit=Limit(1, 1))
    w.record(*NAMES)
    w.until(NOW + 60_000)
    assert w.count(f"SELECT count(*) FROM tasks WHERE due_at <= {w.now}") > 1, "a look was waiting all the time"
    assert len(pages(w)) > 1
    assert len(looks(w)) > len(pages(w))


def test_what_a_page_called_gone_is_looked_at_first(world: Make) -> None:
    gone = {NAMES[19], NAMES[20], NAMES[21]}
    rest = page(*(name for name in NAMES if name not in gone)).rows
    w = world(script(Page((*page(*gone, status="success").rows, *rest), len(NAMES))), limit=Limit(1, 1), page_cost=1)
    w.record(*NAMES)
    due_at(w, READY + 10_000)
    w.now = READY
    w.run()
    assert (len(pages(w)), looks(w)) == (1, [])
    due_at(w, READY + 1).now = READY + 1_000  # those of the page are among many, and neither end of the queue
    with Store(w.path) as store, store.write():
        store.execute("UPDATE tasks SET due_at = ? WHERE id IN (?, ?, ?)", (READY + 10_000, *gone))
    w.until(READY + 6_000)
    assert set(looks(w)[:3]) == gone


@pytest.mark.parametrize("reply", [RateLimited("http_429", 60_000), Unreachable("http_503")], ids=["429", "503"])
def test_a_page_that_came_too_fast_slows_the_pace_and_pauses_nothing(world: Make, reply: Reply) -> None:
    w = world(script(reply, concludes))
    asked_for_a_page(w)
    w.now += 100
    w.land()
    w.run()
    lane = lanes.get(w.store)
    assert (lane.paused, lane.paused_total, lane.meter.pace) == (False, 0, FULL // 2)
    due_at(w, w.now).until(w.now + 10_000)
    assert len(looks(w)) == len(NAMES)
    assert w.count("SELECT max(failures) FROM tasks") == 0


def test_a_look_that_came_too_fast_slows_the_pace_and_pauses_everything(world: Make) -> None:
    w = world(script(page(*NAMES), lambda job, n: RateLimited("http_429", 60_000)))
    asked_for_a_page(w)
    w.until(w.now + 200)
    with w.store.write():
        w.store.execute("UPDATE tasks SET due_at = ? WHERE seq = 1", (w.now,))
    w.until(w.now + 50_000)
    lane = lanes.get(w.store)
    assert (lane.paused, lane.reason, lane.meter.pace) == (True, "rate_limited", FULL // 2)
    assert (len(pages(w)), looks(w)) == (1, NAMES[:1]), "a pause holds pages back, too"


def test_credentials_that_are_refused_for_a_while_are_not_held_against_the_list(world: Make) -> None:
    """A page in the air is refused with everything else; when the looks are answered again, so is the list."""
    until = READY + 1_000
    refused = Refused("http_403")
    said = script(page(*NAMES), lambda job, n: Pending())
    w = world(lambda job, n: refused if job.asked_at < until else said(job, n))
    asked_for_a_page(w)
    with w.store.write():
        w.store.execute("UPDATE tasks SET due_at = ? WHERE seq < 5", (w.now,))
    w.until(READY + 500)
    assert lanes.get(w.store).reason == "credentials"
    w.until(READY + HOUR)
    assert not lanes.get(w.store).paused
    assert listed(w) is None
    assert any(job.asked_at > until for job in pages(w))


# --- nothing to do is no reason to come again at once


def test_a_page_that_nobody_is_free_for_is_not_come_for_again_and_again(world: Make) -> None:
    w = world(script(page(*NAMES)), size=1, takes=lambda job: 20_000)
    w.record(*NAMES)
    due_at(w, READY).now = READY
    hints, w.round._hints = w.round._hints, None
    w.run()
    w.round._hints = hints
    w.now += 1
    assert w.run() == READY + TIMEOUT, "when the look has had its time"


def test_in_a_pass_over_some_tasks_no_page_is_asked_for_nor_come_for(world: Make) -> None:
    w = world(script(page(*NAMES)), takes=lambda job: 20_000)
    w.record(*NAMES)
    due_at(w, READY).now = READY
    w.round.only = frozenset({3})
    w.run()
    w.now += 1
    assert w.run() == READY + TIMEOUT
    assert (looks(w), pages(w)) == ([NAMES[2]], [])


def test_while_a_refusal_is_checked_no_page_is_asked_for_nor_come_for(world: Make) -> None:
    """The first task is refused, and another look is to tell whether it is us."""
    refused = script(page(*NAMES), lambda job, n: Refused("http_403"))
    w = world(refused, takes=lambda job: 100 if job.seq == 1 else 20_000)
    w.record(*NAMES)
    due_at(w, READY + 600_000)
    with w.store.write():
        w.store.execute("UPDATE tasks SET due_at = ? WHERE seq = 1", (READY,))
    w.now = READY
    hints, w.round._hints = w.round._hints, None
    w.run()
    w.round._hints = hints
    w.now += 100
    w.land()
    w.run()
    assert len(looks(w)) == 2
    w.now += 1
    assert w.run() == w.now - 1 + TIMEOUT
    assert pages(w) == []


# --- the first lie


def test_what_a_list_put_off_is_forgotten_though_nothing_else_is_to_be_done(
    world: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old tasks alone were shown, and the newest are gone through first."""
    monkeypatch.setattr(sweeping, "PORTION", 10)
    ended = replace(concluded(NAMES[0]), ended_at=NOW)
    w = world(script(page(*NAMES[:10]), lambda job, n: ended if job.task_id == NAMES[0] else Pending()))
    assert w.round._hints is not None
    w.round._hints._trust.passed(EARNED)
    asked_for_a_page(w)
    w.now += 100
    w.land()
    w.run()
    shown = "SELECT count(*) FROM tasks WHERE state = 'pending' AND seen_at > coalesce(last_poll_at, 0)"
    assert w.count(shown) == 10
    with w.store.write():
        w.store.execute("UPDATE tasks SET due_at = ? WHERE seq = 1", (w.now,))
    w.until(w.now + 101)
    assert w.count(shown) == 9
    end = w.now + 1_000
    while w.now < end:
        w.land()
        w.now = min(end, max(w.run(), w.now + 10))
    assert w.count(shown) == 0
    before = w.passes
    w.until(w.now + 1_000)
    assert w.passes - before < 20, "and then there is rest"


# --- a clock that is set back


def test_after_the_clock_was_set_back_pages_go_on_at_once(world: Make) -> None:
    w = world(script(page(*NAMES)))
    w.record(*NAMES)
    w.until(READY + 60_000)
    before = len(pages(w))
    assert before > 1
    while w._flying:
        w.now += 100
        w.land()
    w.run()
    with w.store.write():
        tasks.shift(w.store, -24 * HOUR)
        lanes.shift(w.store, -24 * HOUR)
    w.now -= 24 * HOUR
    w.until(w.now + 60_000)
    assert len(pages(w)) > before


def test_what_pages_showed_by_another_clock_is_forgotten(world: Make) -> None:
    w = world(script(page(*NAMES)))
    asked_for_a_page(w)
    w.now += 100
    w.land()
    w.run()
    hints = w.round._hints
    assert hints is not None
    assert len(hints._remembered) == len(NAMES)
    w.round.run(w.now - 30_000, w.now, claim=False)
    assert hints._remembered == {}

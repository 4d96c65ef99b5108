"""Pages of the vendor's list when a transaction fails, or nobody begins them: asked for, heard and paid for once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.page_world import (
    COST,
    NAMES,
    READY,
    SPARED,
    asked_for_a_page,
    due_at,
    listed,
    looks,
    page,
    page_worlds,
    pages,
    script,
    spared,
)
from tests.support.poll_world import NOW, Make, World, concludes
from worker.core.errors import TryLater
from worker.core.pacing.limiter import Limit
from worker.core.sweep import MOST_LIES
from worker.core.vendor.reply import Unknown, Unreachable
from worker.gateways.http.pool import PAGE
from worker.rounds.poll.poll import STALE
from worker.store.state import lanes


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Make]:
    with page_worlds(tmp_path) as make:
        yield make


class Failing:
    """Lets the last statement of the round's transactions fail, as often as ``times`` says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 0
        put = lanes.put

        def fails(*args: Any) -> None:
            if self.times:
                self.times -= 1
                raise TryLater("the database is locked")
            put(*args)

        monkeypatch.setattr("worker.rounds.poll.poll.lanes.put", fails)

    def run(self, w: World, times: int) -> None:
        """So many passes that fail."""
        self.times = times
        for _ in range(times):
            with pytest.raises(TryLater):
                w.round.run(w.now, w.now)
        assert self.times == 0


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Failing:
    return Failing(monkeypatch)


def test_a_page_that_could_not_be_asked_for_is_asked_for_by_the_next_pass(world: Make, failing: Failing) -> None:
    w = world(script(page(*NAMES)))
    w.record(*NAMES)
    due_at(w, READY + 600_000).now = READY
    failing.run(w, 1)
    assert (w.asked, w.pool.out, spared(w)) == ([], frozenset(), SPARED)
    w.now += 1_000
    w.run()
    assert (len(pages(w)), spared(w)) == (1, SPARED - COST)


def test_a_page_that_could_not_be_saved_is_heard_again(world: Make, failing: Failing) -> None:
    gone = NAMES[:3]
    w = world(script(page(*gone, status="failure"), concludes))
    asked_for_a_page(w)
    w.now += 100
    w.land()
    failing.run(w, 3)
    assert w.count("SELECT count(*) FROM tasks WHERE why = 'hint'") == 0
    w.run()
    assert set(looks(w)) == set(gone), "asked about in the commit that saves the page"
    assert w.round.usable == 0, "a page tells nothing of a task"
    assert len(pages(w)) == 1


def test_what_a_page_called_gone_still_comes_first_after_a_claim_that_failed(world: Make, failing: Failing) -> None:
    gone = {NAMES[19], NAMES[20], NAMES[21]}
    w = world(script(page(*gone, status="success")), limit=Limit(1, 1), page_cost=1)
    asked_for_a_page(w)
    due_at(w, READY + 1)
    w.now += 2_000
    with w.store.write():
        w.store.execute("UPDATE tasks SET due_at = ? WHERE id IN (?, ?, ?)", (READY + 10_000, *gone))
    w.land()
    w.run()
    claimed = looks(w)
    assert len(claimed) == 1
    w.now += 1_000
    failing.run(w, 1)
    w.until(w.now + 4_000)
    assert set(looks(w)[:3]) == gone


def test_a_lie_that_could_not_be_saved_is_counted_once(world: Make, failing: Failing) -> None:
    w = world(script(page(NAMES[0], status="success")))
    asked_for_a_page(w)
    for _ in range(2):  # the page, and the look that it has brought about
        w.now += 100
        w.land()
        failing.run(w, 2 * MOST_LIES)
        w.run()
    assert looks(w) == NAMES[:1]
    assert listed(w) is None


def test_a_list_that_is_not_there_is_said_to_be_though_it_could_not_be_at_first(world: Make, failing: Failing) -> None:
    w = world(script(Unknown()))
    asked_for_a_page(w)
    w.now += 100
    w.land()
    failing.run(w, 2)
    assert listed(w) is None
    w.run()
    assert "knows no such list (not_found)" in (listed(w) or "")
    w.until(READY + 300_000)
    assert len(pages(w)) == 1


def test_a_failure_of_the_list_that_could_not_be_saved_is_counted_once(world: Make, failing: Failing) -> None:
    w = world(script(Unreachable("http_500")))
    asked_for_a_page(w)
    w.now += 100
    w.land()
    failing.run(w, 5)
    w.run()
    assert listed(w) is None
    w.until(READY + 70_000)
    assert len(pages(w)) == 2, "a minute later"


# --- pages that were handed out ahead, and not begun


def behind(w: World) -> None:
    """Have a page handed out while the only thread is looking at a task, and another waits."""
    w.record(*NAMES)
    due_at(w, READY + 600_000)
    with w.store.write():
        w.store.execute("UPDATE tasks SET due_at = ? WHERE seq <= 4", (READY,))
    w.now = READY
    hints, w.round._hints = w.round._hints, None  # the list is left alone at first
    for _ in range(2):
        w.run()
        w.now += 10
        w.land()
    w.round._hints = hints
    w.takes = lambda job: 20_000
    w.run()
    assert PAGE in w.pool.out
    assert pages(w) == []


def bill(w: World) -> tuple[int, int, int]:
    """The requests spared, those of the day, and those that the price goes by."""
    assert w.round._pricing is not None
    return spared(w), lanes.get(w.store).meter.spent, w.round._pricing.spent


def test_a_page_that_lies_there_too_long_is_not_paid_for_and_asked_for_later(world: Make) -> None:
    w = world(script(page(*NAMES)), size=1, ahead=None, takes=lambda job: 10)
    behind(w)
    kept, spent, counted = bill(w)
    w.now += STALE + 1
    waiting = len(w.pool.out) - 1
    w.run()
    assert PAGE not in w.pool.out
    assert bill(w) == (kept + COST, spent - COST - (waiting - 1), counted - COST - (waiting - 1))
    w.until(w.now + 60_000)
    assert pages(w) != []


def test_what_was_taken_back_in_vain_is_given_back_by_the_next_pass(world: Make, failing: Failing) -> None:
    w = world(script(page(*NAMES)), size=1, ahead=None, takes=lambda job: 10)
    behind(w)
    leased = w.count("SELECT count(*) FROM tasks WHERE why = 'lease'")
    kept, spent, counted = bill(w)
    w.now += STALE + 1
    failing.run(w, 3)
    assert w.count("SELECT count(*) FROM tasks WHERE why = 'lease'") == leased
    assert w.round.busy
    w.run()
    assert w.count("SELECT count(*) FROM tasks WHERE why = 'lease'") == 1, "the one in the air"
    assert bill(w) == (kept + COST, spent - COST - (leased - 1), counted - COST - (leased - 1))
    w.until(w.now + 60_000)
    assert pages(w) != []
    assert set(NAMES[:4]) <= set(looks(w))


def test_a_page_that_breaks_our_own_code_holds_up_nobody(world: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*args: object) -> object:
        raise ZeroDivisionError("a name that nobody may see")

    monkeypatch.setattr("worker.rounds.poll.hints.compared", breaks)
    w = world(script(page(*NAMES), concludes))
    w.record(*NAMES)
    w.until(NOW + 20_000)
    assert pages(w) != []
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded'") == len(NAMES)
    said = [fields for event, fields in w.log.lines if event.startswith("a fault in cdpoll itself")]
    assert len(said) == len(pages(w))
    assert "nobody may see" not in str(w.log.lines)

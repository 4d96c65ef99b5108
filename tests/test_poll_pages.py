"""Pages of the vendor's list in the poll round: never starved by looks, never a reason to spin, and told once."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.poll_world import HOUR, NOW, TIMEOUT, Make, World, concludes, worlds
from worker.core.errors import TryLater
from worker.core.forecast import BINS, Curve, packed
from worker.core.limit import FULL, Limit
from worker.core.page import Page, Row
from worker.core.reply import Pending, RateLimited, Refused, Reply, Unknown, Unreachable
from worker.core.sweep import MOST_LIES
from worker.gateways.pool import PAGE, Job
from worker.rounds.hints import NOTICE
from worker.rounds.poll import STALE
from worker.store import lanes, notices, tasks
from worker.store.db import Store

SPARED = 1000
COST = 3
NAMES = [f"t{n:02}" for n in range(40)]
READY = NOW + 15_000  # when a page pays, and every first look is due

# Half of such tasks end in ten seconds, at whatever age: whatever is pending is worth a page at once.
QUICK = packed(Curve((5.0,) * BINS, (70_000.0,) * BINS))

Says = Callable[[Job, int], Reply | Page]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Make]:
    """Worlds in which tasks end so quickly that pages of the list are worth their cost."""
    path = tmp_path / "cdpoll.db"
    with Store(path) as store, store.write():
        store.execute("INSERT INTO curves (kind, curve) VALUES ('unseen', ?), ('other', ?)", (QUICK, QUICK))
        store.execute("UPDATE schedule SET spared = ?", (SPARED,))
    with worlds(path) as make:
        yield lambda script, **how: make(script, **{"price_floor": 20_000, "page_cost": COST, **how})


def page(*names: str, status: str = "pending") -> Page:
    return Page(tuple(Row(name, status, NOW, (), None) for name in names), len(names))


def script(listed: Reply | Page, look: Says = lambda job, n: Pending()) -> Says:
    """``listed`` is what the list says, ``look`` what tasks say."""
    return lambda job, n: listed if job.seq == PAGE else look(job, n)


def pages(w: World) -> list[Job]:
    return [job for job in w.asked if job.page is not None]


def looks(w: World) -> list[str]:
    return [job.task_id for job in w.asked if job.page is None]


def due_at(w: World, at: int) -> World:
    """Let all tasks be due at one instant."""
    with Store(w.path) as store, store.write():
        store.execute("UPDATE tasks SET due_at = ?", (at,))
    return w


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
    assert len(pages(w)) > before + 1


# --- a transaction that fails


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

        monkeypatch.setattr("worker.rounds.poll.lanes.put", fails)

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


def spared(w: World) -> int:
    assert w.round.learned is not None
    return w.round.learned.spared


def listed(w: World) -> str | None:
    """What `status` is told of the list."""
    return dict(notices.listed(w.store)).get(NOTICE)


def asked_for_a_page(w: World) -> None:
    """Have a page asked for while no look is due."""
    w.record(*NAMES)
    due_at(w, READY + 600_000).now = READY
    w.run()
    assert (len(pages(w)), looks(w)) == (1, [])


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

    monkeypatch.setattr("worker.rounds.hints.compared", breaks)
    w = world(script(page(*NAMES), concludes))
    w.record(*NAMES)
    w.until(NOW + 20_000)
    assert pages(w) != []
    assert w.count("SELECT count(*) FROM tasks WHERE state = 'concluded'") == len(NAMES)
    said = [fields for event, fields in w.log.lines if event.startswith("a fault in cdpoll itself")]
    assert len(said) == len(pages(w))
    assert "nobody may see" not in str(w.log.lines)

"""Hints from the vendor's list: pages that pay, looks that they bring about, and lists that are not to be believed."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from sandbox.server import Sandbox
from sandbox.times import parse
from tests.cdpoll_process import House, begin, until
from worker.clock import Clock
from worker.core.forecast import BINS, Curve
from worker.core.intake import Recording
from worker.core.lane import Lane
from worker.core.learned import Knowledge, Learned
from worker.core.limit import Limit
from worker.core.page import Page, PageQuery, Row
from worker.core.reply import Garbled, Pending, RateLimited, Refused, Reply, Unreachable
from worker.core.schedule import Schedule
from worker.core.sweep import MARGIN, MOST_LIES, UNTIL_LATER
from worker.core.task import Task
from worker.gateways.pool import Done
from worker.rounds.hints import NOTICE, Hints
from worker.rounds.saving import Asked
from worker.store import notices, tasks
from worker.store.db import Store
from worker.store.recording import record

NOW = 1_800_000_000_000
SECOND, HOUR = 1_000, 3_600_000
LIMIT = Limit(10.0, 50)
COST = 10

# Half of such tasks end in a quarter of an hour, at whatever age.
STEADY = Curve((5.0,) * BINS, (6_500_000.0,) * BINS)


class Desk(NamedTuple):
    """A store with tasks in it that began ``NOW``, and the hints about them."""

    store: Store
    learned: Learned
    hints: Hints

    def page(self, at: int) -> PageQuery:
        """Have the page asked for that is proposed at this moment."""
        query = self.hints.propose(Lane(), at)
        assert query is not None
        with self.store.write():
            lane, ((job, _),) = self.hints.ask(query, Lane(), at, at + 30_000)
        assert job.page == query
        assert lane.meter.spent == COST
        return query

    def tell(self, query: PageQuery, page: Page | Reply, at: int) -> None:
        """Let the answer come."""
        reply, found = (Pending(), page) if isinstance(page, Page) else (page, None)
        _, ((job, _),) = self.hints.ask(query, Lane(), at, at + 30_000)
        with self.store.write():
            self.hints.hear([Done(job, reply, 1, found)], [], {}, Lane(), at)

    def tasks(self) -> dict[str, Task]:
        return {task.id: task for task in tasks.pending_between(self.store, 0, 10**6)}

    def notice(self) -> str | None:
        return dict(notices.listed(self.store)).get(NOTICE)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Store(tmp_path / "c.db") as store:
        names = [f"t{n}" for n in range(60)]
        record(store, [Recording(name, "id") for name in names], (), origin="", now=NOW, schedule=Schedule())
        with store.write():
            store.execute("UPDATE tasks SET due_at = ?", (NOW + HOUR,))
        learned = Learned(Schedule(), 20_000, Knowledge({"unseen": STEADY}, 20_000, 1000))
        yield Desk(store, learned, Hints(store, learned, LIMIT, COST, NOW))


def row(task_id: str, status: str) -> Row:
    return Row(task_id, status, NOW, None, (), None)


def page(*rows: Row, received: int | None = None) -> Page:
    return Page(rows, len(rows) if received is None else received, 0, False)


def test_a_page_is_asked_for_when_the_waiting_it_tells_of_is_worth_its_requests(desk: Desk) -> None:
    # 60 tasks that end by 1/1300 a second wait 60 * t² / 2600 s after t: 200 s are reached after 93 s.
    assert desk.hints.propose(Lane(), NOW + 60 * SECOND) is None
    assert NOW + 80 * SECOND < desk.hints.next_at < NOW + 100 * SECOND
    query = desk.page(NOW + 110 * SECOND)
    assert query == PageQuery(NOW - MARGIN, NOW + MARGIN, status=None)
    assert desk.learned.spared == 1000 - COST
    assert desk.hints.propose(Lane(), NOW + 111 * SECOND) is None, "one page at a time"


def test_what_a_page_tells_is_not_worth_another_one_soon(desk: Desk) -> None:
    at = NOW + 110 * SECOND
    desk.tell(desk.page(at), page(*(row(f"t{n}", "pending") for n in range(60))), at)
    assert desk.hints.propose(Lane(), at + 60 * SECOND) is None
    assert desk.hints.propose(Lane(), at + 110 * SECOND) is not None


def test_no_page_without_a_slot_without_savings_or_in_a_pause(desk: Desk) -> None:
    at = NOW + 110 * SECOND
    assert desk.hints.propose(Lane(reason="rate_limited"), at) is None
    full = Lane(meter=Lane().meter._replace(tat=(at + 10 * SECOND) * 1000))
    assert desk.hints.propose(full, at) is None
    desk.learned.spared = COST - 1
    assert desk.hints.propose(Lane(), at) is None
    desk.learned.spared = COST
    assert desk.hints.propose(Lane(), at + 10 * SECOND) is not None


def test_a_slot_that_has_gone_meanwhile_costs_nothing(desk: Desk) -> None:
    at = NOW + 110 * SECOND
    query = desk.hints.propose(Lane(), at)
    assert query is not None
    assert desk.hints.ask(query, Lane(reason="credentials"), at, at)[1] == []
    assert desk.learned.spared == 1000
    assert desk.hints.next_at < UNTIL_LATER


@pytest.mark.parametrize("status", ["success", "failure"])
def test_a_task_shown_as_concluded_is_due_at_once_and_all_others_keep_their_schedule(desk: Desk, status: str) -> None:
    at = NOW + 110 * SECOND
    with desk.store.write():
        tasks.lease(desk.store, [5], NOW + HOUR + 5)
        desk.store.execute("UPDATE tasks SET state = 'abandoned', due_at = NULL WHERE seq = 7")
        desk.store.execute("UPDATE tasks SET due_at = ?, why = 'cadence' WHERE seq = 8", (at - 1,))
    before = desk.tasks()
    shown = [row(f"t{n}", status) for n in (3, 3, 4, 6, 7)] + [row("t10", "pending"), row("t11", "in_review")]
    shown += [row("foreign", status), row("T12", status)]
    desk.tell(desk.page(at), page(*shown), at)
    after = desk.tasks()
    hinted = {task.id: (task.due_at, task.why) for task in after.values() if task != before[task.id]}
    assert hinted == {"t3": (at, "hint")}, "t4 is asked about already, t6 is abandoned, t7 is due"
    assert len(desk.store.read("SELECT 1 FROM tasks")) == 60, "a foreign row is not stored"


def looked(desk: Desk, seq: int, reply: Reply, at: int) -> None:
    task = tasks.get(desk.store, seq, 0)
    assert task is not None
    job = desk.hints.ask(PageQuery(0, 0), Lane(), at, at)[1][0][0]._replace(seq=seq, page=None)
    with desk.store.write():
        asked = {seq: Asked(task._replace(why="hint"), at)}
        desk.hints.hear([], [Done(job, reply, 1)], asked, Lane(), at)


def test_a_list_that_calls_pending_tasks_concluded_switches_itself_off(desk: Desk) -> None:
    desk.hints.propose(Lane(), NOW)
    for seq in range(1, MOST_LIES):
        looked(desk, seq, Unreachable("timeout"), NOW)
        looked(desk, seq, Pending(), NOW)
    assert desk.notice() is None
    looked(desk, MOST_LIES, Pending(), NOW)
    assert "5 were still pending" in (desk.notice() or "")
    assert desk.hints.next_at == UNTIL_LATER
    assert desk.hints.propose(Lane(), NOW + HOUR) is None


def test_a_task_that_the_list_lied_of_is_not_looked_at_for_its_sake_again(desk: Desk) -> None:
    at = NOW + 110 * SECOND
    query = desk.page(at)
    looked(desk, 4, Pending(), at)
    desk.tell(query, page(row("t3", "success"), row("t4", "success")), at)
    assert [task.id for task in desk.tasks().values() if task.why == "hint"] == ["t4"]


@pytest.mark.parametrize(
    ("replies", "said"),
    [
        ([Refused("http_403")], "refuses its list (http_403)"),
        ([Unreachable("http_500")] * 3, "3 times in a row, at last with http_500"),
        ([Garbled("no_list"), RateLimited("http_429"), Garbled("html")], "3 times in a row, at last with html"),
    ],
)
def test_a_list_that_is_refused_or_fails_again_and_again_switches_itself_off(
    desk: Desk, replies: list[Reply], said: str
) -> None:
    at = NOW + 110 * SECOND
    before = desk.tasks()
    for reply in replies:
        assert desk.notice() is None
        desk.tell(desk.page(at), reply, at)
        at += 61 * SECOND
    assert said in (desk.notice() or "")
    assert desk.hints.propose(Lane(), at + HOUR) is None
    assert desk.tasks() == before


def test_a_failure_now_and_then_is_none(desk: Desk) -> None:
    at = NOW + 110 * SECOND
    for n in range(6):
        answer: Page | Reply = page() if n % 3 == 2 else Unreachable("timeout")
        desk.tell(desk.page(at), answer, at)
        at += 200 * SECOND
    assert desk.notice() is None


def test_a_full_page_is_gone_on_with_where_it_ended(desk: Desk) -> None:
    with desk.store.write():
        desk.store.execute("UPDATE tasks SET started_at = ? + seq * 100", (NOW - 7_000,))
    at = NOW + 110 * SECOND
    query = desk.page(at)
    half = [Row(f"t{n}", "pending", NOW - 7_000 + n * 100 + 100, None, (), None) for n in range(30)]
    desk.tell(query, page(*half, received=100), at)
    at += 110 * SECOND
    again = desk.page(at)
    assert (again.start, again.end) == (NOW - 4_000 - MARGIN, query.end)


# --- with the daemon and the sandbox


LIES = [
    "",
    "list_wrong_status",
    "list_foreign,list_invented,list_missing:50,list_skips,list_repeats,list_unsorted",
    "list_stale:5m,list_any_time,list_over_limit",
    "list_bare,list_odd_id,list_many:2000",
    "forbidden@list",
    "html@list",
]


@pytest.mark.parametrize("faults", LIES)
def test_no_list_ever_changes_a_result(tmp_path: Path, faults: str) -> None:
    with Sandbox(Clock(), speed=400, faults=faults) as sandbox:
        ids = begin(sandbox, 40, "SBX-MINUTES")
        house = House(
            tmp_path,
            sandbox,
            polling_list_hints="yes",
            polling_page_cost="1",
            polling_price_floor="1s",
            polling_cadence="2s x1.4 3s 10%",
        )
        house.record(*ids)
        house.rows("UPDATE schedule SET spared = 1000")
        asked: list[str] = []
        answer = sandbox.vendor.answer
        sandbox.vendor.answer = lambda request, now: asked.append(request.path) or answer(request, now)  # type: ignore[func-returns-value,method-assign,assignment]
        with house.start("--until-idle") as daemon:
            assert daemon.end() == 0
        assert any(path.endswith("/coverage-discovery") for path in asked), "no page was asked for"
        told = {task.id: task.status_at(sandbox.clock.now()) for task in sandbox.tasks}
        assert dict(house.rows("SELECT id, outcome FROM tasks")) == told
        assert house.value("SELECT count(*) FROM results") == len(ids)
        assert house.value("SELECT spared FROM schedule") < 1000 + 10 * len(ids)


def test_results_come_before_the_first_look_of_the_schedule(tmp_path: Path) -> None:
    with Sandbox(Clock(), times=parse("quick=3s-4s")) as sandbox:
        house = House(
            tmp_path,
            sandbox,
            polling_list_hints="yes",
            polling_page_cost="1",
            polling_price_floor="1s",
            polling_cadence="30s x1.4 60s 10%",
            polling_min_interval="100ms",
        )
        ids = begin(sandbox, 30, "SBX-SECONDS")
        house.record(*ids)
        house.rows("UPDATE schedule SET spared = 1000")
        with house.start() as daemon:
            daemon.ready()
            until(lambda: house.status()["tasks"]["concluded"] == len(ids), "results before any look was due")
            assert daemon.stopped() == 0
        assert house.rows("SELECT DISTINCT polls FROM tasks") == [(1,)]

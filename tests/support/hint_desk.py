"""What the tests of hints share: a store with tasks, the hints about them, and pages and looks that are heard."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from worker.core.intake.recording import Recording
from worker.core.pacing.breaker import Lane
from worker.core.pacing.limiter import Limit
from worker.core.schedule.cadence import Schedule
from worker.core.schedule.hazard import BINS, Curve, packed
from worker.core.schedule.learned import PUT_OFF_TESTED, Knowledge, Learned, put_off
from worker.core.sweep import EARNED, Trust
from worker.core.task import Task
from worker.core.vendor.document import Fingerprint
from worker.core.vendor.page import Page, PageQuery, Row
from worker.core.vendor.reply import Concluded, Pending, Reply
from worker.gateways.http.pool import PAGE, Done, Job
from worker.rounds.poll.hints import NOTICE, Hints
from worker.rounds.poll.saving import Asked
from worker.store.db.store import Store
from worker.store.state import notices
from worker.store.tasks import polling as tasks
from worker.store.tasks.recording import record

NOW = 1_800_000_000_000
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
LIMIT = Limit(10.0, 50)
COST = 10

# Half of such tasks end in a quarter of an hour, at whatever age.
STEADY = Curve((5.0,) * BINS, (6_500_000.0,) * BINS)

# And such ones in two seconds: whatever is pending is worth a page at once.
QUICK = packed(Curve((5.0,) * BINS, (14_000.0,) * BINS))


def concluded(ended_at: int) -> Concluded:
    return Concluded("success", b"{}", Fingerprint("x", None), ended_at=ended_at)


class Desk(NamedTuple):
    """A store with 60 tasks in it that began ``NOW``, and the hints about them."""

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

    def tell(self, page: Page | Reply, at: int) -> None:
        """Let the answer to it come."""
        reply, found = (Pending(), page) if isinstance(page, Page) else (page, None)
        job = Job(PAGE, "", at, at + 30_000, PageQuery(0, 0))
        with self.store.write():
            self.hints.hear([Done(job, reply, 1, found)], {}, Lane(), at)

    def looked(self, task_id: str, reply: Reply, at: int, *, why: str | None = None) -> None:
        """Let a look by id come back, claimed as the task stands."""
        task = self.tasks()[task_id]
        done = Done(Job(task.seq, task.id, at, at), reply, 1)
        with self.store.write():
            self.hints.hear([done], {task.seq: Asked(task._replace(why=why or task.why), at)}, Lane(), at)

    def tasks(self) -> dict[str, Task]:
        return {task.id: task for task in tasks.pending_from(self.store, 0, 10**6)}

    def changed(self, before: dict[str, Task]) -> dict[str, tuple[int | None, str]]:
        """What is due at another time than before."""
        return {i: (t.due_at, t.why) for i, t in self.tasks().items() if t.due_at != before[i].due_at}

    def notice(self) -> str | None:
        return dict(notices.listed(self.store)).get(NOTICE)


@contextmanager
def desks(folder: Path) -> Iterator[Desk]:
    """One at which the list is trusted."""
    with Store(folder / "c.db") as store:
        names = [f"t{n}" for n in range(60)]
        record(store, [Recording(name, "id") for name in names], (), origin="", now=NOW, schedule=Schedule())
        with store.write():
            store.execute("UPDATE tasks SET due_at = ?, price = 20000", (NOW + HOUR,))
        learned = Learned(Schedule(), 20_000, Knowledge({"unseen": STEADY}, 20_000, 1000))
        hints = Hints(store, learned, LIMIT, COST, NOW)
        hints._trust.passed(EARNED)
        learned.trusting = True
        yield Desk(store, learned, hints)


FIRST = NOW + 110 * SECOND  # when a page pays for the first time, and a little more
NAMES = [f"t{n}" for n in range(60)]
TESTED = next(name for name in NAMES if put_off(name) == PUT_OFF_TESTED)  # whose looks by id put the list to the test


def row(task_id: str, status: str = "pending", started_at: int = NOW) -> Row:
    return Row(task_id, status, started_at, (), None)


def page(*rows: Row, received: int | None = None) -> Page:
    return Page(rows, len(rows) if received is None else received)


ALL = page(*(row(name) for name in NAMES))


def untrusted(desk: Desk) -> Desk:
    """As after a start."""
    desk.hints._trust = Trust()
    desk.learned.trusting = False
    return desk


def shown(desk: Desk) -> Desk:
    """A page has shown all tasks as pending."""
    desk.page(FIRST)
    desk.tell(ALL, FIRST)
    return desk

"""What the tests of pages in the poll round share: worlds in which a page of the list is worth its cost."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.poll_world import NOW, Make, World, worlds
from worker.core.schedule.hazard import BINS, Curve, packed
from worker.core.vendor.page import Page, Row
from worker.core.vendor.reply import Pending, Reply
from worker.gateways.http.pool import PAGE, Job
from worker.rounds.poll.hints import NOTICE
from worker.store.db.store import Store
from worker.store.state import notices

SPARED = 1000
COST = 3
NAMES = [f"t{n:02}" for n in range(40)]
READY = NOW + 15_000  # when a page pays, and every first look is due

# Half of such tasks end in ten seconds, at whatever age: whatever is pending is worth a page at once.
QUICK = packed(Curve((5.0,) * BINS, (70_000.0,) * BINS))

Says = Callable[[Job, int], Reply | Page]


@contextmanager
def page_worlds(folder: Path) -> Iterator[Make]:
    """Worlds in which tasks end so quickly that pages of the list are worth their cost."""
    path = folder / "cdpoll.db"
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

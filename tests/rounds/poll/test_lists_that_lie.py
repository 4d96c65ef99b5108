"""The poll round against the sandbox in simulated time: what a list that lies costs, and what it does not."""

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from sandbox.server import Sandbox
from sandbox.times import parse
from tests.support.cdpoll_process import begin
from tests.support.page_world import QUICK, SPARED, listed
from tests.support.poll_world import NOW, World, worlds
from worker.clock import Clock
from worker.core.vendor.page import Page
from worker.core.vendor.reply import Reply
from worker.gateways.http.api import Api, ApiSettings
from worker.gateways.http.client import Wire, tls_context
from worker.gateways.http.pool import Job
from worker.gateways.http.token import Tokens, TokenSettings
from worker.store.db.store import Store

TASKS = 50
COST = 3
LIFE = 12 * 60_000
PENDING_IS_A_LIE = "list_wrong_status"  # asked for pending tasks, it gives exactly those that have ended


class Told(NamedTuple):
    """What came of one run: the looks at each task as (task, instant), when each was seen concluded, and the rest."""

    looks: list[tuple[str, int]]
    seen_at: dict[str, int]
    pages: int
    notice: str | None
    trusted: bool


class Timeless(Clock):
    """The sandbox's: that of the world, once there is one."""

    world: World | None = None

    def now(self) -> int:
        return NOW if self.world is None else self.world.now


def lived(folder: Path, page_cost: int | None, faults: str, later: tuple[int, str] | None = None) -> Told:
    """Twelve minutes with fifty tasks that end within six, and a list with these faults, or others ``later``."""
    folder.mkdir()
    clock = Timeless()
    with Sandbox(clock, faults=faults, times=parse("quick=10s-6m"), expires_in=86_400) as sandbox:
        ids = begin(sandbox, TASKS, "SBX-SECONDS")
        path = folder / "cdpoll.db"
        with Store(path) as store, store.write():
            for kind in ("unseen", "quick", "quick+rtcob", "rtcob"):
                store.execute("INSERT INTO curves (kind, curve) VALUES (?, ?)", (kind, QUICK))
            store.execute("UPDATE schedule SET spared = ?", (50 * SPARED,))
        with worlds(path) as make, closing(Wire(tls_context(None), 20_000)) as wire:
            w = clock.world = make(vendor(sandbox, wire, clock), price_floor=20_000, page_cost=page_cost)
            w.record(*ids)
            if later is not None:
                w.until(NOW + later[0])
                sandbox.set_faults(later[1])
            w.until(NOW + LIFE)
            assert w.count("SELECT count(*) FROM results") == TASKS
            looks = [(job.task_id, at) for job, at in zip(w.asked, w.sent_at, strict=True) if job.page is None]
            seen = {task_id: int(w.task(task_id)["concluded_at"]) for task_id in ids}
            hints = w.round._hints
            trusted = hints is not None and hints._trust.earned
            return Told(sorted(looks), seen, len(w.asked) - len(looks), listed(w), trusted)


def vendor(sandbox: Sandbox, wire: Wire, clock: Clock) -> Callable[[Job, int], Reply | Page]:
    """The client's own way to the sandbox, over real HTTP."""
    secrets = TokenSettings(sandbox.token_url, lambda: sandbox.client_id, lambda: sandbox.client_secret)
    api = Api(ApiSettings(sandbox.base_url, sandbox.tenant_id), Tokens(secrets, threading.Event()))
    alone = threading.Lock()

    def ask(job: Job, n: int) -> Reply | Page:
        with alone:
            if job.page is not None:
                return api.page(wire, job.page, clock.now())
            return api.look(wire, job.task_id, clock.now())

    return ask


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The same without hints."""
    return lived(tmp_path_factory.mktemp("without") / "x", None, "")


def test_a_list_that_is_right_is_trusted_and_saves_looks(tmp_path: Path, without: Told) -> None:
    found = lived(tmp_path / "x", COST, "")
    assert (found.trusted, found.notice) == (True, None)
    assert len(found.looks) < len(without.looks)
    assert sum(found.seen_at.values()) < sum(without.seen_at.values())


@pytest.mark.parametrize("faults", [PENDING_IS_A_LIE, "list_stale:30s", "forbidden@list"])
def test_a_list_that_lies_from_the_start_costs_nothing_but_its_pages(
    tmp_path: Path, without: Told, faults: str
) -> None:
    found = lived(tmp_path / "x", COST, faults)
    assert found.pages > 0
    assert found.notice is not None
    assert found.looks == without.looks
    assert found.seen_at == without.seen_at


def test_a_list_that_begins_to_lie_is_not_trusted_any_more(tmp_path: Path) -> None:
    found = lived(tmp_path / "x", COST, "", later=(60_000, PENDING_IS_A_LIE))
    assert not found.trusted
    assert found.notice is not None

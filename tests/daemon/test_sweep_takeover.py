"""Two hosts and one list of the vendor: one sweeps, and another goes on with its sweep when it dies."""

import signal
from pathlib import Path

import pytest

from tests.support.hosts import another_host
from tests.support.mortal import Moment, died
from tests.support.sweep_rig import SweepRig
from worker.daemon.backfill_lane import BackfillLane
from worker.store.opening import open_store
from worker.store.state import leases


def steps(rig: SweepRig, most: int = 50) -> None:
    """What a process of the first host does."""
    with open_store(rig.house.database) as store:
        rig.store = store
        rig.lane = rig.open_lane()
        for _ in range(most):
            rig.step()


@pytest.mark.parametrize("page", [2, 3, 4])
def test_another_host_goes_on_from_the_checkpoint(tmp_path: Path, page: int) -> None:
    with SweepRig(tmp_path) as rig:
        ids = rig.begin(330)
        moment = Moment("UPDATE backfill SET", page)
        assert died(moment, lambda: steps(rig)) == -signal.SIGKILL
        swept = dict(rig.recorded)
        assert len(swept) < len(ids)
        rig.store.close()
        first = rig.house.database
        with another_host(first, tmp_path / "b", "b") as store:
            rig.store = store
            rig.lane.close()
            rig.lane = rig.open_lane()
            asked = rig.asked.total()
            held = leases.holder_of(store, leases.BACKFILL, rig.clock.at)
            assert held is not None
            assert held.daemon == "cdpoll"
            rig.lane.run(rig.clock.at)
            assert rig.lane.idle
            assert rig.asked.total() == asked, "the other sweeps still"
            rig.clock.advance(BackfillLane.bound_ms)
            rig.sweep()
            assert rig.recorded == dict.fromkeys(ids, "backfill")
            assert store.read("SELECT id FROM tasks GROUP BY id HAVING count(*) > 1") == []
            # No page is asked for twice, but for one whose answer was lost.
            assert sorted(rig.asked.values())[-2:] in ([1, 2], [1, 1])
            rig.step()
            assert leases.holder_of(store, leases.BACKFILL, rig.clock.at) is None

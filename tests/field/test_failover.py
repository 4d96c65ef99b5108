"""The primary server dies, its standby is promoted, and a daemon goes on there by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, begin, until
from tests.support.postgres import Cluster, Standby
from worker.clock import Clock


@pytest.fixture
def pair() -> Iterator[tuple[Cluster, Standby]]:
    """A primary, and a standby without which it acknowledges nothing."""
    settings = {"synchronous_commit": "on", "wal_level": "replica", "max_wal_senders": "5"}
    with Cluster(tcp=True, **settings) as primary, Standby(primary) as standby:
        primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.run("SELECT pg_reload_conf()")
        state = "SELECT sync_state FROM pg_stat_replication"
        until(lambda: primary.run(state) == [("sync",)], "the standby is a synchronous one")
        yield primary, standby


def test_a_daemon_goes_on_at_the_promoted_standby_and_nothing_acknowledged_is_lost(
    tmp_path: Path, pair: tuple[Cluster, Standby]
) -> None:
    primary, standby = pair
    both = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    url = f"postgresql://cdpoll@{both}/cdpoll?target_session_attrs=read-write"
    with Sandbox(Clock(), speed=8) as sandbox:
        house = House(tmp_path, sandbox, store_url=url, store_daemon="east", polling_schedule="fixed")
        first = begin(sandbox, 40, "SBX-SECONDS")
        house.cdpoll("record", *first, check=0)
        with house.start() as daemon:
            concluded = "SELECT count(*) FROM tasks WHERE state = 'concluded'"
            until(lambda: primary.run(concluded)[0][0] > 5, "some are concluded")
            second = begin(sandbox, 20, "SBX-SECONDS", first=40)
            house.cdpoll("record", *second, check=0)
            primary.kill()
            standby.promote()
            third = begin(sandbox, 20, "SBX-SECONDS", first=60)
            until(lambda: house.cdpoll("record", *third).code == 0, "the new primary records")
            until(lambda: standby.run(concluded) == [(80,)], "all are concluded")
            status = house.cdpoll("status", "--json").json
            assert [one["code"] for one in status["problems"]] == []
            assert daemon.process.poll() is None
        outcomes = dict(standby.run("SELECT id, outcome FROM tasks"))
        assert outcomes == {task.id: task.status_at(sandbox.clock.now()) for task in sandbox.tasks}
        assert outcomes.keys() == {*first, *second, *third}
    numbers = "SELECT count(*), count(DISTINCT result), count(DISTINCT last) FROM outbox WHERE reason = 'result'"
    assert standby.run(numbers) == [(80,) * 3]

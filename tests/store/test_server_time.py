"""The time of day of a server counts, also while it cannot be reached."""

import psycopg
import pytest

from tests.support.frozen_clock import FrozenClock
from worker.clock import Clock
from worker.place import DatabasePlace
from worker.store.opening import open_store


def test_while_the_server_is_lost_its_time_goes_on_and_no_set_clock_changes_it(
    place: DatabasePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert place.server is not None
    clock = FrozenClock(0)
    with open_store(place._replace(server=place.server._replace(tells_time=True))) as store:
        before = store.now(clock)
        assert abs(before - Clock().now()) < 60_000, "the server's, and not that of this machine"

        def lost(*_: object) -> None:
            clock.advance(20_000)  # so long it is waited for
            raise psycopg.OperationalError("gone")

        with monkeypatch.context() as patch:
            patch.setattr(store, "_alone", lost)
            for _ in range(3):
                told = store.now(clock)
                assert told - before == clock.monotonic()
                clock.jump(-3_600_000)
                clock.advance(2_000)
        assert abs(store.now(clock) - Clock().now()) < 60_000

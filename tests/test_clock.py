"""The clock, and what is stamped by it, under freezegun."""

import json
import threading

import pytest

from tests.support.frozen_clock import NOW, frozen
from worker.clock import Clock
from worker.log import flush, make_log


def test_the_real_clock_tells_the_time_that_freezegun_froze() -> None:
    clock = Clock()
    with frozen(NOW) as ours:
        before = clock.monotonic()
        assert clock.now() == ours.now() == NOW
        ours.advance(90_000)
        assert clock.now() == ours.now() == NOW + 90_000
        assert clock.monotonic() - before == ours.monotonic() == 90_000
        ours.jump(-3_600_000)
        assert clock.now() == NOW + 90_000 - 3_600_000
        assert ours.monotonic() == 90_000
    assert clock.now() != NOW


def test_waiting_ends_with_the_event_or_with_the_time() -> None:
    event = threading.Event()
    assert not Clock().wait(event, -5)
    assert not Clock().wait(event, 1)
    event.set()
    assert Clock().wait(event, 60_000)


def test_lines_of_the_log_are_stamped_by_the_clock(capfd: pytest.CaptureFixture[str]) -> None:
    with frozen(NOW):
        make_log("json", "info", Clock()).info("started")
    flush()
    assert json.loads(capfd.readouterr().err)["timestamp"].startswith("2027-01-15T08:00:00")

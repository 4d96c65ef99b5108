"""What a signal asks of the daemon."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from worker.gateways import signals
from worker.gateways.signals import Signals


@pytest.fixture(autouse=True)
def _blocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(signals, "SAME_WISH_S", 0)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, Signals.WATCHED)
    yield
    while signal.sigtimedwait(Signals.WATCHED, 0) is not None:
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def comes(number: signal.Signals) -> None:
    """It waits until this thread takes it."""
    signal.pthread_kill(threading.get_ident(), number)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_signals_within_a_second_are_one_wish_and_a_later_one_ends_at_once(
    monkeypatch: pytest.MonkeyPatch, second: signal.Signals
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    heard = Signals()
    comes(second)
    comes(signal.SIGHUP)
    heard._heard(signal.SIGTERM)
    assert (heard.stop.is_set(), heard.wake.is_set(), heard.interrupted) == (True, True, False)
    assert signal.sigpending() == {signal.SIGHUP}, "the second wish to end is taken, that to reload is not"
    assert ended == []
    heard._heard(second)
    assert ended == [128 + second]

"""The one clock of the tests: freezegun's frozen time stands behind it, and moves when a test says so.

freezegun shows a thread the real time wherever the thread's own machinery is near on the stack, and asyncio hangs under
it. So threads read no clock but the one they are given, and this one asks freezegun's frozen factory itself. With
:func:`frozen` the functions of :mod:`time` and :mod:`datetime` stand still as well, as the main thread sees them.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory

from worker.clock import Clock

NOW = 1_800_000_000_000

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - freezegun's instants are UTC and say nothing of it
_MS = timedelta(milliseconds=1)


class FrozenClock(Clock):
    """Stands still until it is moved.

    Waiting takes no time, and is counted in ``waited`` (ms). With ``held``, what waits goes on when another thread has
    moved the clock so far.
    """

    def __init__(self, at: int = NOW, *, held: bool = False, factory: FrozenDateTimeFactory | None = None) -> None:
        self._factory = factory or FrozenDateTimeFactory(_EPOCH + at * _MS)
        self._held = held
        self._passed = 0
        self.waited = 0

    def now(self) -> int:
        return (self._factory() - _EPOCH) // _MS

    def monotonic(self) -> int:
        return self._passed

    @property
    def at(self) -> int:
        """The time of day. Setting it lets the time between pass."""
        return self.now()

    @at.setter
    def at(self, instant: int) -> None:
        self.advance(instant - self.now())

    def advance(self, ms: int) -> None:
        """Let time pass."""
        self._factory.tick(ms * _MS)
        self._passed += ms

    def jump(self, ms: int) -> None:
        """Set the time of day, forward or back; no time passes."""
        self._factory.tick(ms * _MS)

    def wait(self, event: threading.Event, ms: int) -> bool:
        end = self._passed + ms
        while self._held and self._passed < end and not event.wait(0.005):
            pass
        self.waited += ms
        return event.is_set()


@contextmanager
def frozen(at: int = NOW) -> Iterator[FrozenClock]:
    """Freeze what reads the time without a clock of ours, too; what it reads moves with the clock."""
    with freeze_time(datetime.fromtimestamp(at / 1000, UTC)) as factory:
        assert isinstance(factory, FrozenDateTimeFactory)
        yield FrozenClock(factory=factory)

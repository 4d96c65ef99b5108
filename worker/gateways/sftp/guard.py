"""A deadline that does not depend on the peer: while one thread waits, a second one shuts the socket.

paramiko waits without end in several places (for a subsystem, for a window, for a key exchange), and its own timeouts
are for one read each, so that a drip outlives them. All of these waits end when the connection ends.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

_CHECK_MS = 250  # between two readings of the clock, at most

# A transfer that is slower than this on the whole is given up, and so is a single answer.
_SLOWEST_BYTES_PER_MS = 16


class SteadyClock(Protocol):
    """What the guard needs of the caller's clock (worker.clock has the real one). Milliseconds."""

    def monotonic(self) -> int: ...

    def wait(self, event: threading.Event, ms: int) -> bool: ...


# When the step under way is to end, as seen at an instant; ms of the clock.
_Deadline = Callable[[int], int]


class Guard:
    """One connection's deadlines. ``stop``, when set, ends the step under way like a deadline.

    ``moving`` is called, by another thread, while bytes come: what lasts long is not stuck.
    """

    def __init__(self, clock: SteadyClock, stop: threading.Event, moving: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._stop = stop
        self._moving = moving
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.cause: str | None = None
        """Why the guard shut the connection: ``timeout`` or ``stopped``; None: it did not."""
        self.arrived = 0
        """Bytes that came."""
        self.answers = 0
        """Answers that came whole."""

    def hold(self, connection: socket.socket) -> None:
        """The socket to shut from now on. This duplicates the descriptor: paramiko may close its own at any time."""
        self.release()
        with self._lock:
            self._socket = connection.dup()
            if self.cause is not None:
                self._shut()

    def release(self) -> None:
        """Shut the connection and let go of it."""
        with self._lock:
            if self._socket is not None:
                self._shut()
                self._socket.close()
                self._socket = None

    def cut(self, cause: str) -> None:
        """End every wait on this connection, now and later."""
        with self._lock:
            self.cause = self.cause or cause
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def within(self, ms: int) -> contextlib.AbstractContextManager[None]:
        """Cut the connection unless the block ends within ``ms``."""
        until = self._clock.monotonic() + ms
        return self._watched(lambda _now: until)

    def answering(self, silence: int, total: int) -> contextlib.AbstractContextManager[None]:
        """Cut it when no whole answer comes for ``silence`` ms (a long answer may take longer), or after ``total``."""
        began = self._clock.monotonic()
        answered = _Answered(self, began, silence)
        return self._watched(lambda now: min(answered(now), began + total))

    def streaming(self, silence: int) -> contextlib.AbstractContextManager[None]:
        """Cut it as :meth:`answering` does, and when it is too slow on the whole. Fast, it may last for ever."""
        began, before = self._clock.monotonic(), self.arrived
        answered = _Answered(self, began, silence)

        def deadline(now: int) -> int:
            return min(answered(now), began + silence + (self.arrived - before) // _SLOWEST_BYTES_PER_MS)

        return self._watched(deadline)

    @contextlib.contextmanager
    def _watched(self, deadline: _Deadline) -> Iterator[None]:
        if self._stop.is_set():
            self.cut("stopped")
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(done, deadline), name="sftp-guard", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()

    def wait(self, event: threading.Event) -> None:
        """Wait for an event of another thread, inside :meth:`within`; returns early when the deadline cuts."""
        while not event.is_set() and self.cause is None:
            self._clock.wait(event, _CHECK_MS)

    def _watch(self, done: threading.Event, deadline: _Deadline) -> None:
        arrived = self.arrived
        while not done.is_set():
            now = self._clock.monotonic()
            left = deadline(now) - now
            if self._stop.is_set() or left <= 0:
                self.cut("stopped" if self._stop.is_set() else "timeout")
                return
            if self.arrived != arrived:
                arrived = self.arrived
                self._moving()
            self._clock.wait(done, min(left, _CHECK_MS))


class _Answered:
    """The deadline that each whole answer puts off, and that moves on while a long one comes."""

    def __init__(self, guard: Guard, now: int, silence: int) -> None:
        self._guard = guard
        self._silence = silence
        self._seen(now)

    def __call__(self, now: int) -> int:
        if self._guard.answers != self._answers:
            self._seen(now)
        return self._since + self._silence + (self._guard.arrived - self._arrived) // _SLOWEST_BYTES_PER_MS

    def _seen(self, now: int) -> None:
        self._since, self._answers, self._arrived = now, self._guard.answers, self._guard.arrived

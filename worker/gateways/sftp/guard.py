"""A deadline that does not depend on the peer: while one thread waits, a second one shuts the socket.

paramiko waits without end in several places (for a subsystem, for a window, for a key exchange), and its own timeouts
are for one read each, so that a drip outlives them. All of these waits end when the connection ends.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Protocol

_CHECK_MS = 250  # between two readings of the clock, at most


class SteadyClock(Protocol):
    """What the guard needs of the caller's clock (worker.clock has the real one). Milliseconds."""

    def monotonic(self) -> int: ...

    def wait(self, event: threading.Event, ms: int) -> bool: ...


class Guard:
    """One connection's deadlines. ``stop``, when set, ends the step under way like a deadline."""

    def __init__(self, clock: SteadyClock, stop: threading.Event) -> None:
        self._clock = clock
        self._stop = stop
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.cause: str | None = None
        """Why the guard shut the connection: ``timeout`` or ``stopped``; None: it did not."""
        self.moved = 0
        """Grows when bytes came; the thread that watches for silence reads it."""

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

    @contextlib.contextmanager
    def within(self, ms: int, silence: int | None = None) -> Iterator[None]:
        """Cut the connection unless the block ends within ``ms``, or when nothing moves for ``silence`` ms."""
        if self._stop.is_set():
            self.cut("stopped")
        done = threading.Event()
        began = self._clock.monotonic()
        watcher = threading.Thread(target=self._watch, args=(done, began, ms, silence), name="sftp-guard", daemon=True)
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

    def _watch(self, done: threading.Event, began: int, ms: int, silence: int | None) -> None:
        moved, since = self.moved, began
        while not done.is_set():
            now = self._clock.monotonic()
            if self.moved != moved:
                moved, since = self.moved, now
            left = began + ms - now
            if silence is not None:
                left = min(left, since + silence - now)
            if self._stop.is_set() or left <= 0:
                self.cut("stopped" if self._stop.is_set() else "timeout")
                return
            self._clock.wait(done, min(left, _CHECK_MS))

"""A deadline that holds whatever the peer does: a thread beside the one that waits shuts the socket.

paramiko waits without end in several places (for a subsystem, for a window, for a key exchange), and its own timeouts
are for one read each, so that a drip outlives them. What ends all of these waits is the end of the connection.
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
    """One connection's deadlines. ``stop``, when set, ends whatever is under way like a deadline that has passed."""

    def __init__(self, clock: SteadyClock, stop: threading.Event) -> None:
        self._clock = clock
        self._stop = stop
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.cause: str | None = None
        """Why the connection was shut: ``timeout``, ``stopped``, or None when it was not we who shut it."""
        self.moved = 0
        """Grows whenever something came; what watches for silence reads it."""

    def hold(self, connection: socket.socket) -> None:
        """The socket to shut from now on. A descriptor of our own: paramiko closes its own whenever it likes."""
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

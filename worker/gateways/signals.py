"""Signals as events. They are blocked in every thread and awaited in one.

A handler would run in the main thread, perhaps inside the very lock of the event that it wants to set.
"""

import os
import signal
import threading


class Signals:
    """SIGTERM or SIGINT: the first asks to end in good order, the second ends the process. SIGHUP asks to reload."""

    WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

    def __init__(self) -> None:
        self.wake = threading.Event()  # something happened: a reply came, or a signal
        self.stop = threading.Event()
        self.reload = threading.Event()

    def listen(self) -> None:
        """Begin. Call it in the main thread before other threads are started: they inherit the mask."""
        signal.pthread_sigmask(signal.SIG_BLOCK, self.WATCHED)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # blocked now; what is ignored could not be awaited
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def _listen(self) -> None:
        while True:
            number = signal.sigwait(self.WATCHED)
            if number == signal.SIGHUP:
                self.reload.set()
            elif self.stop.is_set():
                os._exit(128 + number)  # nothing is lost: every lease runs out by itself
            else:
                self.stop.set()
            self.wake.set()

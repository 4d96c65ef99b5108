"""Signals as events. They are blocked in every thread and awaited in one.

A handler would run in the main thread, perhaps inside the very lock of the event that it wants to set.
"""

import os
import signal
import threading

# After the first signal that asks to end: others within this time are the same wish.
SAME_WISH_S = 1.0


def hold_back() -> None:
    """Let the signals wait that :class:`Signals` will listen for. Call it in the main thread, at the start."""
    signal.pthread_sigmask(signal.SIG_BLOCK, Signals.WATCHED)


class Signals:
    """SIGTERM or SIGINT: the first asks to end in good order, the second ends the process. SIGHUP asks to reload.

    Those that follow the first within a second belong to it: a terminal sends SIGINT to all the processes of a command,
    and those that started this one (make, timeout, sudo, a container) may send it on.
    """

    ENDING = (signal.SIGTERM, signal.SIGINT)
    WATCHED = (*ENDING, signal.SIGHUP)

    def __init__(self) -> None:
        self.interrupted = False
        """Whether it was SIGINT, as of Ctrl-C, that asked to end."""
        self.wake = threading.Event()  # something happened: a reply came, or a signal
        self.stop = threading.Event()
        self.reload = threading.Event()

    def listen(self) -> None:
        """Begin. Call it in the main thread before other threads are started: they inherit the mask.

        A signal to end that came before is heard when this returns.
        """
        hold_back()
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # blocked now; what is ignored could not be awaited
        early = signal.sigtimedwait(self.ENDING, 0)
        if early is not None:
            self._end(early.si_signo)
        threading.Thread(target=self._listen, args=(early is not None,), name="signals", daemon=True).start()

    def _listen(self, ending: bool) -> None:
        if ending:
            self._wait_for_the_same_wish()
        while True:
            self._heard(signal.sigwait(self.WATCHED))

    def _heard(self, number: int) -> None:
        if number == signal.SIGHUP:
            self.reload.set()
            self.wake.set()
            return
        if self.stop.is_set():
            os._exit(128 + number)  # nothing is lost: every lease runs out by itself
        self._end(number)
        self._wait_for_the_same_wish()

    def _end(self, number: int) -> None:
        self.interrupted = number == signal.SIGINT
        self.stop.set()
        self.wake.set()

    def _wait_for_the_same_wish(self) -> None:
        threading.Event().wait(SAME_WISH_S)
        while signal.sigtimedwait(self.ENDING, 0) is not None:
            pass

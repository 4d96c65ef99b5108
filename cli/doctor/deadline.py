"""A group of checks in a thread of its own: one that hangs is left behind, and what it had found is kept."""

import queue
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from cli.doctor.finding import Finding, fail
from worker.clock import Clock
from worker.core.errors import CdpollError, place_of
from worker.core.instant import words

Group = Callable[[], Iterable[Finding]]
Value = TypeVar("Value")


class Running:
    """A group under way; it may take ``most_ms`` from now on."""

    def __init__(self, name: str, group: Group, most_ms: int, clock: Clock) -> None:
        self._name = name
        self._most_ms = most_ms
        self._until = clock.monotonic() + most_ms
        self._clock = clock
        self._found: list[Finding] = []
        self._group = group
        self._thread = threading.Thread(target=self._run, name=f"doctor-{name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for found in self._group():
                self._found.append(found)
        except CdpollError as error:
            self._found.append(fail(self._name, error.message, error.hint))
        except Exception as error:
            # By class and place only: the text of an unforeseen error may quote data.
            place = f"{type(error).__name__} at {place_of(error)}"
            self._found.append(fail(self._name, f"a fault in cdpoll itself: {place}", "please report that line"))

    def findings(self) -> list[Finding]:
        """Wait for the end of the group, or for its deadline; what it found."""
        self._thread.join(max(0, self._until - self._clock.monotonic()) / 1000)
        found = list(self._found)
        if self._thread.is_alive():
            said = f"the checks did not end within {words(self._most_ms)}; what they had not come to is not checked"
            found.append(fail(self._name, said, "does a disk, a name server or the network hang? see `cdpoll status`"))
        return found


def within(seconds: float, call: Callable[[], Value]) -> Value:
    """What ``call`` returns or raises; TimeoutError where it takes longer, and then it is left behind."""
    came: queue.SimpleQueue[tuple[Value | None, Exception | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            came.put((call(), None))
        except Exception as error:
            came.put((None, error))

    threading.Thread(target=run, name="doctor-within", daemon=True).start()
    try:
        value, error = came.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]

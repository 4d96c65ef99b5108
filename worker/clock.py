"""The only module that reads a clock.

The lower floors take the time as an argument. The daemon, the sandbox and the commands hold a :class:`Clock`. Tests put
freezegun's frozen time behind it, or use a small subclass.
"""

import threading
import time


class Clock:
    """The machine's clocks, in whole milliseconds."""

    def now(self) -> int:
        """Milliseconds since 1970 UTC. May jump, forwards and back: it is for instants that are stored."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> int:
        """Milliseconds since some fixed moment. Never jumps: it is for deadlines inside this process."""
        return time.monotonic_ns() // 1_000_000

    def wait(self, event: threading.Event, ms: int) -> bool:
        """Wait until ``event`` is set or ``ms`` milliseconds have passed; tell whether it is set."""
        return event.wait(max(0, ms) / 1000)

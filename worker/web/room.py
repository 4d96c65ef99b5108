"""How many large bodies are in memory at once: one.

The body of a real callback has some ten KB, and dozens of them are read at once. One of 25 MiB takes some 200 MB while
it is read, and half a second of a processor; thirty together would take more memory than the unit has, and be lost
with all that is under way beside them. So what is larger than :data:`SMALL_BYTES` waits for its turn.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import IO

from werkzeug.exceptions import RequestEntityTooLarge

from worker.core.errors import TryLater

SMALL_BYTES = 1024 * 1024

# With what follows it has to end within the deadline of a request.
TURN_TIMEOUT_S = 10.0


class Room:
    """For all threads of a serving process."""

    def __init__(self, turn_timeout_s: float = TURN_TIMEOUT_S, small_bytes: int = SMALL_BYTES) -> None:
        """A body of more than ``small_bytes`` waits for its turn."""
        self._timeout_s, self._small_bytes = turn_timeout_s, small_bytes
        self._taken = Lock()

    @contextmanager
    def body(self, stream: IO[bytes], most_bytes: int) -> Iterator[bytes]:
        """A body, which is done with when the block ends. Raises :class:`TryLater` where a large one has no turn, and
        :class:`RequestEntityTooLarge` for more than ``most_bytes``."""
        head = _up_to(stream, self._small_bytes + 1)
        if len(head) <= self._small_bytes:
            yield head
            return
        if not self._taken.acquire(timeout=self._timeout_s):
            raise TryLater("larger bodies are being read, one at a time", "who sent it is to try again")
        try:
            body = head + _up_to(stream, most_bytes + 1 - len(head))
            if len(body) > most_bytes:
                raise RequestEntityTooLarge
            yield body
        finally:
            self._taken.release()


def _up_to(stream: IO[bytes], size_bytes: int) -> bytes:
    """That many bytes, or fewer where the stream ends before."""
    parts = []
    while size_bytes > 0 and (part := stream.read(size_bytes)):
        parts.append(part)
        size_bytes -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)

"""The daemon's log: one event a line, on stderr; JSON under systemd, readable on a terminal.

Events carry ids of tasks, codes and counts. They never carry a body, a ref, a URL, a header or a secret. Errors are
logged by class and place, never by text: the text may quote a value.
"""

import atexit
import contextlib
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import MutableMapping
from typing import Any

import structlog

from worker.clock import Clock
from worker.core.instant import iso

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


# The priorities of syslog. journald reads them from the front of a line, so that `journalctl -p warning` works.
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def is_journal() -> bool:
    """Whether stderr is journald's: ``$JOURNAL_STREAM`` names its device and inode."""
    stream = os.environ.get("JOURNAL_STREAM", "")
    try:
        found = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return stream == f"{found.st_dev}:{found.st_ino}"


# Lines that wait while standard error takes none: some minutes of a bad hour. The rest is dropped, and counted.
MOST_WAITING_LINES = 2_000

# At the end of the process: how long the last lines may take.
LAST_LINES_S = 2.0


class _Lines:
    """Writes lines to stderr from a thread of its own: a full pipe or a stopped terminal must not stop the daemon.

    If writing fails (a full disk, a reader that has gone), the line is lost, and no more.
    """

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Also after a fork, which takes no thread along."""
        self.dropped = 0  # since one was last taken
        self._queue: queue.Queue[str] = queue.Queue(MOST_WAITING_LINES)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def put(self, line: str) -> None:
        """Never waits."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="log", daemon=True)
                self._thread.start()
            try:
                self._queue.put_nowait(line)
            except queue.Full:
                self.dropped += 1
            else:
                self.dropped = 0

    def flush(self, seconds: float = LAST_LINES_S) -> None:
        """Wait until all lines are written, for so long at most."""
        with self._queue.all_tasks_done:
            self._queue.all_tasks_done.wait_for(lambda: not self._queue.unfinished_tasks, seconds)

    def _work(self) -> None:
        # Signals are for the threads that await them. This one may have been started before those are.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            line = self._queue.get()
            with contextlib.suppress(OSError, ValueError, AttributeError):
                # Not through sys.stderr: it keeps what it could not write, and fails on it again at the end.
                data = memoryview((line + "\n").encode("utf-8", "replace"))
                while data:
                    data = data[os.write(sys.stderr.fileno(), data) :]
            self._queue.task_done()


_lines = _Lines()
os.register_at_fork(after_in_child=_lines.begin_anew)
atexit.register(_lines.flush)
flush = _lines.flush
write_line = _lines.put


class _Stderr:
    """What structlog hands its lines to."""

    def __init__(self, *_: object) -> None: ...

    def msg(self, line: str) -> None:
        _lines.put(line)

    debug = info = warning = error = critical = msg


def _tell_dropped(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """``lines_dropped``: how many lines before this one found no place."""
    if _lines.dropped:
        event["lines_dropped"] = _lines.dropped
    return event


def make_log(form: str, level: str, clock: Clock) -> structlog.typing.FilteringBoundLogger:
    """The logger for this process; ``form`` is auto (JSON unless stderr is a terminal), json or console."""
    for noisy in ("httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)  # they log URLs
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    render: Any = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty() and "NO_COLOR" not in os.environ)
        if console
        else structlog.processors.JSONRenderer()
    )

    def stamp(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["timestamp"] = iso(clock.now())
        return event

    def to_journal(_: Any, level: str, line: Any) -> str:
        return f"<{PRIORITIES.get(level, 6)}>{line}"

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            stamp,
            _tell_dropped,
            render,
            *([to_journal] if is_journal() else []),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=_Stderr,
        cache_logger_on_first_use=True,
    )
    return structlog.get_logger()  # type: ignore[no-any-return]

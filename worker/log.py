"""The daemon's log: one event a line, on stderr; JSON under systemd, readable on a terminal.

Events carry ids of tasks, codes and counts. They never carry a body, a ref, a URL, a header or a secret. Errors are
logged by class and place, never by text: the text may quote a value.
"""

import contextlib
import logging
import os
import sys
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


class _Stderr:
    """Writes lines to stderr. If that fails (a full disk, a reader that has gone), the line is lost, and no more."""

    def __init__(self, *_: object) -> None: ...

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            # Not through sys.stderr: it keeps what it could not write, and fails on it again when the process ends.
            os.write(sys.stderr.fileno(), (line + "\n").encode("utf-8", "replace"))

    debug = info = warning = error = critical = msg


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
        processors=[structlog.processors.add_log_level, stamp, render, *([to_journal] if is_journal() else [])],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=_Stderr,
        cache_logger_on_first_use=True,
    )
    return structlog.get_logger()  # type: ignore[no-any-return]

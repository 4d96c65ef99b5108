"""A screen that is drawn anew until Ctrl-C."""

import contextlib
import io
import shutil
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from cli.output import plain
from worker.clock import Clock
from worker.core.errors import CdpollError

EVERY_MS = 2_000

_HOME, _END_OF_LINE, _REST = "\x1b[H", "\x1b[K", "\x1b[J"


def watched(lines: Callable[[], list[str]]) -> NoReturn:
    """Draw ``lines()`` until the command is interrupted. What cannot be read now is said, and tried again."""
    never, clock = threading.Event(), Clock()
    while True:
        sys.stdout.write(_frame(lines))
        sys.stdout.flush()
        clock.wait(never, EVERY_MS)


def _frame(lines: Callable[[], list[str]]) -> str:
    warnings = io.StringIO()
    try:
        # What is said on standard error would push the screen up, line by line.
        with contextlib.redirect_stderr(warnings):
            shown = lines()
    except CdpollError as error:
        shown = [plain(f"cdpoll: {error.message}"), plain(f"        {error.hint}")]
    shown = [*map(plain, warnings.getvalue().splitlines()), *shown]
    height = shutil.get_terminal_size((80, 24)).lines
    if len(shown) >= height:
        left_out = len(shown) - height + 2
        shown = [*shown[: height - 2], f"… {left_out} more lines: make the window higher"]
    # The old screen is overwritten line by line, and not cleared before: it does not flicker.
    return _HOME + "".join(f"{line}{_END_OF_LINE}\n" for line in shown) + _REST

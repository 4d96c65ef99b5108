"""What gunicorn says, as lines of our log."""

import sys
from typing import Any

from worker.core.errors import place_of
from worker.rounds.log_lines import Log


class GunicornLog:
    """Of errors it tells their kind and place: a text may quote what was asked for."""

    log: Log

    def __init__(self, cfg: Any) -> None:
        self.cfg = cfg  # gunicorn looks at it at a reload

    def setup(self, cfg: Any) -> None: ...

    def debug(self, *_: Any, **__: Any) -> None: ...

    def info(self, message: str, *args: Any, **_: Any) -> None:
        self.log.info("web server", said=message % args if args else message)

    def warning(self, message: str, *_: Any, **__: Any) -> None:
        error = sys.exc_info()[1]
        if error is None:
            self.log.warning("web server", said=message)
            return
        # What gunicorn says of an error ends with its text, which quotes the line that could not be read.
        place = f"{type(error).__name__} at {place_of(error)}"
        self.log.warning("web server", said=message.partition(": ")[0], place=place)

    error = critical = exception = warning

    def log_at(self, _level: Any, message: str, *args: Any, **_: Any) -> None:
        self.warning(message, *args)

    def access(self, *_: Any) -> None: ...

    def reopen_files(self) -> None: ...

    def close_on_exec(self) -> None: ...

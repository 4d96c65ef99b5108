"""cdpoll as processes of their own: the daemon, and single commands."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self


class Daemon:
    """A running ``cdpoll run``; leaving the block asks it to end, and waits."""

    def __init__(self, config: Path, log: Path) -> None:
        self.log = log
        self._lines = log.open("wb")
        self._process = subprocess.Popen(
            _line(config, "run"), stdout=self._lines, stderr=self._lines, env=_environment()
        )
        self.returncode: int | None = None
        """``None`` as well where it was killed."""
        self._killed = False

    def kill(self) -> None:
        """As when its host is gone: it ends nothing that it has begun."""
        self._killed = True
        self._process.kill()
        self._process.wait()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            ended = self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            ended = self._process.wait()
        self.returncode = None if self._killed else ended
        self._lines.close()


def _line(config: Path, *words: str) -> list[str]:
    return [sys.executable, "-P", "-m", "cli", "--config", str(config), *words]


def _environment() -> dict[str, str]:
    # `-m cli` must find this very cdpoll, and must not see the caller's CDPOLL_ variables. With -P it does not look
    # into the working folder, where anyone may have put a `cli`.
    home = str(Path(__file__).parents[2])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CDPOLL_")}
    return kept | {"PYTHONPATH": home}


def command(config: Path, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run one cdpoll command to its end."""
    return subprocess.run(_line(config, *words), input=given, capture_output=True, env=_environment(), check=False)

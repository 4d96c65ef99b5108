"""The whole daemon, as a process, over a database that the bench has filled, against the bench's vendor."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent


def configure(folder: Path, url: str, polling: str) -> Path:
    """A configuration whose database is ``cdpoll.db`` in the same folder; ``polling`` are lines of ``[polling]``."""
    config, secret = folder / "cdpoll.ini", folder / "secret"
    secret.write_text("bench")
    config.write_text(
        f"[api]\nbase_url = {url}\nclient_id = bench\nclient_secret = {{file {secret}}}\n"
        f"[store]\npath = {folder / 'cdpoll.db'}\n[polling]\n{polling}\n[log]\nlevel = warning\n"
    )
    return config


def command(config: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli", "--config", str(config), "run", *arguments]


class Daemon:
    """One that runs."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def wait_for(self, reached: Callable[[], bool]) -> None:
        """Ask every tenth of a second; a daemon that ends meanwhile is an error."""
        while not reached():
            if self._process.poll() is not None:
                raise RuntimeError(f"the daemon ended with {self._process.returncode}")
            time.sleep(0.1)

    def peak(self) -> float:
        """Its memory at the most so far, in MiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024


@contextlib.contextmanager
def running(config: Path) -> Iterator[Daemon]:
    """The daemon while the block lasts."""
    process = subprocess.Popen(command(config), cwd=ROOT)
    try:
        yield Daemon(process)
    finally:
        process.terminate()
        process.wait()

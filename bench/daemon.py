"""The whole daemon, as a process, over a database that the bench has filled, against the bench's vendor."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
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


@contextlib.contextmanager
def running(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The daemon while the block lasts. It must end as it should."""
    process = subprocess.Popen(command(config), cwd=ROOT)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait()
    if code:
        raise RuntimeError(f"the daemon ended with {code}")

"""What the sandbox and the demo write for cdpoll: a configuration and the client secret; and how to call it."""

import sys
from pathlib import Path

from cli.own_folder import write_private
from sandbox.server import Sandbox
from sandbox.settings import config_text


def write_files(vendor: Sandbox, folder: Path, database: Path, *, timeout: str = "10s") -> Path:
    """Write both into ``folder``, readable by their owner alone; the configuration's path. Raises StorageFailed."""
    secret, config = folder / "client-secret", folder / "cdpoll.ini"
    write_private(secret, vendor.account.client_secret + "\n")
    write_private(config, config_text(vendor, str(database), str(secret), timeout=timeout))
    return config


def own_name() -> str:
    """What to type for ``cdpoll``: the whole path, where the program lies beside the one that runs."""
    program = Path(sys.argv[0]).absolute().parent / "cdpoll"
    return str(program) if program.exists() else "cdpoll"

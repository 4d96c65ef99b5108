"""What the sandbox and the demo write for cdpoll: configuration, client secret and URL; and how to call it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli.own_folder import write_private
from sandbox.server import Sandbox
from sandbox.settings import config_text, sftp_text

if TYPE_CHECKING:
    from sandbox.drop import DropServer


def write_files(
    vendor: Sandbox,
    folder: Path,
    database: Path,
    *,
    runs: str = "daemon",
    timeout: str = "10s",
    drop: "DropServer | None" = None,
) -> Path:
    """Write them into ``folder``, readable by their owner alone; the configuration's path. Raises StorageFailed.

    ``runs``: ``once`` where no daemon is expected. ``timeout``: of an answer.
    """
    secret, config, known_hosts = folder / "client-secret", folder / "cdpoll.ini", folder / "known_hosts"
    write_private(secret, vendor.account.client_secret + "\n")
    write_private(folder / "url", vendor.origin + "\n")
    text = config_text(vendor, str(database), str(secret), timeout=timeout, runs=runs)
    if drop is not None:
        write_private(known_hosts, drop.known_hosts)
        text += sftp_text(drop, vendor, str(known_hosts), str(secret))
    write_private(config, text)
    return config


def own_name() -> str:
    """What to type for ``cdpoll``: the whole path, where the program lies beside the one that runs."""
    program = Path(sys.argv[0]).absolute().parent / "cdpoll"
    return str(program) if program.exists() else "cdpoll"

"""What the sandbox and the demo write for cdpoll: configuration, client secret and URL; and how to call it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli.own_folder import write_private
from sandbox.server import Sandbox
from sandbox.settings import callback_text, config_text, sftp_text

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
    text += callback_part(vendor, folder, "")
    write_private(config, text)
    return config


def callback_part(vendor: Sandbox, folder: Path, credential: str) -> str:
    """What the configuration says of callbacks, whose secret is kept in ``folder``; ``""`` where it says nothing.

    ``credential``: the name of the secret as a credential of the service; else the configuration names the file.
    """
    target = vendor.vendor.ledger.deliveries.target
    if target is None:
        return ""
    path = folder / "callback-secret"
    write_private(path, target.client_secret + "\n")
    return callback_text(target, f"{{credential {credential}}}" if credential else f"{{file {path}}}")


def own_name() -> str:
    """What to type for ``cdpoll``: the whole path, where the program lies beside the one that runs."""
    program = Path(sys.argv[0]).absolute().parent / "cdpoll"
    return str(program) if program.exists() else "cdpoll"

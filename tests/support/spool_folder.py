"""A spool as the daemon and the package make it."""

import os
from pathlib import Path

SERVICE, SPOOLING_GID = 61_001, 61_003


def make_spool(path: Path, owner: int | None = None) -> Path:
    """Make it at ``path``; the folder in it where files are left. ``owner``: the user of the daemon; else this one."""
    folder = path / "in"
    folder.mkdir(parents=True)
    (folder / ".lane").write_text("cdpoll spool 1\n")
    (folder / ".lane").chmod(0o644)
    if owner is not None:
        for one in (path, folder / ".lane", folder):
            os.chown(one, owner, SPOOLING_GID)
    path.chmod(0o755)
    folder.chmod(0o3730)
    return folder

"""The daemon's summary: what `status` says, and what polling has measured, in a file.

It lies in the runtime directory of the service, where every user may read it, or else beside the database.
The daemon replaces it with each beat, and never synchronises it: it is about the present. It holds no secret, no
patient data and no name of a file of the drop.
The status page and the metrics read it, because to read it takes the same time with a million tasks as with ten; and it
tells an operator or a monitor, who may not read the database, how things are.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from worker.files import open_regular
from worker.store.db.store import Store

Json = dict[str, Any]

NAME = "summary.json"
# Where the unit has it (RuntimeDirectory=cdpoll).
SERVICE_FOLDER = Path("/run/cdpoll")

# What a reader understands. It is raised where keys change their meaning, or go.
FORMAT_VERSION = 1

# In the runtime directory all may read it; beside the database it is as the other files there.
_MODE_BITS = 0o644
_LARGEST_BYTES = 1_000_000


def path_of(store: Store, runtime: Path | None) -> Path:
    """Where the daemon writes it; ``runtime``: the runtime directory of its service, if it has one."""
    return beside(store.file) if runtime is None else runtime / NAME


def beside(database: Path) -> Path:
    return database.with_name(f"{database.name}.{NAME}")


def write(path: Path, told: Json) -> None:
    """Replace the file. Never raises: a disk that is full or read-only does not disturb the daemon."""
    aside = path.with_name(f"{path.name}.new")
    with contextlib.suppress(OSError):
        aside.unlink(missing_ok=True)
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        with os.fdopen(fd, "wb") as file:
            if path.name == NAME:
                os.fchmod(fd, _MODE_BITS)  # under any umask
            file.write(json.dumps({"format": FORMAT_VERSION} | told).encode() + b"\n")
        aside.rename(path)


def read(*places: Path, database: Path | None = None) -> Json | None:
    """The newest of these files that a daemon of this release has written; ``None``: there is none. ``database``: of
    this one alone, or with a server of the name beside which this host's files lie."""
    found = [one for place in places if (one := _read(place)) is not None]
    if database is not None:
        found = [one for one in found if one.get("path", one["picture"].get("database")) == str(database)]
    return max(found, key=lambda one: int(one["at"]), default=None)


def _read(place: Path) -> Json | None:
    try:
        with open_regular(place) as file:
            told = json.loads(file.read(_LARGEST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return dict(told) if _is_ours(told) else None


def _is_ours(told: object) -> bool:
    if not isinstance(told, dict) or told.get("format") != FORMAT_VERSION:
        return False
    shapes = {"at": int, "pid": int, "started_at": int, "picture": dict, "installed": dict, "measures": dict}
    return all(isinstance(told.get(key), shape) for key, shape in shapes.items())

"""A PostgreSQL server of the demo's own, from the programs that Debian's package brings."""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from worker.core.errors import StorageFailed

_PACKAGED = Path("/usr/lib/postgresql")
_USER = "cdpoll"


class DemoServer:
    """It runs in a private folder of its own, and listens on a socket there; leaving the block ends and removes it.

    Root starts it as another user, for it refuses to run as root. Raises StorageFailed where it cannot be started.
    """

    def __init__(self) -> None:
        self._programs = _programs()
        # A short path: the name of a socket has 107 characters at most.
        self._folder = Path(tempfile.mkdtemp(prefix="cdpoll-pg-"))
        self._data = str(self._folder / "data")

    def __enter__(self) -> Self:
        user = _as_other()
        if user:
            os.chown(self._folder, user["user"], user["group"])
        try:
            self._run("initdb", *("-D", self._data, "-U", _USER), "--auth=trust", "--encoding=UTF8", "--no-sync")
            options = f"-k {self._folder} -c listen_addresses="
            self._run("pg_ctl", *("-D", self._data, "-l", str(self._folder / "log"), "-o", options), "--wait", "start")
            self._run("createdb", *("-h", str(self._folder), "-U", _USER), _USER)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(StorageFailed):  # it was not started
            self._run("pg_ctl", "-D", self._data, "--mode=fast", "--wait", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def url(self) -> str:
        return f"postgresql://{_USER}@/{_USER}?host={quote(str(self._folder))}"

    @property
    def version(self) -> str:
        return self._run("postgres", "--version").split()[2]

    def _run(self, program: str, *words: str) -> str:
        # A file, and no pipe: the server keeps what it inherits open.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run(
                [self._programs / program, *words],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd="/",
                start_new_session=True,  # Ctrl-C ends the demo, which ends the server
                check=False,
                **_as_other(),
            )
            said.seek(0)
            text = said.read()
        if done.returncode != 0:
            last = text.strip().splitlines()[-1:]
            raise StorageFailed(
                f"PostgreSQL cannot be started: {program}: {' '.join(last)}", "is its package whole, and has /tmp room?"
            )
        return text


def _programs() -> Path:
    """The folder of the newest version's programs."""
    found = sorted(_PACKAGED.glob("*/bin/initdb"), key=lambda path: int(re.sub(r"\D.*", "", path.parts[-3]) or 0))
    if not found:
        raise StorageFailed(
            "no PostgreSQL is installed here", "apt-get install postgresql; the demo starts it by itself"
        )
    return found[-1].parent


def _as_other() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    names = {user.pw_name for user in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

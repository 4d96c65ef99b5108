"""The command line as another user; only root can work as several."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cli.main import call
from worker.log import flush


class User(NamedTuple):
    """Invented numbers will do: no account is needed."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    umask: int = 0o022


def call_as(user: User, arguments: Sequence[str], errors: Path, output: Path | None = None, **environ: str) -> int:
    """Run a command as a user; its exit code. What it prints goes to the files, or nowhere.

    First call ``import_all`` of tests/support/forks.py: this user may not be allowed to read the program.
    """
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.chdir("/")
            os.umask(user.umask)
            for name in [name for name in os.environ if name.startswith(("CDPOLL_", "CREDENTIALS_"))]:
                del os.environ[name]
            os.environ.update(environ)
            os.dup2(os.open(output or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 1)
            sys.stdout = os.fdopen(1, "w")
            sys.stderr = errors.open("w")
            os.setgroups(user.groups)
            os.setgid(user.gid)
            os.setuid(user.uid)
            code = call([*arguments])
            flush()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)

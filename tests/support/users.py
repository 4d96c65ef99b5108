"""The command line as another user; only root can work as several."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.main import call
from tests.support.forks import import_all
from worker.log import flush
from worker.store.schema import creation


class User(NamedTuple):
    """Invented numbers will do: no account is needed."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    umask: int = 0o022


def let_all_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let :func:`call_as` go without the files of the program, which may be root's alone: what is imported late is
    imported, and the schema is copied into ``folder``."""
    import_all()
    schema = folder / "schema.sql"
    schema.write_bytes(creation.SCHEMA.read_bytes())
    schema.chmod(0o644)
    monkeypatch.setattr(creation, "SCHEMA", schema)


def call_as(user: User, arguments: Sequence[str], errors: Path, output: Path | None = None, **environ: str) -> int:
    """Run a command as a user; its exit code. What it prints goes to the files, or nowhere.

    First call :func:`let_all_run`.
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

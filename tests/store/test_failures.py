"""What SQLite says of a database, as a person reads it."""

import errno
import os
import re
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

from worker.core.errors import StorageFailed, TryLater
from worker.store.db.failures import FREE_SPACE, translated

pytestmark = pytest.mark.sqlite


@pytest.mark.parametrize(("free_blocks", "full"), [(0, True), (255, True), (1 << 20, False)])
def test_an_io_error_on_a_full_disk_is_lack_of_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_blocks: int, full: bool
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _folder: SimpleNamespace(f_bavail=free_blocks, f_frsize=4096, f_flag=0))
    said = sqlite3.OperationalError("disk I/O error")
    said.sqlite_errorname = "SQLITE_IOERR_TRUNCATE"
    with pytest.raises(StorageFailed) as caught, translated(tmp_path / "cdpoll.db"):
        raise said
    assert (caught.value.hint == FREE_SPACE) == full


@pytest.mark.parametrize("name", ["SQLITE_IOERR_WRITE", "SQLITE_READONLY", "SQLITE_CANTOPEN"])
def test_a_file_system_that_became_read_only_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", refuse)
    said = sqlite3.OperationalError("disk I/O error")
    said.sqlite_errorname = name
    with pytest.raises(StorageFailed) as caught, translated(tmp_path / "cdpoll.db"):
        raise said
    assert re.match("the file system at /.* is read-only; look into the kernel's log", caught.value.hint)
    with pytest.raises(StorageFailed) as caught, translated(tmp_path / "cdpoll.db"):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(tmp_path))
    assert re.match("the file system at /.* is read-only; look into the kernel's log", caught.value.hint)


def test_who_holds_the_lock_can_be_found(tmp_path: Path) -> None:
    path = tmp_path / "cdpoll.db"
    said = sqlite3.OperationalError("database is locked")
    said.sqlite_errorname = "SQLITE_BUSY"
    with pytest.raises(TryLater) as caught, translated(path):
        raise said
    assert f"`fuser -v {path}`" in caught.value.hint

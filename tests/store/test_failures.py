"""What SQLite says of a database, as a person reads it."""

import os
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

from worker.core.errors import StorageFailed
from worker.store.db.failures import FREE_SPACE, translated


@pytest.mark.parametrize(("free_blocks", "full"), [(0, True), (255, True), (1 << 20, False)])
def test_an_io_error_on_a_full_disk_is_lack_of_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_blocks: int, full: bool
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _folder: SimpleNamespace(f_bavail=free_blocks, f_frsize=4096))
    said = sqlite3.OperationalError("disk I/O error")
    said.sqlite_errorname = "SQLITE_IOERR_TRUNCATE"
    with pytest.raises(StorageFailed) as caught, translated(tmp_path / "cdpoll.db"):
        raise said
    assert (caught.value.hint == FREE_SPACE) == full

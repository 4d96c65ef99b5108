"""Batch files read into a database, and what is seen of them there."""

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.cdpoll_process import ROOT
from tests.support.engine import changed_rows, elsewhere, handed
from tests.support.mortal import Moment
from tests.support.x12_samples import ACTIVE, a_set, group, interchange, subscriber
from worker.core.x12.batch import HoldRules
from worker.rounds.ingest.batch_file import BatchFile, ingest, ingest_dry_run
from worker.rounds.ingest.file_report import FileReport
from worker.store.db.store import Store

NOW = 1_800_000_000_000


def read(
    store: Store,
    content: bytes | str,
    name: str = "batch.x12",
    now: int = NOW,
    dry: bool = False,
    hold_test: bool = False,
) -> FileReport:
    """Read a file of this content in."""
    file = store.path.parent.parent / "given"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with file.open("rb") as opened:
        work = ingest_dry_run if dry else ingest
        return work(store, BatchFile(opened, name, "path", rules=HoldRules(hold_test)), now)


def member(number: int) -> list[Any]:
    return a_set(subscriber(ACTIVE, member=f"M{number:05d}", last=f"HOLDER{number}"), control=f"{number:04d}")


def batch(*numbers: int, control: str = "000000001") -> str:
    """A file with one set for each number."""
    return interchange(group(*(member(n) for n in numbers)), control=control)


def zipped(**files: bytes | str) -> bytes:
    """A zip with these members."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def members(path: Path) -> list[str]:
    """The patients that are seen, as often as they are."""
    return [row[0] for row in elsewhere(path, "SELECT member_id FROM batch_answers ORDER BY member_id")]


EMPTY_TABLES = ("sets", "answers", "results", "envelopes", "candidates")


def rows(path: Path) -> int:
    """How many rows there are that only a file can have brought."""
    return sum(elsewhere(path, f"SELECT count(*) FROM {table}")[0][0] for table in EMPTY_TABLES)


def watched(store: Store, monkeypatch: pytest.MonkeyPatch, seen: Callable[[], None]) -> list[int]:
    """Rows written by each transaction but leases, and but those for a lease alone; ``seen`` is called at the end of
    each, after its commit."""
    sizes: list[int] = []
    write: Any = type(store).write

    class Watch:
        def __init__(self) -> None:
            self.inner = write(store)

        def __enter__(self) -> None:
            self.before = changed_rows(store)
            self.leases = len(store.guards)
            self.inner.__enter__()

        def __exit__(self, *error: Any) -> Any:
            out = self.inner.__exit__(*error)
            rows = changed_rows(store) - self.before - self.leases
            if self.leases or rows != 1:
                sizes.append(rows)
                seen()
            return out

    monkeypatch.setattr(type(store), "write", lambda _self, **_how: Watch())
    return sizes


READ = """
import json, sys
from pathlib import Path
from tests.support.engine import open_handed
from tests.support.mortal import Moment, die_at
from worker.rounds.ingest.batch_file import BatchFile, ingest

if len(sys.argv) > 3:
    die_at(Moment(*json.loads(sys.argv[3])))
with open_handed(sys.argv[1], create=True) as store, Path(sys.argv[2]).open("rb") as file:
    report = ingest(store, BatchFile(file, "big", "path"), 1_800_000_000_000)
    print(report.state, report.counts.transaction_sets, flush=True)
"""


def start(path: Path, file: Path, last: Moment | None = None) -> subprocess.Popen[bytes]:
    """A process of its own that reads the file in, and dies at the moment ``last``."""
    line = [sys.executable, "-c", READ, handed(path), str(file), *([json.dumps(last)] if last else [])]
    return subprocess.Popen(line, stdout=subprocess.PIPE, cwd=ROOT, stdin=subprocess.DEVNULL)

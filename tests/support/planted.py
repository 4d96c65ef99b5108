"""An installation in which a marker stands in every place that may hold patient data, and the eyes that look for it."""

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support.database import conclude, pending, record
from tests.support.polled_bodies import a_body, a_path
from tests.support.x12_samples import ACTIVE, Segment, a_file, a_set, subscriber
from worker.core.intake.link import Unreadable
from worker.core.schedule.cadence import Schedule
from worker.rounds.ingest.batch_file import BatchFile, ingest
from worker.store.batch import keeping
from worker.store.db.store import Store
from worker.store.tasks import bodies
from worker.store.tasks.recording import record as record_ids

LONG_AGO = 1_700_000_000_000

# What is told of patients in the texts, bodies and recordings below; each is in several places.
NAME, MEMBER, BORN, REF, TRACE = "QUERELMANN", "MEM77123", "19511231", "ACCT-88-QX", "TRN-5150-QZ"
RAW, KEPT, FILE, INSIDE = "coverage-discovery/ qraw-4711", "qkept-0815", "QFILE-SMITH.x12", "QINSIDE-99"
MARKERS = (NAME, MEMBER, BORN, REF, TRACE, RAW, KEPT, FILE, INSIDE)


def _a_set(control: str, broken: bool = False) -> list[Segment]:
    """One patient's; ``broken``: it goes to quarantine alone."""
    replaced = {"TRN": ("TRN", "2", TRACE, "9000000001"), "DMG": ("DMG", "D8", BORN, "F")}
    middle = [replaced.get(one[0], one) for one in subscriber(ACTIVE, last=NAME, member=MEMBER)]
    return a_set([one for one in middle if not (broken and one[0] == "HL")], control=control)


def a_text(control: str = "0001") -> str:
    return a_file(_a_set(control))


def plant(store: Store, folder: Path) -> None:
    """Tasks, batches and texts of long ago, with the files that go with them. ``folder`` is for the files given."""
    record(
        store, "a", now=LONG_AGO, ref=REF, member_id=MEMBER, birth_date=BORN, trace_number=TRACE, originator_id=TRACE
    )
    body = a_body(successful=[a_path(a_text())], real_time=a_text("0009"))
    body["discoveryPaths"]["successful"][0]["reason"] = INSIDE
    conclude(store, body, now=LONG_AGO)
    conclude(store, {**body, "note": INSIDE}, now=LONG_AGO + 1)
    record(store, "b", now=LONG_AGO, ref=REF)
    pending(store, a_body("b", successful=[a_path(a_text("0002"))]), seq=2, now=LONG_AGO)
    with store.write():
        store.execute(
            "UPDATE tasks SET state = 'abandoned', due_at = NULL, abandoned_at = :at WHERE seq = 2", {"at": LONG_AGO}
        )
        bodies.keep(store, 1, "poll", "unknown_status", f"{KEPT} 1 {NAME}".encode(), LONG_AGO)
        bodies.keep(store, None, "callback", "unusable", f"{KEPT} 2 {NAME}".encode(), LONG_AGO)
    broken = Unreadable(RAW, f"no id in {RAW}", REF)
    record_ids(store, [], [broken], origin="", now=LONG_AGO, schedule=Schedule())
    for name, text in {
        FILE: a_file(_a_set("0003"), _a_set("0004", broken=True)),
        f"whole-{FILE}": f"{NAME} no interchange at all {INSIDE}",
        f"cut-{FILE}": a_text("0005")[:-40],
    }.items():
        given = folder / "given"
        given.write_text(text)
        with given.open("rb") as file:
            report = ingest(store, BatchFile(file, name, "sftp"), LONG_AGO)
            if report.state in ("incomplete", "quarantined"):
                keeping.keep_whole(store.path, file, report.sha256)
        given.unlink()
    with store.write():
        store.execute(
            "INSERT INTO remote_files (name, shown, size, mtime, seen_at, state) VALUES (:b, :n, 1, 1, 1, 'done')",
            {"b": FILE.encode(), "n": FILE},
        )
        store.execute(
            "INSERT INTO notices (code, at, detail) VALUES ('files_lost', :at, :n)", {"at": LONG_AGO, "n": FILE}
        )
        store.execute(
            "INSERT INTO lookups (correlation_id, ref, member_id, recorded_at, state, ended_at)"
            " VALUES (:b, :r, :m, :at, 'found', :at)",
            {"b": NAME, "r": REF, "m": MEMBER, "at": LONG_AGO},
        )
        store.execute(
            "INSERT INTO expected (ref, trace_number, originator_id, member_id, recorded_at)"
            " VALUES (:r, :t, :t, :m, :at)",
            {"r": REF, "t": TRACE, "m": MEMBER, "at": LONG_AGO},
        )
        store.execute("INSERT INTO ways (name, position, began_at) VALUES ('w', 99, 1)")
        store.execute(
            "INSERT INTO deliveries (way, number, result, task, state, next_at, first_at)"
            " SELECT 'w', last, result, 1, 'dead', 1, 1 FROM outbox WHERE result IS NOT NULL LIMIT 1"
        )
        links = f'{{"names": ["{FILE}"], "at": 1}}'
        store.execute("INSERT INTO meta (key, value) VALUES ('sftp_links', :v)", {"v": links})
        store.execute("INSERT INTO meta (key, value) VALUES ('sftp_rounds', :v)", {"v": f'{{"at": {LONG_AGO}}}'})


def plant_files(database: Path) -> None:
    """Copies of the database, and files that were fetched or kept and are not known to it."""
    for name in (".schema-14", ".forgotten-20240101T000000Z", ".forgotten-20240101T000000Z-wal"):
        old(database.with_name(database.name + name), f"{NAME} in a copy".encode())
    snapshot = database.with_name("nightly.sqlite")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(snapshot)) as target:
        source.backup(target)
    for folder, name in ((keeping.INCOMING, "1-fetched"), (keeping.QUARANTINE, hashlib.sha256(b"x").hexdigest())):
        (database.parent / folder).mkdir(exist_ok=True)
        old(database.parent / folder / name, a_text("0007").encode())


def old(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    os.utime(path, (LONG_AGO / 1000, LONG_AGO / 1000))


def found_in(folder: Path, markers: tuple[str, ...] = MARKERS) -> dict[str, list[str]]:
    """By file, the markers whose bytes stand in it or in its name."""
    found = {}
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        content = path.name.encode() + path.read_bytes()
        if there := [one for one in markers if one.encode() in content]:
            found[str(path.relative_to(folder))] = there
    return found

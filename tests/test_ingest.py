"""A batch file in the database: all of it at one moment and never twice, or nothing."""

import gzip
import hashlib
import io
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cdpoll_process import DEADLINE, ROOT, until
from tests.x12_samples import ACTIVE, a_set, group, interchange, subscriber
from worker.core.errors import StorageFailed
from worker.rounds.batch_file import FileReport, Given, ingest, rehearse
from worker.store.batch import batches, keeping, quarantine
from worker.store.batch import rows as batch_rows
from worker.store.batch.lock import IngestLock
from worker.store.db import Store

NOW = 1_800_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "cdpoll.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as opened:
        yield opened


def read(store: Store, content: bytes | str, name: str = "batch.x12", now: int = NOW, dry: bool = False) -> FileReport:
    """Read a file of this content in."""
    file = store.path.parent.parent / "given"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with file.open("rb") as opened:
        return (rehearse if dry else ingest)(store, Given(opened, name, "path"), now)


def elsewhere(path: Path, sql: str, *params: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path, timeout=0)) as conn:
        return conn.execute(sql, params).fetchall()


def member(number: int) -> list[Any]:
    return a_set(subscriber(ACTIVE, member=f"M{number:05d}", last=f"HOLDER{number}"), control=f"{number:04d}")


def batch(*numbers: int, control: str = "000000001") -> str:
    """A file with one set for each number."""
    return interchange(group(*(member(n) for n in numbers)), control=control)


def members(path: Path) -> list[str]:
    """The patients that are seen, as often as they are."""
    return [row[0] for row in elsewhere(path, "SELECT member_id FROM batch_answers ORDER BY member_id")]


EMPTY_TABLES = ("sets", "answers", "results", "envelopes", "candidates")


def rows(path: Path) -> int:
    """How many rows there are that only a file can have brought."""
    return sum(elsewhere(path, f"SELECT count(*) FROM {table}")[0][0] for table in EMPTY_TABLES)


# --- what is stored


def test_every_set_is_stored_byte_for_byte_with_what_it_says(store: Store, path: Path) -> None:
    text = batch(1, 2)
    report = read(store, text)
    assert report.state == "ingested"
    assert (report.counts.interchanges, report.counts.transaction_sets, report.counts.subscribers) == (1, 2, 2)
    assert (report.counts.matched, report.counts.candidates, report.counts.unmatched) == (0, 0, 2)
    assert report.sha256 == hashlib.sha256(text.encode()).hexdigest()
    stored = elsewhere(path, "SELECT raw, byte_offset, byte_length FROM sets ORDER BY seq")
    assert [raw for raw, _, _ in stored] == [text.encode()[offset : offset + length] for _, offset, length in stored]
    assert [raw[:8] + raw[-6:] for raw, _, _ in stored] == [b"ST*271*0*0001~", b"ST*271*0*0002~"]
    (row,) = elsewhere(
        path,
        "SELECT source, coverage, payer, payer_id, member_id, last_name, birth_date, plan, file, id, refs, match"
        " FROM found_coverage WHERE member_id = 'M00001'",
    )
    assert row == (
        "batch", "active", "PLAN OF PLENTY", "PLENTY", "M00001", "HOLDER1", "1970-02-03", "SILVER", "batch.x12",
        None, None, "unmatched",
    )  # fmt: skip
    said = json.loads(elsewhere(path, "SELECT said FROM batch_answers")[0][0])
    assert said["benefits"] == [
        {"code": "1", "text": "active", "service_types": ["30", "88"], "insurance_type": "C1", "plan": "SILVER"}
    ]
    assert said["subscriber"]["first_name"] == "ANN"
    assert said["traces"] == [{"ours": True, "number": "OURS-1", "originator": "9000000001"}]


def test_a_result_of_a_batch_has_no_outcome(store: Store, path: Path) -> None:
    read(store, batch(1))
    ((task, outcome, received_at, body),) = elsewhere(
        path, "SELECT task, outcome, received_at, body FROM results WHERE source = 'batch'"
    )
    assert (task, outcome, received_at) == (None, None, NOW)
    assert json.loads(body)["coverage"] == "active"


@pytest.mark.parametrize("element", ['QUO"TE', "BACK\\SLASH", "\x01\x1f", "É\u2028", "\U0001f600", "\udcff"])
def test_what_an_answer_says_is_json_whatever_is_in_it(store: Store, path: Path, element: str) -> None:
    body = subscriber(ACTIVE, ("MSG", element), last=element, member=element)
    content = interchange(group(a_set(body))).encode("utf-8", "surrogateescape")
    assert read(store, content).state == "ingested"
    said = json.loads(elsewhere(path, "SELECT said FROM batch_answers")[0][0])
    assert said["subscriber"]["last_name"] == said["benefits"][0]["messages"][0]
    assert said["subscriber"]["last_name"] in (element, "ÿ")  # a byte that is no UTF-8 is read as Windows-1252


# --- once


def test_a_known_file_is_known_whatever_its_name(store: Store, path: Path) -> None:
    first = read(store, batch(1, 2))
    before = rows(path)
    again = read(store, batch(1, 2), name="batch.x12_1", now=NOW + 5)
    assert (again.state, again.counts, again.number) == ("known", first.counts, first.number)
    assert rows(path) == before
    assert elsewhere(path, "SELECT name, state FROM files") == [("batch.x12", "ingested")]


def test_a_set_that_another_file_brought_is_counted_and_stored_once(store: Store, path: Path) -> None:
    read(store, batch(1, 2))
    second = read(store, batch(2, 3, control="000000002"), name="second")
    assert (second.state, second.counts.transaction_sets, second.counts.known_sets) == ("ingested", 2, 1)
    assert second.counts.unmatched == 1
    assert members(path) == ["M00001", "M00002", "M00003"]


def test_a_set_twice_in_one_file_is_stored_once(store: Store, path: Path) -> None:
    report = read(store, batch(1, 1, 2))
    assert (report.counts.transaction_sets, report.counts.known_sets, report.counts.unmatched) == (3, 1, 2)
    assert members(path) == ["M00001", "M00002"]


def test_control_numbers_are_no_identity(store: Store, path: Path) -> None:
    one = interchange(group(a_set(subscriber(ACTIVE, member="A"), control="0001")))
    other = interchange(group(a_set(subscriber(ACTIVE, member="B"), control="0001")))
    assert [read(store, text, name=text[:3]).state for text in (one, other)] == ["ingested", "ingested"]
    assert members(path) == ["A", "B"]


def test_other_line_ends_make_another_file_with_the_same_sets(store: Store, path: Path) -> None:
    read(store, batch(1, 2))
    report = read(store, batch(1, 2).replace("~", "~\r\n"), name="wrapped")
    assert (report.state, report.counts.known_sets) == ("ingested", 2)
    assert members(path) == ["M00001", "M00002"]


def test_two_processes_with_the_same_file_store_it_once(tmp_path: Path, path: Path) -> None:
    file = tmp_path / "big.x12"
    file.write_text(batch(*range(1500)))
    Store(path).close()
    crowd = [start(path, file) for _ in range(3)]
    said = sorted(one.communicate(timeout=DEADLINE)[0].decode().strip() for one in crowd)
    assert said == ["ingested 1500", "known 1500", "known 1500"]
    assert len(members(path)) == 1500


# --- broken sets, whole files, cut files


def test_a_broken_set_is_quarantined_alone(store: Store, path: Path) -> None:
    report = read(store, interchange(group(member(1), member(2)[:-1], member(3))))
    assert (report.state, report.counts.transaction_sets, report.counts.quarantined_sets) == ("ingested", 2, 1)
    assert members(path) == ["M00001", "M00003"]
    (held,) = quarantine.listed(store)["sets"]
    assert (held["code"], held["control"], held["issues"][0]["code"]) == ("271", "0002", "se_missing")
    assert b"M00002" in quarantine.set_bytes(store, int(held["number"][1:]))
    again = read(store, interchange(group(member(4), member(2)[:-1], control="9")), name="again")
    assert again.counts.quarantined_sets == 0
    assert len(quarantine.listed(store)["sets"]) == 1


def test_a_wrong_count_is_a_warning_beside_an_accepted_set(store: Store, path: Path) -> None:
    report = read(store, interchange(group(a_set(count="99"), a_set(control="0002", count="98"))))
    assert [(one.code, one.message) for one in report.warnings] == [
        ("se_count", "SE01 is not the number of segments in the set. (2 times, first in set 1)")
    ]
    assert json.loads(elsewhere(path, "SELECT warnings FROM files")[0][0])[0]["code"] == "se_count"


def test_a_file_cut_anywhere_stores_nothing_and_is_read_when_it_is_whole(store: Store, path: Path) -> None:
    whole = batch(1, 2, 3).encode()
    for end in (*range(140), *range(140, len(whole) - 1, 13), *range(len(whole) - 20, len(whole) - 2)):
        report = read(store, whole[:end], name="cut.x12", now=NOW + end)
        assert report.state == "incomplete", end
        assert report.reason
        assert rows(path) == 0, end
    assert elsewhere(path, "SELECT state, first_at FROM files") == [("incomplete", NOW)]
    assert read(store, whole, name="cut.x12").state == "ingested"
    assert elsewhere(path, "SELECT state FROM files") == [("ingested",)]
    assert members(path) == ["M00001", "M00002", "M00003"]


def test_a_cut_file_of_many_transactions_stores_nothing(store: Store, path: Path) -> None:
    whole = batch(*range(1000))
    assert read(store, whole[:-30]).state == "incomplete"
    assert rows(path) == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"error": "no"}', "JSON"),
        (b"<html><body>sorry</body></html>", "HTML"),
        (b"-----BEGIN PGP MESSAGE-----\n\nabc", "PGP"),
        (b"\x85\x01\x0c\x03", "PGP"),
        (b"hello", "68 65 6c 6c"),
        (b"ST*271*0001~BHT*0022*11~SE*3*0001~", "ISA"),
    ],
)
def test_a_file_that_is_no_batch_is_kept_whole(store: Store, path: Path, content: bytes, says: str) -> None:
    report = read(store, content)
    assert report.state == "quarantined"
    assert says in (report.reason or "")
    kept = keeping.kept_path(path, report.sha256)
    assert kept.read_bytes() == content
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert read(store, content, name="again").state == "quarantined"
    assert elsewhere(path, "SELECT count(*) FROM files") == [(1,)]


def test_a_file_without_a_271_is_skipped_with_the_reason(store: Store, path: Path) -> None:
    report = read(store, interchange(group(a_set([("AK1", "HS", "7")], code="999"), code="FA")))
    assert (report.state, report.reason) == ("skipped", "The file holds no 271: 1 of 999.")
    assert rows(path) == 0
    mixed = interchange(group(member(1)), group(a_set([("AK1", "HS", "7")], code="999"), code="FA"))
    both = read(store, mixed, name="mixed")
    assert (both.state, both.counts.transaction_sets, both.counts.other_sets) == ("ingested", 1, 1)


def acknowledged(*segments: tuple[str, ...], code: str = "999") -> str:
    return interchange(group(a_set([("AK1", "HS", "7"), *segments], code=code), code="FA"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (acknowledged(("AK9", "A", "1", "1", "1")), "1 of 999 (accepted)"),
        (acknowledged(("IK5", "R", "5"), ("AK9", "R", "1", "1", "0")), "1 of 999 (rejected)"),
        (acknowledged(("IK5", "A"), ("IK5", "R", "5"), ("AK9", "P", "2", "2", "1")), "1 of 999 (partly accepted)"),
        (acknowledged(("IK5", "A"), ("IK5", "R", "5")), "1 of 999 (partly accepted)"),
        (acknowledged(("AK5", "E", "5"), ("AK9", "E", "1", "1", "1"), code="997"), "1 of 997 (accepted with errors)"),
        (acknowledged(("AK9", "?")), "1 of 999"),
        (acknowledged(("AK9",)), "1 of 999"),
        (interchange([("TA1", "000000001", "260304", "0930", "R", "006")], count="0"), "1 TA1 (rejected)"),
        (
            interchange(
                [("TA1", "000000001", "260304", "0930", "A", "000")],
                [("TA1", "000000002", "260304", "0930", "R", "006")],
                [("TA1", "000000003", "260304", "0930", "A", "000"), ("TA1", "000000004")],
                count="0",
            ),
            "1 TA1, 2 TA1 (accepted), 1 TA1 (rejected)",
        ),
        (interchange(group(a_set([("BPR", "R")], code="835"), code="HP")), "1 of 835"),
    ],
)
def test_the_reason_of_a_skipped_file_says_what_was_acknowledged(store: Store, text: str, says: str) -> None:
    for content in (text, text.replace("~", "~\r\n")):
        report = read(store, content)
        assert (report.state, report.reason) == ("skipped", f"The file holds no 271: {says}.")


def test_a_file_that_ends_in_a_long_segment_without_end_may_still_be_on_its_way(store: Store, path: Path) -> None:
    whole = interchange(
        group(member(1), a_set(subscriber(ACTIVE, ("MSG", "A" * 1_200_000)), control="0002"), member(3))
    )
    cut = whole[: whole.index("A" * 1000) + 1_100_000]
    report = read(store, cut, name="x")
    assert (report.state, rows(path)) == ("incomplete", 0)
    assert "longer than any real one" in (report.reason or "")
    assert not keeping.kept_path(path, report.sha256).exists()
    report = read(store, whole, name="x")
    assert (report.state, report.counts.transaction_sets, report.counts.quarantined_sets) == ("ingested", 2, 1)
    assert members(path) == ["M00001", "M00003"]


def test_packed_files_are_read_like_others(store: Store, path: Path) -> None:
    assert read(store, gzip.compress(batch(1).encode()), name="a.gz").counts.transaction_sets == 1
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("one", batch(2))
        archive.writestr("two", batch(3))
    report = read(store, packed.getvalue(), name="b.zip")
    assert (report.state, report.counts.interchanges, report.counts.transaction_sets) == ("ingested", 2, 2)
    assert read(store, gzip.compress(batch(4).encode())[:-12], name="c.gz").state == "incomplete"
    nested = read(store, gzip.compress(gzip.compress(b"x")), name="d.gz")
    assert nested.state == "quarantined"
    assert members(path) == ["M00001", "M00002", "M00003"]


LITTER: dict[str, bytes | str] = {
    "__MACOSX/._batch.x12": b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X",
    ".DS_Store": b"\x00\x00\x00\x01Bud1",
    "readme.txt": "This folder holds the answers of today.",
    "empty": b"",
    "manifest.json": "{}",
}


def zipped(**files: bytes | str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def test_what_is_no_x12_in_a_zip_is_passed_over_with_a_warning(store: Store, path: Path) -> None:
    for dry in (True, False):
        report = read(store, zipped(**LITTER, one=batch(1), two=batch(2)), dry=dry)
        assert (report.state, report.counts.transaction_sets, report.reason) == ("ingested", 2, None)
        (warning,) = report.warnings
        assert warning.code == "members_passed_over"
        assert warning.message.endswith("(5 of them; member 1 is no X12; it begins with the bytes 00 05 16 07)")
    assert members(path) == ["M00001", "M00002"]


def test_a_zip_with_nothing_in_x12_waits_for_a_person(store: Store, path: Path) -> None:
    for files in (LITTER, {"empty": b""}):
        report = read(store, zipped(**files), name="x.zip")
        assert (report.state, report.warnings[0].code) == ("quarantined", "members_passed_over")
        assert (report.reason or "").startswith("Nothing in the zip is X12; member 1 is ")
        assert keeping.kept_path(path, report.sha256).exists()


@pytest.mark.parametrize(
    ("member", "says"),
    [
        (b"-----BEGIN PGP MESSAGE-----\n\nabc", "Member 2 is encrypted with PGP"),
        (b"ST*271*0001~BHT*0022*11~SE*3*0001~", "Member 2 begins with ST"),
        (gzip.compress(b"x"), "another packed file"),
    ],
)
def test_a_member_that_may_hold_answers_is_not_passed_over(store: Store, path: Path, member: bytes, says: str) -> None:
    report = read(store, zipped(one=batch(1), two=member, three=batch(2)))
    assert report.state == "quarantined"
    assert says in (report.reason or "")
    assert members(path) == []


def test_a_member_that_is_cut_short_makes_its_zip_incomplete(store: Store, path: Path) -> None:
    report = read(store, zipped(**LITTER, one=batch(1), two=batch(2)[:-30]))
    assert (report.state, (report.reason or "")[:9]) == ("incomplete", "Member 7:")
    assert members(path) == []


def test_a_file_that_changes_while_it_is_read_is_incomplete(store: Store, path: Path, tmp_path: Path) -> None:
    file = tmp_path / "growing"
    file.write_text(batch(1))

    def grow(at: int, size: int) -> None:
        with file.open("ab") as more:
            more.write(b"\n")

    with file.open("rb") as opened:
        report = ingest(store, Given(opened, "growing", "path"), NOW, progress=grow)
    assert report.state == "incomplete"
    assert rows(path) == 0


# --- a rehearsal


def test_a_rehearsal_counts_the_same_and_writes_nothing(store: Store, path: Path) -> None:
    read(store, batch(1))
    before = elsewhere(path, "SELECT count(*) FROM files"), rows(path)
    text = interchange(group(member(1), member(2), member(2), member(3)[:-1], a_set(count="9", control="4")))
    said = read(store, text, dry=True)
    assert (elsewhere(path, "SELECT count(*) FROM files"), rows(path)) == before
    done = read(store, text)
    assert (said.state, said.counts, said.warnings) == (done.state, done.counts, done.warnings)
    for other in (b"{}", b"ISA*00", interchange(group(a_set([], code="999"), code="FA")).encode()):
        dry = read(store, other, dry=True, name="x")
        assert not keeping.kept_path(path, dry.sha256).exists()
        assert dry.state == read(store, other, name="x").state


# --- nobody is held up, and nothing is seen before its time


def watched(store: Store, monkeypatch: pytest.MonkeyPatch, seen: Callable[[], None]) -> list[int]:
    """Rows written by each transaction; ``seen`` is called at the end of each, after its commit."""
    sizes: list[int] = []
    write = Store.write

    class Watch:
        def __init__(self) -> None:
            self.inner = write(store)

        def __enter__(self) -> None:
            self.before = store.conn.total_changes
            self.inner.__enter__()

        def __exit__(self, *error: Any) -> Any:
            out = self.inner.__exit__(*error)
            sizes.append(store.conn.total_changes - self.before)
            seen()
            return out

    monkeypatch.setattr(Store, "write", lambda _self: Watch())
    return sizes


def test_transactions_are_small_and_the_file_appears_at_one_moment(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments: list[int] = []
    # A polling process writes and reads between any two transactions, and waits for nobody.
    with Store(path, timeout=0.05) as poller:
        poll = Store.write

        def seen() -> None:
            moments.append(len(members(path)))
            with poll(poller):
                poller.execute("INSERT INTO meta (key, value) VALUES (:n, '')", {"n": f"poll {len(moments)}"})

        sizes = watched(store, monkeypatch, seen)
        read(store, batch(*range(2000)))
    # Each answer is a row of results and one of answers, each set one of its own; and one is drawn for its number.
    assert max(sizes) <= 3 * batches.ROWS + 10
    assert len(sizes) > 8
    assert moments == [0] * (len(sizes) - 1) + [2000]


def test_a_set_of_many_patients_is_spread_over_transactions(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patients = [
        segment
        for n in range(2000)
        for segment in (
            ("HL", str(n + 3), "2", "22", "0"),
            ("NM1", "IL", "1", "X", "Y", "", "", "", "MI", f"P{n:05d}"),
            ACTIVE,
        )
    ]
    head = subscriber()[:5]
    sizes = watched(store, monkeypatch, lambda: None)
    report = read(store, interchange(group(a_set([*head, *patients]))))
    assert (report.counts.transaction_sets, report.counts.subscribers, report.counts.unmatched) == (1, 2000, 2000)
    assert max(sizes) <= 3 * batches.ROWS + 10
    assert len(set(members(path))) == 2000
    again = read(store, interchange(group(a_set([*head, *patients]), control="77")))
    assert (again.counts.known_sets, again.counts.unmatched) == (1, 0)
    assert len(members(path)) == 2000


READ = """
import sys
from pathlib import Path
from worker.rounds.batch_file import Given, ingest
from worker.store.db import Store

with Store(sys.argv[1]) as store, Path(sys.argv[2]).open("rb") as file:
    report = ingest(store, Given(file, "big", "path"), 1_800_000_000_000)
    print(report.state, report.counts.transaction_sets, flush=True)
"""


def start(path: Path, file: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", READ, str(path), str(file)], stdout=subprocess.PIPE, cwd=ROOT, stdin=subprocess.DEVNULL
    )


def test_kill_9_in_the_middle_leaves_nothing_that_is_seen_and_the_next_reading_removes_it(
    tmp_path: Path, path: Path
) -> None:
    file = tmp_path / "big.x12"
    file.write_text(batch(*range(3000)))
    Store(path).close()
    chance = random.Random(271)
    staged = 0
    for _ in range(6):
        some = chance.randint(1, 2400)
        with start(path, file) as process:
            until(lambda: elsewhere_patiently(path)[0] >= some, "so many sets are staged")  # noqa: B023
            os.kill(process.pid, signal.SIGKILL)
        count, files = elsewhere_patiently(path)
        staged += count > 0 and files == 1
        assert members(path) == []
        assert elsewhere(path, "SELECT count(*) FROM found_coverage") == [(0,)]
        assert elsewhere(path, "SELECT count(*) FROM kept_results") == [(0,)]
    assert staged == 6
    with start(path, file) as process:
        assert process.communicate(timeout=DEADLINE)[0] == b"ingested 3000\n"
    assert members(path) == [f"M{n:05d}" for n in range(3000)]
    assert elsewhere(path, "SELECT count(*) FROM sets") == [(3000,)]
    assert elsewhere(path, "SELECT count(*) FROM files") == [(1,)]
    assert elsewhere(path, "PRAGMA integrity_check") == [("ok",)]
    assert elsewhere(path, "PRAGMA foreign_key_check") == []


def elsewhere_patiently(path: Path) -> tuple[int, int]:
    with closing(sqlite3.connect(path, timeout=30)) as conn:
        return conn.execute("SELECT (SELECT count(*) FROM sets), (SELECT count(*) FROM files)").fetchone()  # type: ignore[no-any-return]


def test_leftovers_are_removed_in_small_transactions(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = batches.Staging.finish
    monkeypatch.setattr(batches.Staging, "finish", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        read(store, batch(*range(1200)))
    monkeypatch.setattr(batches.Staging, "finish", finish)
    assert rows(path) > 3600
    sizes = watched(store, monkeypatch, lambda: None)
    with IngestLock(path, "file", wait=True):
        assert batches.remove_leftovers(store) == 1
    assert max(sizes) <= 2 * batches.ROWS  # a result takes its answer with it
    assert rows(path) == 0
    assert elsewhere(path, "SELECT count(*) FROM files") == [(0,)]


def test_a_number_of_a_result_is_never_used_again(store: Store, path: Path) -> None:
    read(store, batch(1))
    ((first,),) = elsewhere(path, "SELECT max(seq) FROM results")
    with store.write():
        store.execute("DELETE FROM results")
    read(store, batch(2), name="second")
    assert elsewhere(path, "SELECT min(seq) > ? FROM results", first) == [(1,)]


def test_a_full_disk_shows_nothing_of_the_file(store: Store, path: Path) -> None:
    from tests.cdpoll_process import small_files

    size = path.stat().st_size
    with small_files(size + 400_000), pytest.raises(StorageFailed):
        read_in_place(store, batch(*range(2000)))
    assert members(path) == []
    assert read(store, batch(*range(2000))).state == "ingested"
    assert len(members(path)) == 2000


def read_in_place(store: Store, text: str) -> FileReport:
    """As :func:`read`, from memory that counts as a file."""
    fd = os.memfd_create("batch")
    with os.fdopen(fd, "w+b", closefd=True) as file:
        view = memoryview(text.encode())
        while view:
            view = view[os.write(fd, view[:200_000]) :]
        file.seek(0)
        return ingest(store, Given(file, "big", "path"), NOW)


def test_the_counts_are_those_of_the_module_that_keeps_them() -> None:
    assert set(quarantine._COUNTS.split(", ")) == set(batch_rows.Counts.__slots__)

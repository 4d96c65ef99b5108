"""Packed batch files: read like others, and what is no X12 in a zip is passed over unless it may hold answers."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pytest

from tests.support.batch_files import batch, members, read, zipped
from worker.store.batch import keeping
from worker.store.db.store import Store


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


def test_what_is_no_x12_in_a_zip_is_passed_over_with_a_warning(store: Store, path: Path) -> None:
    for dry in (True, False):
        report = read(store, zipped(**LITTER, one=batch(1), two=batch(2)), dry=dry)
        assert (report.state, report.counts.transaction_sets, report.reason) == ("ingested", 2, None)
        (warning,) = report.warnings
        assert warning.code == "members_passed_over"
        assert warning.message.endswith("(5 of them; member 1 is not X12; it begins with the bytes 00 05 16 07)")
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
        (b"ST*271*0001~BHT*0022*11~SE*3*0001~", "Member 2 is X12 without an ISA"),
        (gzip.compress(b"x", mtime=0), "another packed file"),
        (bz2.compress(batch(3).encode()), "Member 2 is packed with bzip2: unpack it first"),
        (lzma.compress(batch(3).encode()), "Member 2 is packed with xz: unpack it first"),
        (batch(3).replace("ISA*", "lSA*").encode(), "Member 2 holds X12, but no ISA that can be read"),
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

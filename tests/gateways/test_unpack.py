"""What is inside gzip and zip files, and every way in which unpacking is refused before it does harm."""

import gzip
import io
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.gateways.unpack import CAPS, Caps, NotUnpacked, members

X12 = (
    b"ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260101*1200*^*00501*000000001*0*P*:~"
    b"GS*HB*S*R*20260101*1200*1*X*005010X279A1~ST*271*0001~SE*2*0001~GE*1*1~IEA*1*000000001~"
)
FAR = 40 * X12


def zipped(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return out.getvalue()


def unpacked(data: bytes, caps: Caps = CAPS, size: int = 1000) -> list[tuple[str | None, str, bytes]]:
    found: list[tuple[str | None, str, bytes]] = []
    for member in members(io.BytesIO(data), caps):
        content = b""
        while piece := member.stream.read(size):
            assert len(piece) <= max(size, 4096)
            content += piece
        assert content.startswith(member.head)
        found.append((member.name, member.kind, content))
    return found


def refusal(data: bytes, caps: Caps = CAPS) -> str:
    with pytest.raises(NotUnpacked) as caught:
        unpacked(data, caps)
    assert caught.value.reason.endswith(".")
    assert str(caught.value) == caught.value.reason
    return caught.value.code


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (X12, "x12"),
        (b"", "empty"),
        (b"-----BEGIN PGP MESSAGE-----\n\n", "pgp"),
        (b"\x85\x01\x0c\x03", "pgp"),
        (b"\xff\xfeh\0i\0", "utf16"),
        (b"<?xml version='1.0'?><a/>", "xml"),
        (b"<html><body>Login</body></html>", "html"),
        (b'{"error": "x"}', "json"),
        (b"hello", "unknown"),
    ],
)
def test_what_is_not_packed_is_its_own_member_also_inside(data: bytes, kind: str) -> None:
    assert unpacked(data) == [(None, kind, data)]
    assert unpacked(gzip.compress(data)) == [(None, kind, data)]
    assert unpacked(zipped(("a", data), ("b", X12))) == [("a", kind, data), ("b", "x12", X12)]


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=4), st.integers(0, 600), st.integers(1, 5000))
def test_parts_of_a_gzip_are_one_text_and_zeros_may_follow(parts: list[bytes], zeros: int, size: int) -> None:
    text = X12 + b"".join(parts)
    data = gzip.compress(X12) + b"".join(map(gzip.compress, parts)) + bytes(zeros)
    assert unpacked(data, size=size) == [(None, "x12", text)]


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=4), st.sampled_from([0, 8]), st.integers(1, 5000))
def test_entries_of_a_zip_come_in_order(contents: list[bytes], method: int, size: int) -> None:
    entries = [(f"{number}.x12", X12 + content) for number, content in enumerate(contents)]
    assert unpacked(zipped(*entries, method=method), size=size) == [(name, "x12", data) for name, data in entries]


def test_folders_and_comments_are_no_members() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.comment = b"PK\x05\x06 not the end"[:3] + b"c" * 1000
        archive.mkdir("folder")
        archive.writestr("folder/../../etc/a\n.x12", X12)
    assert unpacked(out.getvalue()) == [("folder/../../etc/a\\n.x12", "x12", X12)]


@pytest.mark.parametrize("packed", [gzip.compress(FAR), zipped(("a.x12", FAR)), zipped(("a", FAR), method=0)])
def test_a_file_cut_short_anywhere_never_looks_whole(packed: bytes) -> None:
    for length in range(4, len(packed)):
        assert refusal(packed[:length]) in {"cut_short", "damaged"}
    assert refusal(packed[:-1]) == "cut_short"


@pytest.mark.parametrize("packed", [gzip.compress(FAR), zipped(("a.x12", FAR)), zipped(("a", FAR), method=0)])
def test_a_changed_byte_is_never_another_text(packed: bytes) -> None:
    for position in range(len(packed)):
        changed = bytearray(packed)
        changed[position] ^= 0x20
        try:
            texts = [content for _, _, content in unpacked(bytes(changed))]
        except NotUnpacked:
            continue
        # What no check covers (a name, a time), or what makes it no packed file any more.
        assert texts in ([FAR], [bytes(changed)])


def encrypted() -> bytes:
    data = bytearray(zipped(("a", X12)))
    data[6] |= 1
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def claiming(size: int) -> bytes:
    data = bytearray(zipped(("a", X12)))
    data[data.rfind(b"PK\x01\x02") + 24 :][:4] = b""
    at = data.rfind(b"PK\x01\x02") + 24
    data[at : at + 4] = struct.pack("<I", size)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (zipped(("inner.zip", zipped(("a", X12)))), "nested"),
        (zipped(("inner.gz", gzip.compress(X12))), "nested"),
        (gzip.compress(gzip.compress(X12)), "nested"),
        (gzip.compress(zipped(("a", X12))), "nested"),
        (zipped(), "nothing"),
        (encrypted(), "encrypted"),
        (zipped(("a", X12), method=zipfile.ZIP_BZIP2), "method"),
        (zipped(("a", X12), method=zipfile.ZIP_LZMA), "method"),
        (gzip.compress(X12) + b"more", "damaged"),
        (claiming(len(X12) - 1), "damaged"),
        (claiming(len(X12) + 1), "damaged"),
        (zipped(*((str(number), b"") for number in range(1001))), "too_many"),
    ],
)
def test_refused(data: bytes, code: str) -> None:
    assert refusal(data) == code


def test_the_caps_hold_over_all_members() -> None:
    caps = Caps(count=3, size=3 * len(FAR), ratio=50, floor=2 * len(FAR))
    three = [(name, FAR) for name in "abc"]
    stored = zipped(*three, method=0)
    assert len(unpacked(stored, caps)) == 3
    assert refusal(zipped(*three, ("d", b""), method=0), caps) == "too_many"
    assert refusal(zipped(*three[:2], ("c", FAR + b"x"), method=0), caps) == "too_large"
    assert refusal(gzip.compress(3 * FAR), caps) == "ratio"
    assert len(unpacked(gzip.compress(2 * FAR), caps)) == 1


def test_a_bomb_is_refused_in_flat_memory() -> None:
    zeros = bytes(80 * 1024**2)
    for data in (gzip.compress(zeros, 1), zipped(("a", zeros))):
        tracemalloc.start()
        try:
            code = drained(data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert code == "ratio"
        assert peak < 4 * 1024**2


def written_as_zip64(data: bytes, count: int, size: int, *, short_count: int, short_size: int) -> bytes:
    """A zip whose last record says one thing of the directory, and the one of zip64 before it another."""
    at = data.rfind(b"PK\x05\x06")
    offset = int.from_bytes(data[at + 16 : at + 20], "little")
    end64 = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, at, 1)
    last = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, short_count, short_count, short_size, offset, 0)
    return data[:at] + end64 + locator + last


def directory_of(data: bytes) -> int:
    at = data.rfind(b"PK\x05\x06")
    return int.from_bytes(data[at + 12 : at + 16], "little")


def test_a_zip64_with_few_files_is_read() -> None:
    data = zipped(("a", X12), ("b", X12))
    # Some writers leave all ones in the last record, others the true values.
    for short_count, short_size in ((0xFFFF, 0xFFFFFFFF), (2, directory_of(data))):
        packed = written_as_zip64(data, 2, directory_of(data), short_count=short_count, short_size=short_size)
        assert [name for name, _, _ in unpacked(packed)] == ["a", "b"]


@pytest.mark.parametrize("short", [(1, 46), (0xFFFF, 0xFFFFFFFF), (0, 0)])
def test_how_much_a_zip_holds_is_not_taken_from_what_it_says(short: tuple[int, int]) -> None:
    many = zipped(*((f"{number:060}", b"") for number in range(40_000)), method=zipfile.ZIP_STORED)
    size = directory_of(many)
    few = many[: many.rfind(b"PK\x05\x06")] + struct.pack(
        "<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, size, len(many) - 22 - size, 0
    )
    for data in (few, written_as_zip64(many, 1, size, short_count=short[0], short_size=short[1])):
        tracemalloc.start()
        try:
            assert refusal(data) == "too_many"
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 4 * 1024**2


@pytest.mark.parametrize("size", [2**31, 2**62, 2**64 - 1])
def test_a_directory_said_to_be_larger_than_the_file_is_damage(size: int) -> None:
    data = zipped(("a", X12))
    assert refusal(written_as_zip64(data, 1, size, short_count=1, short_size=46)) == "damaged"


def drained(data: bytes) -> str | None:
    """Read everything and keep nothing; the code of the refusal, if there was one."""
    try:
        for member in members(io.BytesIO(data)):
            while member.stream.read(65536):
                pass
    except NotUnpacked as refused:
        return refused.code
    return None


def test_a_file_on_disk_is_left_where_it_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(X12))
    file: BinaryIO
    with path.open("rb") as file:
        for _ in range(2):
            file.seek(0)
            assert [member.stream.read(10_000)[:3] for member in members(file)] == [b"ISA"]

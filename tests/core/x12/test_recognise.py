"""What kind of file a file is, by its first bytes."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from base64 import b64encode, encodebytes, urlsafe_b64encode

import pytest

from tests.support.x12_samples import a_file, a_set, wrapped
from worker.core.x12.recognise import first_bytes, recognise

PLAIN = a_file()
BARE = "~".join("*".join(segment) for segment in a_set()) + "~"


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.271", PLAIN)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("a.271")
        entry.size = len(PLAIN)
        archive.addfile(entry, io.BytesIO(PLAIN.encode()))
    return out.getvalue()


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (PLAIN.encode(), "x12"),
        (PLAIN.encode()[:20], "x12"),
        (a_file(isa={16: "A"}).encode(), "x12"),
        (PLAIN.lower().encode(), "x12"),
        (wrapped(PLAIN, 2).encode(), "x12"),
        (b"\xef\xbb\xbf\r\n " + PLAIN.encode(), "x12"),
        (b"Subject: batch\n\n" + PLAIN.encode(), "x12"),
        (b"[batch]\n" + PLAIN.encode(), "x12"),
        (PLAIN.encode("utf-16"), "x12"),
        (PLAIN.encode("utf-16-le"), "x12"),
        (PLAIN.encode("utf-16-be"), "x12"),
        ("hello".encode("utf-16"), "utf16"),
        (BARE.encode(), "x12_bare"),
        (PLAIN[PLAIN.index("GS*") :].encode(), "x12_bare"),
        (PLAIN[PLAIN.index("GS*") :].replace("*", "|").encode("utf-16"), "x12_bare"),
        (PLAIN[PLAIN.index("BHT*") :].encode(), "x12_bare"),
        (PLAIN[PLAIN.index("NM1*IL") :].lower().encode(), "x12_bare"),
        (PLAIN.replace("ISA*", "ISA *").encode(), "isa_unreadable"),
        (PLAIN.replace("ISA*00*", "ISA*").encode(), "isa_unreadable"),
        (PLAIN.replace("~", "~\\r\\n").encode(), "escaped"),
        (PLAIN.replace("~", "\\n").encode(), "escaped"),
        (b'"' + PLAIN.replace("~", "~\\n").encode() + b'"', "escaped"),
        (b'"' + PLAIN.encode() + b'"', "x12"),
        (PLAIN.replace("*", "%2A").encode(), "form"),
        (b"payload=" + PLAIN.replace("*", "%2a").encode(), "form"),
        (b"", "empty"),
        (b"\r\n\x00\x1a", "empty"),
        (zipped(), "zip"),
        (gzip.compress(PLAIN.encode()), "gzip"),
        (b"-----BEGIN PGP MESSAGE-----\n\nhQEM", "pgp"),
        (b"\x84\x8c\x03\x01", "pgp"),
        (b"\x85\x01\x0c\x03", "pgp"),
        (b"\xc1\xc0\x4c\x03", "pgp"),
        (b"<?xml version='1.0'?><Error/>", "xml"),
        (b"<!DOCTYPE html><title>Sign in</title>", "html"),
        (b"\n<HTML>", "html"),
        (b'{"error": "not found"}', "json"),
        (b'["not found"]', "json"),
        (b'{"x12-271": "' + PLAIN.encode() + b'"}', "json"),
        (b'[\n {"id": "a", "x12-271": "' + PLAIN.encode() + b'"}]', "json"),
        (PLAIN.encode("cp037"), "ebcdic"),
        (b"Content-Transfer-Encoding: quoted-printable\n\n" + PLAIN.encode(), "mail"),
        (b"MIME-Version: 1.0\r\ncontent-transfer-encoding: BASE64\r\n\r\nSVNBKjAw", "mail"),
        (PLAIN.encode() + b"\nContent-Transfer-Encoding: base64\n", "x12"),
        (b"Content-Transfer-Encoding: 8bit\n\n" + PLAIN.encode(), "x12"),
        (PLAIN.replace("~", "&#xA;").replace("ISA", "<X>ISA").encode("utf-16"), "xml"),
        ("<X/>".encode("utf-16-le"), "xml"),
        ('{"a": 1}'.encode("utf-16-be"), "json"),
        (b64encode(PLAIN.encode()), "base64"),
        (encodebytes(PLAIN.encode()), "base64"),
        (encodebytes(PLAIN.encode()).replace(b"\n", b"\r\n"), "base64"),
        (b"\xef\xbb\xbf" + b64encode(PLAIN.encode()), "base64"),
        (b64encode(PLAIN.encode()).decode().encode("utf-16"), "base64"),
        (b64encode(PLAIN.encode("utf-16")), "base64"),
        (urlsafe_b64encode(PLAIN.replace("HOLDER", "H\xf6\xff\xfe").encode("latin-1")), "base64"),
        (b"data:application/edi-x12;base64," + b64encode(PLAIN.encode()), "base64"),
        (b'"' + b64encode(PLAIN.encode()) + b'"', "base64"),
        (b64encode(zipped()), "base64"),
        (b64encode(gzip.compress(PLAIN.encode())), "base64"),
        (encodebytes(b"%PDF-1.7 and more of what nobody knows here, 0 to 9"), "base64"),
        (b64encode(b64encode(PLAIN.encode())), "base64"),
        (b"\x89PNG\r\n\x1a\n", "unknown"),
        (lzma.compress(PLAIN.encode()), "packed"),
        (bz2.compress(PLAIN.encode()), "packed"),
        (zlib.compress(PLAIN.encode()), "packed"),
        (tarred(), "packed"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04", "packed"),
        (b"Rar!\x1a\x07\x01\x00", "packed"),
        (b"\x28\xb5\x2f\xfd\x04\x00", "packed"),
        (b"NARCISA and company", "unknown"),
        (b"plain words", "unknown"),
        (b"Words", "unknown"),
        (b"Le: one, two: and le: three", "unknown"),
        (b"St. John. The Elder.", "unknown"),
        (b"Isa - what it is - and when", "unknown"),
        (b"PDFs about this and that and what else there is in this long line of words without an end", "unknown"),
    ],
)
def test_kinds(head: bytes, kind: str) -> None:
    assert recognise(head) == kind


def test_the_first_bytes_for_a_reason() -> None:
    assert first_bytes(b"%PDF-1.7") == "25 50 44 46"

"""What is told of a file that is not read: what it is, and what a person can do. X12 inside is never denied."""

import gzip
import json
from base64 import b64encode, encodebytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.batch_files import batch, members, read, zipped
from tests.support.examples import examples
from worker.core.x12.recognise import HEAD_BYTES, recognise
from worker.rounds.ingest.refusal import PassedOver, refusal
from worker.store.db.store import Store

X12 = batch(1)
SOAP = '<?xml version="1.0"?>\n<s:Envelope xmlns:s="urn:x"><s:Body><Payload>{}</Payload></s:Body></s:Envelope>'
UNWRAP = "unwrap it and hand in the X12 alone."
WHOLE = "hand in the whole interchange, from ISA to IEA."
SENT_ANEW = "have the file sent anew."


def behind_isa(name: str) -> str:
    return X12[X12.index(f"{name}*") :]


REASONS = [
    (SOAP.format(X12), f"The file is XML (a SOAP envelope) with X12 inside: {UNWRAP}"),
    (SOAP.format(f"<![CDATA[{X12}]]>"), f"The file is XML (a SOAP envelope) with X12 inside: {UNWRAP}"),
    (SOAP.format(X12).encode("utf-16"), f"The file is XML (a SOAP envelope) with X12 inside: {UNWRAP}"),
    (SOAP.format(X12).encode("utf-16-le"), f"The file is XML (a SOAP envelope) with X12 inside: {UNWRAP}"),
    (SOAP.format(X12).encode("utf-16-be"), f"The file is XML (a SOAP envelope) with X12 inside: {UNWRAP}"),
    (gzip.compress(SOAP.format(X12).encode()), f"The file is XML (a SOAP envelope) with X12 inside: {UNWRAP}"),
    (f"<a>{X12.replace('*', '&#42;')}</a>", f"The file is XML with X12 inside: {UNWRAP}"),
    (f"<a>{X12.replace('*', '&#x1D;')}</a>", f"The file is XML with X12 inside: {UNWRAP}"),
    (f"<a>{X12.replace('*', '&amp;')}</a>", f"The file is XML with X12 inside: {UNWRAP}"),
    (SOAP.format(b64encode(X12.encode()).decode()), "XML (a SOAP envelope) with X12 in base64 inside: unwrap"),
    (f"<a>{encodebytes(gzip.compress(X12.encode())).decode()}</a>", "is XML with a gzip file in base64 inside: unwrap"),
    (f"<a>{behind_isa('ST')}</a>", "The file is XML with X12 without an ISA inside: unwrap"),
    ("<a>not found</a>", f"The file is XML, not X12: if X12 stands inside, {UNWRAP}"),
    (f"<html><pre>{X12}</pre>", f"The file is a page in HTML with X12 inside: {UNWRAP}"),
    ("<html>Sign in</html>", "The file is a page in HTML, not X12: perhaps an error page in place of the file."),
    (json.dumps({"a": {"raw": X12}}), f"The file is JSON with X12 inside: {UNWRAP}"),
    (json.dumps([X12.replace("*", "\x1d")]), f"The file is JSON with X12 inside: {UNWRAP}"),
    (json.dumps([X12.replace("~", "~\r\n")]), f"The file is JSON with X12 inside: {UNWRAP}"),
    (json.dumps([b64encode(X12.encode()).decode()]), f"The file is JSON with X12 in base64 inside: {UNWRAP}"),
    (json.dumps(X12.replace("~", "~\n")), "The file is X12 with \\n or \\r in two characters in place of line ends"),
    (encodebytes(X12.encode()), "The file is base64 with X12 inside: decode it and hand in what comes out."),
    (b"data:;base64," + b64encode(X12.encode()), "The file is base64 with X12 inside: decode it"),
    (b64encode(zipped(a=X12)), "The file is base64 with a zip file inside: decode it"),
    (b64encode(SOAP.format(X12).encode()), "The file is base64 with XML inside: decode it"),
    (gzip.compress(b64encode(X12.encode())), "The file is base64 with X12 inside: decode it"),
    (encodebytes(bytes(range(90))), "The file is base64: decode it and hand in what comes out."),
    (behind_isa("GS"), f"The file is X12 without an ISA (it begins with the segment GS): {WHOLE}"),
    (behind_isa("ST"), f"The file is X12 without an ISA (it begins with the segment ST): {WHOLE}"),
    (behind_isa("BHT"), f"The file is X12 without an ISA (it begins with the segment BHT): {WHOLE}"),
    (behind_isa("GS").encode("utf-16-le"), "The file is X12 without an ISA (it begins with the segment GS)"),
    (
        X12.replace("ISA*", "ISA *"),
        "The file begins with an ISA that has a blank before its separator: take out",
    ),
    (X12.replace("*", "|").replace("ISA|", "isa  |"), "The file begins with an ISA that has a blank"),
    (X12.replace("ISA*00*", "ISA*"), "The file begins with an ISA that does not have 16 elements"),
    (X12.replace("*:~", "* ~"), f"The delimiters in an ISA cannot be told from data or from each other: {SENT_ANEW}"),
    (X12.replace("*:~", "*A~"), f"The delimiters in an ISA cannot be told from data or from each other: {SENT_ANEW}"),
    (X12.replace("*", "%2A").replace("~", "%7E"), "The file is X12 in the encoding of a web form"),
    ("hello there".encode("utf-16"), "The file is text in UTF-16 in which no interchange can be read"),
    (b"%PDF-1.7", "The file is not X12; it begins with the bytes 25 50 44 46."),
]


@pytest.mark.parametrize(("content", "says"), REASONS)
def test_a_file_that_is_not_read_is_kept_with_a_reason(store: Store, content: bytes | str, says: str) -> None:
    report = read(store, content)
    assert report.state == "quarantined"
    assert says in (report.reason or "")
    assert "HOLDER1" not in (report.reason or "")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (SOAP.format(X12), "Member 2 is XML (a SOAP envelope) with X12 inside: "),
        (json.dumps([X12]).encode("utf-16"), "Member 2 is JSON with X12 inside: "),
        (b64encode(X12.encode()), "Member 2 is base64 with X12 inside: "),
        (behind_isa("GS"), "Member 2 is X12 without an ISA "),
        (X12.replace("ISA*", "ISA *"), "Member 2 begins with an ISA that has a blank "),
    ],
)
def test_a_member_with_x12_in_it_is_not_passed_over(store: Store, content: bytes | str, says: str) -> None:
    report = read(store, zipped(one=batch(2), two=content))
    assert report.state == "quarantined"
    assert (report.reason or "").startswith(says)
    assert members(store.path) == []


HOSTILE = [
    b"<" * HEAD_BYTES,
    b"<a>" + b"&#x" * HEAD_BYTES,
    b"<a>" + b"ISA*" * HEAD_BYTES,
    b'["' + b"ISA\\n" * HEAD_BYTES,
    b"<" + b"a" * HEAD_BYTES,
    b"<" + (b"A" * 39 + b" ") * HEAD_BYTES,
    b"{" + (b"SVNBKjAw" * 6 + b" ") * HEAD_BYTES,
    b"A" * HEAD_BYTES,
    b"ISA" + b" " * HEAD_BYTES,
    b"ISA" + b"\n" * HEAD_BYTES,
    b"data:" + b";base64" * HEAD_BYTES,
    b"<!doctype" + b" " * HEAD_BYTES,
    b"GS" * HEAD_BYTES,
]


@pytest.mark.parametrize("content", HOSTILE)
def test_a_long_head_that_means_harm_is_looked_through_at_once(content: bytes) -> None:
    """With a regular expression that goes back over what it has seen, these would take minutes."""
    told(content[:HEAD_BYTES])


def told(head: bytes) -> None:
    kind = recognise(head)
    said = refusal(kind, head)
    assert said.isascii()
    PassedOver().take(1, kind, head)


@examples(200)
@given(st.binary(max_size=300), st.sampled_from([b"<", b"{", b"ISA", b"\xff\xfe", b"SVNB", b"<\0a\0", b"data:"]))
def test_no_bytes_make_the_reason_fail(data: bytes, begin: bytes) -> None:
    told(begin + data)

"""Why a file, or a member of a zip, is not read: it is no X12, or X12 in something else."""

import re

from worker.core.x12.delimiters import ISA_START, NoIsa
from worker.core.x12.envelope import BLANKS
from worker.core.x12.recognise import FileKind, first_bytes, packer, recognise
from worker.core.x12.scanner import BYTE_ORDER_MARK
from worker.core.x12.signs import as_text, blank_in_isa, first_isa, first_segment, from_base64, holds_bare_set

_REASONS = {
    "pgp": "is encrypted with PGP: decrypt it first, or have it delivered unencrypted",
    "ebcdic": "is X12 in EBCDIC: have it delivered in ASCII, or convert it first",
    "utf16": "is text in UTF-16 in which no interchange can be read: if it is X12, save it as UTF-8",
    "mail": "is a mail whose attachment is encoded: save the attachment as a file",
    "escaped": r"is X12 with \n or \r in two characters in place of line ends, as JSON has them: make them line ends",
    "form": "is X12 in the encoding of a web form (%2A in place of *): decode it and hand in the X12 alone",
    "empty": "is empty",
}
_AROUND = {"xml": "XML", "html": "a page in HTML", "json": "JSON"}
_INSIDE = {
    "x12": "X12",
    "x12_bare": "X12 without an ISA",
    "zip": "a zip file",
    "gzip": "a gzip file",
    "xml": "XML",
    "json": "JSON",
}
_SOAP = re.compile(rb"<(?:[\w.-]{1,40}:)?Envelope[\s>]")
_ENTITY = re.compile(
    rb"&(?:#(?:x([0-9a-f]{1,4})|([0-9]{1,5}))|(amp|lt|gt|quot|apos));|\\u00([0-9a-f]{2})|\\(/)", re.IGNORECASE
)
_NAMED = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}
_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/_-]{40,}")

_SEGMENT = re.compile(rb"(?:ST|SE|HL|EB|NM1)([^A-Za-z0-9\s\x00])[0-9A-Z]+\1", re.IGNORECASE)

# These may hold answers all the same, so a zip with one of them waits for a person.
_TELLING = frozenset(("packed", "pgp", "ebcdic", "mail", "x12_bare", "isa_unreadable", "escaped", "form", "base64"))

# All there is of a file that was cut short at once: too little to tell a batch, a gzip or a zip by.
_BEGINNINGS = frozenset((b"I", b"IS", b"ISA", b"\x1f", b"P", b"PK", b"PK\x03"))


def refusal(kind: FileKind, head: bytes) -> str:
    """What a file or member is that is no X12 to be read, and what to do, as the end of a sentence. Nothing of what
    the file says is in it."""
    text = as_text(head).removeprefix(BYTE_ORDER_MARK).lstrip(BLANKS)
    if kind in _AROUND:
        return _wrapped(kind, text)
    if kind == "packed":
        return f"is packed with {packer(head)}: unpack it first"
    if kind == "base64":
        inner = recognise(from_base64(text))
        found = f" with {_INSIDE[inner]} inside" if inner in _INSIDE else ""
        return f"is base64{found}: decode it and hand in what comes out"
    if kind == "x12_bare":
        begins = f"it begins with the segment {first_segment(text)}"
        return f"is X12 without an ISA ({begins}): hand in the whole interchange, from ISA to IEA"
    if kind == "isa_unreadable":
        if blank_in_isa(text):
            return "begins with an ISA that has a blank before its separator: take out the blank, or have it sent anew"
        return "begins with an ISA that does not have 16 elements, each behind the same separator: have it sent anew"
    if kind == "unknown" and holds_bare_set(text):
        return "holds X12, but no ISA that can be read: have it sent anew"
    return _REASONS.get(kind) or f"is not X12; it begins with the bytes {first_bytes(head)}"


def _wrapped(kind: str, text: bytes) -> str:
    around = "XML (a SOAP envelope)" if kind == "xml" and _SOAP.search(text) else _AROUND[kind]
    if found := _inside(text):
        return f"is {around} with {found} inside: unwrap it and hand in the X12 alone"
    if kind == "html":
        return f"is {around}, not X12: perhaps an error page in place of the file"
    return f"is {around}, not X12: if X12 stands inside, unwrap it and hand in the X12 alone"


def _inside(text: bytes) -> str:
    """What stands inside XML, HTML or JSON, as far as it may hold answers."""
    plain = _ENTITY.sub(_character, text)
    if first_isa(plain) is not NoIsa.OTHER:
        return "X12"
    for run in _BASE64_RUN.finditer(plain):
        kind = recognise(from_base64(run[0]))
        if kind in ("x12", "x12_bare", "zip", "gzip"):
            return f"{_INSIDE[kind]} in base64"
    return _INSIDE["x12_bare"] if holds_bare_set(plain) else ""


def _character(entity: re.Match[bytes]) -> bytes:
    """The character that an entity of XML, or an escape of JSON, stands for; a blank for those beyond ASCII."""
    hexadecimal, decimal, name, escape, slash = entity.groups()
    if name or slash:
        return slash or _NAMED[name.lower()]
    code = int(decimal) if decimal else int(hexadecimal or escape, 16)
    return bytes((code,)) if code < 128 else b" "


def begins_with_a_hole(head: bytes, *, member: bool) -> bool:
    """Whether zeros stand where the first ISA should, or within it: blocks of the file are still to be written. What
    lies beside a batch in a zip may begin with zeros; a ``member`` must look like X12 behind them."""
    text = as_text(head).removeprefix(BYTE_ORDER_MARK).lstrip(BLANKS.replace(b"\0", b""))
    begun, zeros, _ = text.partition(b"\0")
    if not zeros or (member and head.strip(b"\0") and not _SEGMENT.search(head)):
        return False
    return begun.upper() in (b"", b"I", b"IS", b"ISA") or ISA_START.match(text) is not None


def cut_at_once(head: bytes) -> bool:
    """Whether so little of a file has come that it may become anything."""
    return head.lstrip(BLANKS).upper() in _BEGINNINGS


class PassedOver:
    """The members of a zip that are no X12: what people and their machines put beside a batch."""

    def __init__(self) -> None:
        self.count = 0
        self.first = ""

    def take(self, number: int, kind: FileKind, head: bytes) -> bool:
        """Pass over the member of this number, unless it may hold answers."""
        text = as_text(head)
        if kind in _TELLING or (kind in _AROUND and _inside(text)) or holds_bare_set(text):
            return False  # the last of them where an ISA is damaged: lSA, IS
        self.count += 1
        self.first = self.first or f"member {number} {refusal(kind, head)}"
        return True

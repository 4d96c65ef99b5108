"""Why a file, or a member of a zip, is not read: it is no X12."""

import re

from worker.core.x12.delimiters import ISA_START
from worker.core.x12.envelope import BLANKS
from worker.core.x12.recognise import FileKind, first_bytes
from worker.core.x12.scanner import BYTE_ORDER_MARK

_REASONS = {
    "pgp": "is encrypted with PGP: decrypt it first, or have it delivered unencrypted",
    "ebcdic": "is X12 in EBCDIC: have it delivered in ASCII, or convert it first",
    "utf16": "is text in UTF-16 without any interchange",
    "xml": "is XML, no X12",
    "html": "is a page in HTML, no X12: perhaps an error page in place of the file",
    "json": "is JSON, no X12",
    "mail": "is a mail whose attachment is encoded: save the attachment as a file",
    "x12_bare": "begins with ST: the interchange around the transaction sets (ISA, GS) is missing",
    "empty": "is empty",
}

_SEGMENT = re.compile(rb"(?:ST|SE|HL|EB|NM1)([^A-Za-z0-9\s\x00])[0-9A-Z]+\1", re.IGNORECASE)

# These may hold answers all the same, so a zip with one of them waits for a person.
_TELLING = frozenset(("pgp", "ebcdic", "mail", "x12_bare"))

# All there is of a file that was cut short at once: too little to tell a batch, a gzip or a zip by.
_BEGINNINGS = frozenset((b"I", b"IS", b"ISA", b"\x1f", b"P", b"PK", b"PK\x03"))


def refusal(kind: FileKind, head: bytes) -> str:
    """What a file or member is that is no X12, as the end of a sentence."""
    return _REASONS.get(kind) or f"is no X12; it begins with the bytes {first_bytes(head)}"


def begins_with_a_hole(head: bytes, *, member: bool) -> bool:
    """Whether zeros stand where the first ISA should, or within it: blocks of the file are still to be written. What
    lies beside a batch in a zip may begin with zeros; a ``member`` must look like X12 behind them."""
    text = head.removeprefix(BYTE_ORDER_MARK).lstrip(BLANKS.replace(b"\0", b""))
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
        if kind in _TELLING:
            return False
        self.count += 1
        self.first = self.first or f"member {number} {refusal(kind, head)}"
        return True

"""What kind of file this is, by its first bytes. Names and endings say nothing."""

import re
from typing import Literal

from worker.core.x12.delimiters import ISA_START, NoIsa, parse_isa
from worker.core.x12.envelope import BLANKS
from worker.core.x12.scanner import BYTE_ORDER_MARK, UTF16_ISA

FileKind = Literal[
    "x12", "x12_bare", "empty", "zip", "gzip", "pgp", "ebcdic", "utf16", "xml", "html", "json", "mail", "unknown"
]
"""``x12_bare`` is an ST…SE without an ISA, which a batch may not be; ``utf16`` is other text in UTF-16,
``mail`` one whose parts are encoded."""

HEAD_BYTES = 64 * 1024
"""Bytes that are enough to tell, also where a mail's header or a log stands before the first ISA."""

_ARMOUR = b"-----BEGIN PGP MESSAGE-----"
_PACKET = re.compile(rb"[\x80-\x88\x8a-\xbf\xc1-\xc4\xc8\xc9\xcb\xd2\xd4]")
"""What a message in binary PGP begins with: the kind of its first packet (RFC 4880, 4.2). Left out is that of a
signature alone, which is also what a PNG begins with."""
_EBCDIC_ISA = b"\xc9\xe2\xc1"
_JSON = re.compile(rb"[{\[]\s*[\"{\[}\]]")
_MAIL = re.compile(rb"^content-transfer-encoding:\s*(?:quoted-printable|base64)", re.IGNORECASE | re.MULTILINE)
_BARE = re.compile(rb"ST([^A-Za-z0-9\s])[^\r\n]{0,60}", re.IGNORECASE)
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body)", re.IGNORECASE)


def recognise(head: bytes) -> FileKind:
    """The kind of a file, from its first :data:`HEAD_BYTES` bytes (or all of it, if it is shorter)."""
    for start, encoding in UTF16_ISA:
        if head.startswith(start):
            text = head.decode(encoding, errors="ignore").lstrip("\ufeff").encode()
            return "x12" if _holds_isa(text) else "utf16"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    text = head.removeprefix(BYTE_ORDER_MARK).lstrip(BLANKS)
    if not text:
        return "empty"
    return _text(text)


def _text(text: bytes) -> FileKind:
    if text.startswith(_ARMOUR):
        return "pgp"
    if text.startswith(b"<"):
        return "html" if _HTML.match(text) else "xml"
    if _JSON.match(text):
        return "json"  # also one with X12 in its strings, where line ends and letters stand as escapes
    if text.startswith(_EBCDIC_ISA):
        return "ebcdic"
    if not ISA_START.match(text) and _MAIL.search(text):
        return "mail"
    if _holds_isa(text):
        return "x12"
    if _BARE.match(text):
        return "x12_bare"
    if text[:1] in b"{[":
        return "json"
    return "pgp" if _PACKET.match(text) else "unknown"


def _holds_isa(text: bytes) -> bool:
    """Whether an ISA stands in the text, or begins in it; a refused one is an ISA all the same."""
    return any(parse_isa(text, match.start()) is not NoIsa.OTHER for match in ISA_START.finditer(text))


def first_bytes(head: bytes) -> str:
    """The first four bytes in hexadecimal, for the reason why a file is not understood; too few to tell of anybody."""
    return head[:4].hex(" ")

"""What kind of file this is, by its first bytes. Names and endings say nothing."""

import re
from typing import Literal

from worker.core.x12.delimiters import ISA_START, Isa, NoIsa
from worker.core.x12.envelope import BLANKS
from worker.core.x12.scanner import BYTE_ORDER_MARK, UTF16_ISA
from worker.core.x12.signs import as_text, first_isa, first_segment, from_base64, is_escaped, looks_like_base64

FileKind = Literal[
    "x12",
    "x12_bare",
    "isa_unreadable",
    "escaped",
    "form",
    "empty",
    "zip",
    "gzip",
    "packed",
    "pgp",
    "ebcdic",
    "utf16",
    "xml",
    "html",
    "json",
    "base64",
    "mail",
    "unknown",
]
"""``x12_bare`` is X12 that begins behind its ISA, which a batch may not be, ``isa_unreadable`` what begins with an ISA
that is none. ``packed`` is packed by a program whose files are not unpacked here. ``escaped`` has its line ends as in
the source of a program, ``form`` its separators as in a web address. ``utf16`` is other text in UTF-16, ``mail`` one
whose parts are encoded."""

HEAD_BYTES = 64 * 1024
"""Bytes that are enough to tell, also where a mail's header or a log stands before the first ISA."""

_PACKERS = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"Rar!\x1a\x07": "RAR",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"LZIP": "lzip",
    b"\x1f\x9d": "compress",
    b"\x78\x01": "zlib",
    b"\x78\x9c": "zlib",
    b"\x78\xda": "zlib",
}
_TAR_MARK, _TAR_MARK_AT_BYTE = b"ustar", 257

_ARMOUR = b"-----BEGIN PGP MESSAGE-----"
_PACKET = re.compile(rb"[\x80-\x88\x8a-\xbf\xc1-\xc4\xc8\xc9\xcb\xd2\xd4]")
"""What a message in binary PGP begins with: the kind of its first packet (RFC 4880, 4.2). Left out is that of a
signature alone, which is also what a PNG begins with."""
_EBCDIC_ISA = b"\xc9\xe2\xc1"
_JSON = re.compile(rb"[{\[]\s*[\"{\[}\]]")
_MAIL = re.compile(rb"^content-transfer-encoding:\s*(?:quoted-printable|base64)", re.IGNORECASE | re.MULTILINE)
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body)", re.IGNORECASE)
_FORM = re.compile(rb"(?:[\w.-]{1,100}=)?ISA%[0-9A-F]{2}[0-9]{2}%", re.IGNORECASE)


def recognise(head: bytes) -> FileKind:
    """The kind of a file, from its first :data:`HEAD_BYTES` bytes (or all of it, if it is shorter)."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if packer(head):
        return "packed"
    text = as_text(head)
    kind = _text(text.removeprefix(BYTE_ORDER_MARK).lstrip(BLANKS))
    if text is head:
        return kind
    readable = head.startswith(tuple(start for start, _ in UTF16_ISA))
    if kind in ("empty", "pgp", "unknown") or (kind == "x12" and not readable):
        return "utf16"
    return kind


def packer(head: bytes) -> str:
    """The program that packed a file, where it is neither zip nor gzip; else empty."""
    if head[_TAR_MARK_AT_BYTE:].startswith(_TAR_MARK):
        return "tar"
    return next((name for start, name in _PACKERS.items() if head.startswith(start)), "")


def _text(text: bytes) -> FileKind:
    if not text:
        return "empty"
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
    if (isa := first_isa(text)) is not NoIsa.OTHER:
        return "escaped" if isinstance(isa, Isa) and is_escaped(isa, text) else "x12"
    return _without_isa(text)


def _without_isa(text: bytes) -> FileKind:
    if _FORM.match(text):
        return "form"
    if name := first_segment(text):
        return "isa_unreadable" if name == "ISA" else "x12_bare"
    if text[:1] in b"{[":
        return "json"
    decoded = from_base64(text)
    if (decoded and recognise(decoded) in ("x12", "x12_bare", "zip", "gzip")) or looks_like_base64(text):
        return "base64"
    return "pgp" if _PACKET.match(text) else "unknown"


def first_bytes(head: bytes) -> str:
    """The first four bytes in hexadecimal, for the reason why a file is not understood; too few to tell of anybody."""
    return head[:4].hex(" ")

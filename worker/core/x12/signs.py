"""Signs of X12, and of what it may be wrapped in, in the first bytes of a file.

Each of these takes time in proportion to the bytes, also to hostile ones.
"""

import binascii
import re

from worker.core.x12.delimiters import ISA_START, Isa, NoIsa, parse_isa
from worker.core.x12.scanner import UTF16_ISA

_SEPARATOR = rb"([^A-Za-z0-9\s.,;:=/<>\\'\"()-])"  # not what stands between words of a text
_SEGMENTS = (
    b"ISA GS ST BHT HL NM1 TRN AAA EB SE GE IEA TA1 N3 N4 REF PRV PER DMG INS HI DTP MPI HSD MSG III LS LE EQ".split()
)
_FIRST = re.compile(b"(" + b"|".join(_SEGMENTS) + b")[ \t]{0,3}" + _SEPARATOR + rb"[^\r\n]{0,80}?\2", re.IGNORECASE)
_BARE_SET = re.compile(
    rb"(?<![A-Za-z0-9])(?:(?:GS" + _SEPARATOR + rb"[A-Z]{2}\1)|(?:(?:ST|BHT)" + _SEPARATOR + rb"[0-9]{3,4}\2))"
)
_UTF16 = re.compile(rb"(?:[!-~]\x00){3}|(?:\x00[!-~]){3}")
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_FROM_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_DATA_URL = re.compile(rb"data:[^,\s]{0,200};base64,", re.IGNORECASE)
_LEAST_BASE64_BYTES = 64
"""From this length on, text in lines of one length, with capital and small letters and digits, is taken for base64
even where what comes out is not known."""


def as_text(head: bytes) -> bytes:
    """The bytes, in UTF-8 where they are text in UTF-16."""
    for start, encoding in UTF16_ISA:
        if head.startswith(start):
            return head.decode(encoding, errors="ignore").encode()
    if _UTF16.match(head):
        return head.decode("utf-16-be" if head[:1] == b"\0" else "utf-16-le", errors="ignore").encode()
    return head


def first_isa(text: bytes) -> Isa | NoIsa:
    """The first ISA that stands in the text, or begins in it; a refused one is an ISA all the same."""
    for match in ISA_START.finditer(text):
        if (found := parse_isa(text, match.start())) is not NoIsa.OTHER:
            return found
    return NoIsa.OTHER


def first_segment(text: bytes) -> str:
    """The name of the segment that a text begins with, by its separators; empty where it is none of a 271."""
    found = _FIRST.match(text)
    return found[1].decode().upper() if found else ""


def holds_bare_set(text: bytes) -> bool:
    """Whether a GS, an ST or a BHT stands somewhere in the text."""
    return _BARE_SET.search(text) is not None


def is_escaped(isa: Isa, text: bytes) -> bool:
    r"""Whether the line end behind an ISA stands as ``\n`` or ``\r`` in two characters, as in JSON; the backslash may
    then pass for the terminator."""
    begin = isa.end - 1 if isa.delimiters.terminator == "\\" else isa.end
    return text[begin : begin + 2] in (b"\\n", b"\\r")


def blank_in_isa(text: bytes) -> bool:
    """Whether a text begins with an ISA but for blanks between its name and the separator."""
    rest = text[3:].lstrip(b" \t")
    return len(rest) < len(text) - 3 and parse_isa(b"ISA" + rest, 0) is not NoIsa.OTHER


def from_base64(text: bytes) -> bytes:
    """What base64 stands for, with or without line ends or ``data:`` before it; empty where the text is none."""
    if head := _DATA_URL.match(text):
        text = text[head.end() :]
    joined = b"".join(text.strip(b"\"'").split()).rstrip(b"=").translate(_FROM_URL_SAFE)
    if joined.translate(None, _BASE64):
        return b""
    return binascii.a2b_base64(joined[: len(joined) // 4 * 4])


def looks_like_base64(text: bytes) -> bool:
    """Whether a text is in lines of one length, and in nothing but the characters of base64."""
    lines = text.strip(b"\"'").split()
    if len(b"".join(lines)) < _LEAST_BASE64_BYTES or len({len(line) for line in lines[:-1]}) > 1:
        return False
    return all(re.search(kind, text) for kind in (rb"[A-Z]", rb"[a-z]", rb"[0-9]")) and bool(from_base64(text))

"""The head of an answer, mended where only its form is wrong, before the parser sees it.

The parser (h11) refuses a whole answer for one line that says nothing to us. So lines without meaning are dropped: no
colon, no name, control characters in it, a name that is no token. What is said twice in equal words counts once.

What decides where the body ends is never guessed: lengths that differ, a transfer coding other than ``chunked``, and a
malformed line that means one of the two are refused. Where both a length and ``chunked`` are said, ``chunked`` holds
(RFC 9112, 6.3) and the connection is not used again, as after any length that is written oddly.
"""

import re
from collections.abc import Iterable

import httpcore

# Some policies and cookies are long; curl takes 300 KB.
HEAD_CAP_BYTES = 256 * 1024

_TOKEN = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]++"
_TEXT = rb"[^\x00-\x08\x0a-\x1f\x7f]*+"
_FRAMING = rb"content-length:[ \t]*\d{1,18}|transfer-encoding:[ \t]*chunked"
_LINES = rb"(?:(?!(?i:content-length|transfer-encoding):)" + _TOKEN + rb":" + _TEXT + rb"\r\n)*+"

# A head as nearly all are: nothing to mend, and one line at most that says where the body ends. Interim answers (1xx)
# are none of these.
WELL_FORMED = re.compile(
    rb"HTTP/1\.[01] [2-9]\d\d(?: " + _TEXT + rb")?\r\n" + _LINES
    + rb"(?:(?i:" + _FRAMING + rb")[ \t]*\r\n" + _LINES + rb")?\r\n"
)  # fmt: skip
END_OF_HEAD = re.compile(rb"\n\r?\n")
INTERIM = re.compile(rb"[ \t]*HTTP/\d(?:\.\d)?[ \t]+1(?!01)\d\d\b", re.IGNORECASE)

_STATUS = re.compile(rb"[ \t]*HTTP/(\d)(?:\.(\d))?[ \t]+(\d{3})(?:[ \t].*)?", re.DOTALL | re.IGNORECASE)
_FIELD = re.compile(rb"(" + _TOKEN + rb")[ \t]*:[ \t]*(" + _TEXT + rb")")
_LENGTH = re.compile(rb"\+?(\d{1,18})")
_NO_LETTER = re.compile(rb"[^a-z]+")


def mended(head: bytes) -> bytes:
    """``head``, up to and with its empty line, in a form that the parser takes.

    Raises RemoteProtocolError where it is not certain where the body ends.
    """
    status, *lines = _unfolded(head)
    said = _STATUS.fullmatch(status)
    if said is None:
        return head  # no HTTP: the parser says so
    made = [b"HTTP/%b.%b %b" % (said[1], said[2] or b"1", said[3])]
    lengths: list[bytes] = []
    codings: list[bytes] = []
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            if _means_framing(line):
                raise httpcore.RemoteProtocolError("a malformed line about the length of the body")
            continue
        name, value = field[1].lower(), field[2]
        if name == b"content-length":
            lengths += _members(value) or [value]
        elif name == b"transfer-encoding":
            codings += _members(value)
        else:
            made.append(name + b": " + value)
    return b"\r\n".join([*made, *_framing(lengths, codings), b"", b""])


def _unfolded(head: bytes) -> list[bytes]:
    """The lines; one that begins with a blank goes on the one before (RFC 9112, 5.2)."""
    lines: list[bytearray] = []
    for line in head.strip(b"\r\n").split(b"\n"):
        text = line.removesuffix(b"\r")
        # The status line has none: what would follow it is a line without a name.
        if text[:1] in (b" ", b"\t") and len(lines) > 1:
            lines[-1] += b" " + text.strip(b" \t")
        else:
            lines.append(bytearray(text))
    return [bytes(line) for line in lines]


def _means_framing(line: bytes) -> bool:
    """Whether another reader could take this malformed line for one about the length of the body."""
    name, colon, _ = line.lower().partition(b":")
    letters = _NO_LETTER.sub(b"", name)
    names = (b"contentlength", b"transferencoding")
    return letters in names if colon else letters.startswith(names)


def _members(value: bytes) -> list[bytes]:
    return [member for text in value.lower().split(b",") if (member := text.strip(b" \t"))]


def _framing(lengths: Iterable[bytes], codings: Iterable[bytes]) -> list[bytes]:
    chunked = set(codings) - {b"identity"}
    sizes = {_LENGTH.fullmatch(length) for length in lengths}
    numbers = {0 if size is None else int(size[1]) for size in sizes}
    if chunked - {b"chunked"} or None in sizes or len(numbers) > 1:
        raise httpcore.RemoteProtocolError("it is not certain where the body ends")
    certain = not (chunked and numbers) and not any(length.startswith(b"+") for length in lengths)
    made = [] if certain else [b"connection: close"]
    if chunked:
        return [*made, b"transfer-encoding: chunked"]
    return [*made, *(b"content-length: %d" % number for number in numbers)]

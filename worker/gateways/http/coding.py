"""What a body is packed in, and the body unpacked, of a bounded size.

We ask for plain bodies. Machines between the vendor and us pack them all the same, unpack them and leave the header,
add the header twice, or write a character set into it. So the first bytes decide where they show for certain what a
body is packed in, and the header decides elsewhere.
"""

import re
import zlib

# The registered codings that are not read here (RFC 9110, 8.4.1, and the registry of IANA).
_UNREADABLE = frozenset(
    {"aes128gcm", "br", "compress", "dcb", "dcz", "exi", "lzma", "pack200-gzip", "x-compress", "xz", "zstd"}
)
_GZIP = ("gzip", "x-gzip")
_GZIP_BEGIN = b"\x1f\x8b"
_PADDING = re.compile(rb"[\0\r\n ]*+")
_PIECE_BYTES = 64 * 1024

# A server may begin a member with each flush. The real ones have one.
_MOST_MEMBERS = 1000
_MOST_CODINGS = 4


class BadBody(Exception):
    """It cannot be unpacked; the message is the code: too_large or encoding."""


def unpacked(body: bytes, header: str | None, cap: int) -> bytes:
    """``body`` without the codings that ``header``, a Content-Encoding, names; a word that is no coding means none.

    Raises BadBody for what is larger than ``cap`` at any step, coded in what is not read here, or damaged.
    """
    words = [word.strip().lower() for word in (header or "").split(",")]
    codings = [word for word in words if word in _UNREADABLE or word == "deflate" or word in _GZIP]
    if body.startswith(_GZIP_BEGIN) and not codings:
        codings = ["gzip"]
    if len(codings) > _MOST_CODINGS or not _UNREADABLE.isdisjoint(codings):
        raise BadBody("encoding")
    for coding in reversed(codings):
        swapped = body.startswith(_GZIP_BEGIN)  # no stream of deflate begins so
        body = _inflated(body, cap) if coding == "deflate" and not swapped else _gunzipped(body, cap)
    return body


def _plain(body: bytes) -> bool:
    """Whether this is JSON to look at; a gzip or zlib stream never is."""
    return body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def _gunzipped(body: bytes, cap: int) -> bytes:
    if not body.startswith(_GZIP_BEGIN):
        return body if _plain(body) else _inflated(body, cap)
    made = bytearray()
    at = 0
    for _ in range(_MOST_MEMBERS):
        padding = _PADDING.match(body, _member(body, at, made, cap))
        assert padding is not None  # it may be empty
        at = padding.end()
        if at == len(body):
            return bytes(made)
    raise BadBody("encoding")


def _member(body: bytes, at: int, made: bytearray, cap: int) -> int:
    """Unpack one member, to ``made``; where it ends."""
    stream = zlib.decompressobj(wbits=31)
    while not stream.eof:
        piece = body[at : at + _PIECE_BYTES]
        if not piece:
            raise BadBody("encoding")  # it is cut short
        at += len(piece)
        while piece and not stream.eof:
            _unpack(stream, piece, made, cap)
            piece = stream.unconsumed_tail
    return at - len(stream.unused_data)


def _inflated(body: bytes, cap: int) -> bytes:
    """The RFC means a zlib stream by ``deflate``; many send what is in one, without its frame."""
    for wbits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        stream = zlib.decompressobj(wbits)
        made = bytearray()
        try:
            _unpack(stream, body, made, cap)
        except BadBody as error:
            if str(error) == "too_large":
                raise
            continue
        if stream.eof and _PADDING.fullmatch(stream.unused_data):
            return bytes(made)
    if _plain(body):
        return body
    raise BadBody("encoding")


def _unpack(stream: "zlib._Decompress", piece: bytes, made: bytearray, cap: int) -> None:
    try:
        made += stream.decompress(piece, cap + 1 - len(made))
    except zlib.error:
        raise BadBody("encoding") from None
    if len(made) > cap:
        raise BadBody("too_large")

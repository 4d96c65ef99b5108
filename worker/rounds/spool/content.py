"""What one file of the spool holds: a batch for the ingest, or a text that names tasks."""

import zlib
from contextlib import suppress
from typing import BinaryIO

from worker.core.errors import BadData
from worker.core.intake.anything import Reading, names_tasks, read_anything
from worker.core.x12.recognise import HEAD_BYTES, recognise
from worker.gateways.spool.folder import Refused
from worker.rounds.ingest.refusal import refusal
from worker.rounds.spool.rules import MOST_TEXT_BYTES

_BATCHES = ("x12", "zip")

# What a text that names tasks may be taken for by its first bytes.
_TEXTS = ("unknown", "json", "utf16", "base64", "empty", "xml", "html", "mail", "pgp")

_MIB_BYTES = 1024 * 1024


def content_of(file: BinaryIO, size: int) -> Reading | None:
    """What the text in an open file names; ``None``: it is a batch, for the ingest. Raises Refused where it is neither.

    At most MOST_TEXT_BYTES of it are read.
    """
    head = file.read(HEAD_BYTES)
    if names_tasks(head):
        return _text(file, size)
    kind = recognise(head)
    packed = kind == "gzip"
    if packed:
        head = _unpacked(head, HEAD_BYTES)
        kind = "unknown" if names_tasks(head) else recognise(head)
    if kind in _BATCHES or (packed and kind == "empty"):
        return None
    if kind not in _TEXTS:
        raise Refused(f"the file {refusal(kind, head)}", "leave it as it should be")
    try:
        return _text(file, size, packed=packed)
    except Refused as refused:
        if kind in ("unknown", "json", "empty") or refused.reason.startswith("it is larger"):
            raise
        raise Refused(f"the file {refusal(kind, head)}", refused.cure) from None


def _text(file: BinaryIO, size: int, *, packed: bool = False) -> Reading:
    said = f"it is larger than {MOST_TEXT_BYTES // _MIB_BYTES} MiB, and no batch 271"
    too_large = Refused(said, "leave it in several files")
    if size > MOST_TEXT_BYTES:
        raise too_large
    file.seek(0)
    data = file.read(MOST_TEXT_BYTES + 1)
    if packed:
        data = _unpacked(data, MOST_TEXT_BYTES + 1)
    if len(data) > MOST_TEXT_BYTES:
        raise too_large
    try:
        return read_anything(data)
    except BadData as error:
        raise Refused(error.message, error.hint or "leave it as it should be") from None


def _unpacked(data: bytes, most: int) -> bytes:
    with suppress(zlib.error):
        return zlib.decompressobj(wbits=31).decompress(data, most)
    return b""

"""A dump of HTTP responses, as ``curl -D -`` or ``curl -i`` write one, taken apart into header blocks.

What ``curl -v`` writes (``< `` before each line) and ``wget -S`` (blanks before each) is read too, and so are dumps
whose lines end in a bare CR.

Where a response begins:

- at a line that is a status line from end to end,
- and that a header line or a blank line follows, so that a body which speaks of HTTP is not taken for a response. Only
  at the beginning of the dump, and for a response that ends it, a status line alone is enough.

Where Content-Length leads exactly to a status line or to the end of the dump, the body is jumped over unread. Lines
that are ignored although they look like a header that names a task are counted. Those behind a body that has no line
end of its own (its last line runs into the next status line) are handed back.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.core.intake.link import mentions
from worker.core.intake.misplaced import may_name

_STATUS = r"HTTP/(?:1\.[01]|2(?:\.0)?|3(?:\.0)?) [1-5][0-9][0-9](?: [^\x00-\x08\n-\x1f\x7f]*+)?(?=\r*(?:\n|\Z))"
_STATUS_LINE = re.compile(_STATUS)
_STATUS_AT_END = re.compile(r"(?<=\S)" + _STATUS)
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]++)[ \t]*+:(.*)", re.DOTALL)
_LENGTH = re.compile(r"[0-9]{1,15}")
_BLANKS = re.compile(r"[\r\n]*")
_PREFIXED = re.compile(r"^(< |[ \t]+)(?=HTTP/)", re.MULTILINE)
_TALK = re.compile(r"[*<>]|[{}] \[")  # lines of ``curl -v`` that are no body
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHALLENGES = frozenset({401, 407})


class Field(NamedTuple):
    """One header line, unfolded: name in lower case, value without the space around it.

    ``cut``: the dump ends within this line, so that the value may be too short.
    """

    name: str
    value: str
    cut: bool = False


class Block(NamedTuple):
    """The headers of one response, and what stands behind them. A line that is no header, and may name a task, is a
    field without a name."""

    status_line: str
    fields: list[Field]
    body: str = ""  # each octet as one character

    @property
    def status(self) -> int:
        return int(self.status_line.split()[1])

    @property
    def interim(self) -> bool:
        """Whether the answer is still to come: 100 and the like, and the yes of a proxy to CONNECT."""
        return self.status < 200 or self.status_line.lower().rstrip().endswith("connection established")

    @property
    def repeated(self) -> bool:
        """Whether a client goes on by itself: to another address, or with a login."""
        return self.status in _REDIRECTS or self.status in _CHALLENGES


@dataclass(slots=True)
class Dump:
    """The header blocks in order; whether the last one ends without a blank line; how many lines in bodies look like
    task headers; and those of them that stand behind a status line that a body runs into."""

    blocks: list[Block] = field(default_factory=list)
    unfinished: bool = False
    ignored: int = 0
    swallowed: list[str] = field(default_factory=list)


def read_dump(data: bytes) -> Dump:
    """Take a dump apart; octets are read as Latin-1. No block at all means that there is no HTTP response in it."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    if "\n" not in text:
        text = text.replace("\r", "\n")
    dump = _read(text)
    if not dump.blocks and (prefix := _PREFIXED.search(text)):
        dump = _read(_without(prefix[1], text))
    return dump


def _read(text: str) -> Dump:
    dump = Dump()
    at: int | None = _seek(text, 0, dump)
    while at is not None:
        fields, end, dump.unfinished = _block(text, at)
        status_line = _STATUS_LINE.match(text, at)
        assert status_line is not None
        at = _seek(text, _behind_body(text, end, fields), dump)
        dump.blocks.append(Block(status_line[0], fields, text[end:at]))
    return dump


def _without(prefix: str, text: str) -> str:
    """The lines that begin with the prefix, without it. Among those of ``curl -v`` others may stand, which go, but
    for the body; a line that is not indented ends the headers of ``wget -S``, and so does the end of its output."""
    lines, body = [], []
    for line in re.split(r"(?<=\n)", text):
        if line.startswith(prefix):
            lines.append(line[len(prefix) :])
        elif line.rstrip() == prefix.strip() or not prefix.strip():
            lines.append("\n")
        elif not _TALK.match(line):
            body.append(line)
    return "".join([*lines, *(body if lines[-1:] == ["\n"] else [])])


def _lines(text: str, at: int) -> Iterator[tuple[int, str, bool, int]]:
    """From ``at`` on: where each line begins, the line, whether the text ends within it, where the next one begins."""
    while at < len(text):
        stop = text.find("\n", at)
        after = len(text) if stop < 0 else stop + 1
        line = text[at:after]
        yield at, line.rstrip("\r\n"), not line.endswith(("\r", "\n")), after
        at = after


def _seek(text: str, at: int, dump: Dump) -> int | None:
    """Where the next response begins, at ``at`` or later; what is passed over is looked at for task headers."""
    at = _past_blanks(text, at)
    candidate: int | None = at if at == _past_blanks(text, 0) and _STATUS_LINE.match(text, at) else None
    if candidate is not None:
        return candidate
    swallowing = False
    for start, line, _, _ in _lines(text, at):
        header = _HEADER.fullmatch(line)
        status = _STATUS_LINE.fullmatch(line)
        if candidate is not None and (header or status or not line):
            return candidate
        candidate = start if status else None
        if not status and _STATUS_AT_END.search(line[-200:]):
            swallowing = True
        elif not line:
            swallowing = False
        elif header and header[1].lower() in {"link", "location"} and mentions(line):
            if swallowing:
                dump.swallowed.append(line)
            else:
                dump.ignored += 1
    return candidate


def _past_blanks(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    return match.end() if match else at


def _block(text: str, at: int) -> tuple[list[Field], int, bool]:
    """The header fields of the response that begins at ``at``, where its block ends, and whether the text ends first.

    A status line ends a block too: some tools drop blank lines. A line that is no header is passed over.
    """
    fields: list[Field] = []
    parts: list[str] = []  # of the value of the last field, line by line
    cut_off = False

    def unfold() -> None:
        if parts:
            fields[-1] = Field(fields[-1].name, " ".join(parts).strip(), cut_off)
            parts.clear()

    for start, line, cut, after in _lines(text, at):
        if start > at and (not line or _STATUS_LINE.fullmatch(line)):
            unfold()
            return fields, start if line else after, False
        if line[:1] in {" ", "\t"}:
            if parts:
                parts.append(line.strip())
                cut_off = cut
            elif may_name(line):
                fields.append(Field("", line))
            continue
        unfold()
        header = _HEADER.fullmatch(line)
        if header is not None:
            fields.append(Field(header[1].lower(), ""))
            parts.append(header[2].strip())
            cut_off = cut
        elif may_name(line):
            fields.append(Field("", line))
    unfold()
    return fields, len(text), True


def _behind_body(text: str, end: int, fields: list[Field]) -> int:
    """Where to look for the next response: behind the body where its length is stated and fits, else at once."""
    if _STATUS_LINE.match(text, _past_blanks(text, end)):
        return end  # a dump of headers alone, or a response without a body
    stated = next((f.value for f in fields if f.name == "content-length"), "")
    if not _LENGTH.fullmatch(stated) or end + int(stated) > len(text):
        return end
    behind = end + int(stated)
    follows = _past_blanks(text, behind)
    return behind if follows == len(text) or _STATUS_LINE.match(text, follows) else end

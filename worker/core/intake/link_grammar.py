"""The grammar of Link header values (RFC 8288), read tolerantly, and with care where it is broken.

TaskLinks goes from left to right. A link that breaks the grammar is skipped up to the next comma outside quotes. Quotes
themselves can be broken, and then "outside" is a guess: one quote too many or too few turns every title behind it
inside out, and a title may well contain ``</coverage-discovery/…>``. After a quote in the wrong place two rules hold:

- backwards, links that stand behind the last sound quoted string are suspect as well, where the misplaced quote may be
  the end of a string whose beginning was lost;
- forwards, a link is believed only where everything from it to the end of the value is free of mistakes and has
  quotes. Text that really lies inside quotes cannot pass: the quote that ends it would be one too many.

Behind a quoted string that is never closed nothing is believed. So no single character that was lost or added, and no
cut, makes a title into a task. Every step is linear in the length of the value.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

_SPACE = " \t\r\n"
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

# Possessive quantifiers (+ after the quantifier) and single classes only: nothing here can backtrack.
_GAP = re.compile(r"[ \t\r\n]*")
_MEMBERS_GAP = re.compile(r"[ \t\r\n,]*")
_TARGET = re.compile(r'<[ \t\r\n]*+([^<>" \t\r\n]*+)[ \t\r\n]*+>')
_NAME = re.compile(r'[^ \t\r\n"<>,;=\\]+')
_BARE = re.compile(r'[^"<>,;\\]*')
_QUOTED = re.compile(r'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_SKIPPABLE = re.compile(r'[^",]*')
_RESUME = re.compile(r",[ \t\r\n]*+(?=<)")


class Link(NamedTuple):
    """One link-value: the target as written, and the parameters in order, names in lower case, values unquoted.

    A parameter without a value has ``""``.
    """

    target: str
    params: tuple[tuple[str, str], ...]
    raw: str

    def first(self, name: str) -> str | None:
        """The value of the first parameter of that (lower-case) name; later ones do not count."""
        return next((value for key, value in self.params if key == name), None)

    @property
    def title(self) -> str | None:
        """The title for people, ``title*`` before ``title``."""
        extended = _extended(self.first("title*") or "")
        text = self.first("title") if extended is None else extended
        return printable(text) if text else None

    @property
    def relations(self) -> frozenset[str] | None:
        """The relation types in lower case; ``None`` where there is no ``rel`` at all."""
        rel = self.first("rel")
        return None if rel is None else frozenset(rel.lower().split())


class Broken(NamedTuple):
    """A stretch of a Link value that could not be read, and why."""

    raw: str
    reason: str


def printable(text: str) -> str:
    """The text without what terminals and databases choke on: control characters and lone surrogates."""
    return _CONTROLS.sub(" ", text).encode("utf-8", "replace").decode()


def percent_decoded(segment: str) -> str:
    """Percent-decoded once, each octet as one character: an id is ASCII, so anything else is refused anyway."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), segment) if "%" in segment else segment


def _extended(value: str) -> str | None:
    """The text of an RFC 8187 value (``UTF-8'en'%e2%82%ac``); ``None`` where it is not one."""
    charset, _, rest = value.partition("'")
    _, tick, encoded = rest.partition("'")
    if not tick or charset.lower() not in {"utf-8", "iso-8859-1"}:
        return None
    try:
        return percent_decoded(encoded).encode("latin-1").decode(charset)
    except UnicodeError:
        return None


class _Damage(Exception):
    """The grammar is broken at ``at``; damage of quotes also says whether the links before it are suspect."""

    def __init__(self, at: int, reason: str, *, quotes: bool = False, suspect: bool = False) -> None:
        super().__init__(reason)
        self.at, self.reason, self.quotes, self.suspect = at, reason, quotes, suspect


@dataclass(slots=True)
class _Span:
    start: int
    end: int
    link: Link | None
    reason: str = ""


def parse(value: str) -> list[Link | Broken]:
    """All of a Link value, in order: its links, and the stretches that are none. Never raises."""
    spans: list[_Span] = []
    at = sound = 0  # sound: where the last sound quoted string ended
    while (at := _after(_MEMBERS_GAP, value, at)) < len(value):
        start = at
        try:
            try:
                link, at, sound = _link(value, start, sound)
                spans.append(_Span(start, at, link))
            except _Damage as damage:
                if damage.quotes:
                    raise
                at, sound = _skip(value, damage.at, sound)
                _break(spans, start, at, damage.reason)
        except _Damage as damage:
            while damage.suspect and spans and spans[-1].end > sound:
                start = spans.pop().start
            tail = _tail(value, damage.at)
            _break(spans, start, tail[0].start if tail else len(value), damage.reason)
            spans += tail
            break
    return [span.link or Broken(value[span.start : span.end].strip(_SPACE + ","), span.reason) for span in spans]


def _after(pattern: re.Pattern[str], value: str, at: int) -> int:
    """Where the match of a pattern that always matches ends."""
    match = pattern.match(value, at)
    return match.end() if match else at


def _break(spans: list[_Span], start: int, end: int, reason: str) -> None:
    """Add a broken stretch; one that follows another makes it longer."""
    if spans and spans[-1].link is None:
        spans[-1].end = end
    else:
        spans.append(_Span(start, end, None, reason))


def _link(value: str, start: int, sound: int) -> tuple[Link, int, int]:
    """The link-value at ``start``, where it ends, and where the last sound quoted string ended."""
    if value[start] != "<":
        raise _Damage(start, "not a link: '<' is missing")
    target = _TARGET.match(value, start)
    if target is None:
        raise _Damage(start + 1, "the link's target is not closed, or is not a URI")
    params: list[tuple[str, str]] = []
    at = end = target.end()
    while (at := _after(_GAP, value, at)) < len(value) and value[at] != ",":
        if value[at] != ";":
            raise _Damage(at, "a parameter of the link cannot be read")
        at = _after(_GAP, value, at + 1)
        name = _NAME.match(value, at)
        if name is None:
            end = at
            continue  # an empty parameter
        text, at = "", _after(_GAP, value, name.end())
        if value.startswith("=", at):
            at = _after(_GAP, value, at + 1)
            if value.startswith('"', at):
                text, at, sound = _quoted(value, at, sound)
            else:
                bare = _after(_BARE, value, at)
                text, at = value[at:bare].strip(_SPACE), bare
        params.append((name[0].lower(), text))
        end = at
    return Link(target[1], tuple(params), value[start:end].strip(_SPACE)), end, sound


def _quoted(value: str, at: int, sound: int) -> tuple[str, int, int]:
    """The quoted string at ``at``, unescaped, where it ends, and where the last sound one ended.

    After it only ``;``, ``,`` or the end is right. Where a quote was lost, what lies between two strings looks like a
    string: its text begins with a separator or ends in ``=``. Such a string is read, but is no sound one.
    """
    # The quote at `at` may really be the end of a string whose beginning was lost: then this is what follows it.
    follows = _after(_GAP, value, at + 1)
    suspect = follows == len(value) or value[follows] in ";,"
    match = _QUOTED.match(value, at)
    if match is None:
        raise _Damage(len(value), "a quoted string is not closed", quotes=True, suspect=suspect)
    follows = _after(_GAP, value, match.end())
    if follows < len(value) and value[follows] not in ";,":
        raise _Damage(match.end(), "a quote stands in the wrong place", quotes=True, suspect=suspect)
    if not suspect and not match[1].rstrip(_SPACE).endswith("="):
        sound = match.end()
    return _QUOTED_PAIR.sub(r"\1", match[1]), match.end(), sound


def _skip(value: str, at: int, sound: int) -> tuple[int, int]:
    """Where the broken member around ``at`` ends: the next comma outside quotes, or the value's end."""
    while (at := _after(_SKIPPABLE, value, at)) < len(value) and value[at] == '"':
        before = at - 1
        while before >= 0 and value[before] in _SPACE:
            before -= 1
        if before < 0 or value[before] != "=":
            raise _Damage(at + 1, "a quote stands in the wrong place", quotes=True, suspect=True)
        _, at, sound = _quoted(value, at, sound)
    return at, sound


def _tail(value: str, at: int) -> list[_Span]:
    """The first run of links behind ``at`` that is without a mistake up to the end of the value; or nothing.

    Where an odd number of quotes is to come, a link would lie within quotes. A try that fails at some point need not
    be repeated from any other link before it, as that would fail at the same point. A run without any quotes proves
    nothing: the value may have been cut off before the one that ends a title.
    """
    counted, quotes = at, value.count('"', at)
    while (resume := _RESUME.search(value, at)) is not None:
        at = resume.end()
        quotes -= value.count('"', counted, at)
        counted = at
        if quotes % 2:
            continue
        spans: list[_Span] = []
        sound = 0
        try:
            while (at := _after(_MEMBERS_GAP, value, at)) < len(value):
                link, end, sound = _link(value, at, sound)
                spans.append(_Span(at, end, link))
                at = end
        except _Damage as damage:
            at = damage.at
            continue
        return spans if sound else []
    return []

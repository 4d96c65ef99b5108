"""Which discovery tasks a Link or Location header names.

A lost id loses money, and an invented id asks for the wrong patient. So what cannot be read for certain is neither
guessed nor dropped: it is returned as an :class:`Unreadable`, with its text.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.core.intake.link_grammar import Broken, parse, percent_decoded

RAW_LIMIT_CHARS = 64 * 1024  # characters of an unreadable text that are kept

_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_UUID_SHAPE = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_NO_URI = re.compile(r'[^!-~]|[<>"\\^`{|}]')
_PAGINATION = frozenset({"next", "prev", "previous", "first", "last", "self", "start", "current"})
# The slash may be escaped, as JSON or a URL has it.
_MENTION = re.compile(r"coverage-discovery(?:/|\\/|\\u002f|%2f)", re.IGNORECASE)


class NamedTask(NamedTuple):
    """A task that was named; ``host`` is the authority (without user information) of an absolute target."""

    id: str
    title: str | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A text that should have named a task. ``raw`` and ``ref`` may be patient data; ``reason`` never is."""

    raw: str = field(repr=False)
    reason: str
    ref: str | None = field(default=None, repr=False)  # the caller's own key: it helps a person to find the task again


class TaskLinks(NamedTuple):
    """What one header value names: each id once, in order, and what a person must look at."""

    tasks: tuple[NamedTask, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


def valid_id(text: str) -> bool:
    """Whether ``text`` can be a task's id. ``x12`` cannot: it is an endpoint that stands in an id's place."""
    return _ID.fullmatch(text) is not None and text not in {".", ".."} and text.lower() != "x12"


def task_id(target: str) -> str | None:
    """The id in a URI reference: the path segment after the last ``coverage-discovery``; ``None`` without one."""
    return _place_of(target).id


def mentions(text: str) -> bool:
    """Whether a text speaks of a discovery's address. One that does, and names no task, is kept for a person."""
    return _MENTION.search(text) is not None


def unreadable(raw: str, reason: str) -> Unreadable:
    """An :class:`Unreadable` that can be stored: of bounded length, and without lone surrogates."""
    text = raw[:RAW_LIMIT_CHARS].encode("utf-8", "backslashreplace").decode()
    cut = len(raw) - RAW_LIMIT_CHARS
    return Unreadable(f"{text} [cut: {cut} more characters]" if cut > 0 else text, reason)


def unreadable_parts(text: str, reason: str) -> tuple[Unreadable, ...]:
    """All of a text, in as many values as can be kept."""
    count = -(-len(text) // RAW_LIMIT_CHARS)
    return tuple(
        unreadable(
            text[n * RAW_LIMIT_CHARS : (n + 1) * RAW_LIMIT_CHARS],
            reason + (f" (part {n + 1} of {count})" if count > 1 else ""),
        )
        for n in range(count)
    )


def read_link(value: str) -> TaskLinks:
    """The tasks that one Link value names. An empty or blank value names nothing and is no mistake.

    A task is a link with the relation ``related``, or with no ``rel`` at all, whose target has an id. Pagination is
    never one. Unreadable are: what breaks the grammar; a related link to ``coverage-discovery`` without a valid id; a
    link to an id with some other relation; and, if the whole value names no task, a related link that leads elsewhere,
    and a link that mentions ``coverage-discovery/``, be it in its query or as pagination.
    """
    tasks: dict[str, NamedTask] = {}
    broken: list[Unreadable] = []
    doubtful: list[Unreadable] = []
    for part in parse(value):
        if isinstance(part, Broken):
            broken.append(unreadable(part.raw, part.reason))
            continue
        relations, place = part.relations, _place_of(part.target)
        related = relations is None or "related" in relations
        pagination = not related and relations is not None and bool(relations & _PAGINATION)
        if related and place.id is not None:
            tasks.setdefault(place.id, NamedTask(place.id, part.title, place.host))
        elif pagination and mentions(part.raw):
            doubtful.append(unreadable(part.raw, "the link mentions coverage-discovery/, but does not name a task"))
        elif place.id is not None:
            broken.append(unreadable(part.raw, "the link leads to a discovery, but its relation is not 'related'"))
        elif related and place.discovery:
            broken.append(unreadable(part.raw, "the link leads to coverage-discovery, but holds no valid id"))
        elif mentions(part.raw):
            doubtful.append(unreadable(part.raw, "the link mentions coverage-discovery/, but names no task"))
        elif relations is not None and related:
            doubtful.append(unreadable(part.raw, "the link is 'related', but does not lead to a discovery"))
    return TaskLinks(tuple(tasks.values()), tuple(broken if tasks or broken else doubtful))


def read_location(value: str) -> TaskLinks:
    """The task that a Location value (one URI reference) names; nothing where it leads elsewhere or is blank."""
    place = _place_of(value)
    if place.id is not None:
        return TaskLinks((NamedTask(place.id, None, place.host),))
    if place.discovery or mentions(value):
        return TaskLinks((), (unreadable(value, "the location mentions coverage-discovery, but holds no valid id"),))
    if is_uuid(value.strip()):
        return TaskLinks((), (unreadable(value, "an id alone is not a location: hand it in as an ID"),))
    return TaskLinks()


def is_uuid(text: str) -> bool:
    """Whether an id has the form that the vendor's ids nearly always have. Others are recorded too, with a note."""
    return _UUID.fullmatch(text) is not None


def is_part_of_uuid(text: str) -> bool:
    """Whether a text is the beginning of a UUID, its first eight digits at least, or the end of one."""
    shape = re.sub("[0-9A-Fa-f]", "h", text)
    if not 8 <= len(shape) < len(_UUID_SHAPE):
        return False
    return _UUID_SHAPE.startswith(shape) or ("-" in shape and _UUID_SHAPE.endswith(shape))


class _Place(NamedTuple):
    """Where a link leads, as far as discoveries are concerned."""

    id: str | None
    host: str | None
    discovery: bool  # the path leads to coverage-discovery, with an id or without


def _place_of(target: str) -> _Place:
    text = target.strip(" \t\r\n")
    path, host = re.split(r"[?#]", text, maxsplit=1)[0], None
    scheme, web = _SCHEME.match(path), True
    if scheme is not None:
        path = path[scheme.end() :]
        # The path of a URN or of a mail address is none of the API's.
        web = scheme[1].lower() in {"http", "https"} and path.startswith("//")
    if path.startswith("//"):
        authority, slash, rest = path[2:].partition("/")
        host, path = authority.rpartition("@")[2].lower() or None, slash + rest
    segments = [percent_decoded(segment) for segment in path.split("/")]
    last = next((i for i in reversed(range(len(segments))) if segments[i].lower() == "coverage-discovery"), None)
    if last is None:
        return _Place(None, host, False)
    after = segments[last + 1 :]
    # A comma means that two values were joined. A dot segment would lead somewhere else once it is resolved.
    if not web or "," in path or _NO_URI.search(text) or {".", ".."} & set(after) or not after:
        return _Place(None, host, True)
    return _Place(after[0] if valid_id(after[0]) else None, host, True)

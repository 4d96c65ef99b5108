"""What a text is that is not what it was handed in as, and where it belongs. Reasons never quote the text."""

import re

from worker.core.intake.link import is_part_of_uuid, is_uuid, mentions, valid_id

NO_UUID = "not a UUID, as the vendor's ids are; recorded all the same"
CAPITALS = "a UUID in capital letters: in small letters it would be another task"
PART = "a part of a UUID: an id that was cut off is not recorded"

_UUID = re.compile(r"(?<![0-9A-Za-z-])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9A-Za-z-])", re.IGNORECASE)
_ID_KEY = re.compile(r'"id\\?"\s*:', re.IGNORECASE)
_HEADER = re.compile(r"(?:< )?(?:HTTP/|[A-Za-z][A-Za-z0-9-]*:[ \t])")
_SECRET = re.compile(r"cookie|authorization|token|secret", re.IGNORECASE)
# Headers and keys that hold ids of other things.
_OTHER_ID = re.compile(r"^x-optum-|trace|correlation|request|cookie|etag|session|span|amz", re.IGNORECASE)
_DUMP = "a dump of headers goes to --headers"


def id_notes(text: str) -> tuple[str, ...]:
    """What is said of an id that is recorded."""
    if not is_uuid(text):
        return (NO_UUID,)
    return () if text == text.lower() else (CAPITALS,)


def why_no_id(text: str) -> str:
    """Why a text is not the id of a task, and what is right for it; empty where it is one."""
    if is_part_of_uuid(text):
        return PART
    if valid_id(text):
        return ""
    return f"not a task id: {_instead_of_id(text)}"


def _instead_of_id(text: str) -> str:
    if text.lower() == "x12":
        return "x12 is an address of the API"
    if text[:1] in {"{", "["} and '"' in text:
        return "JSON lines go to --jsonl, the answer to a discovery POST to --body"
    if _HEADER.match(text):
        return f"{_DUMP}, the value of a Link header to --link"
    if "/" in text:
        return "--link takes the value of a Link header, --location an address"
    found = len(_UUID.findall(text))
    if found > 1:
        return "write several ids as arguments of their own, or one a line for `record -`"
    if found:
        return "an id stands alone, without quotes, brackets or columns"
    return "an id is 1 to 128 letters, digits or . _ ~ -"


def why_no_object(text: str) -> str:
    """What a line is that does not begin as a JSON object does."""
    if is_uuid(text):
        return "an id is not a JSON object: `record -` takes ids, one a line"
    if _HEADER.match(text):
        return f"not a JSON object: {_DUMP}"
    if text.startswith("["):
        return "a list is not a JSON object: write one object a line"
    return "not a JSON object"


def stream_of_ids(lines: list[str]) -> tuple[str, str] | None:
    """What a stream is that begins with these lines, and was handed in as ids: words, and what to do."""
    first = lines[0] if lines else ""
    if first.removeprefix("< ").startswith("HTTP/"):
        return "is a dump of headers, and no ids", "hand it in as `record --headers -`"
    return None


def stream_of_lines(lines: list[str]) -> tuple[str, str] | None:
    """The same of what was handed in as JSON lines."""
    first = "".join(lines[:2]) if lines[:1] == ["["] else "".join(lines[:1])
    if first in {"{", "[{"}:
        return "has JSON on several lines", "each object stands on one line: `jq -c . FILE | cdpoll record --jsonl -`"
    return None


def may_name(text: str) -> bool:
    """Whether a text that was refused holds what looks like an id, or an address with one."""
    return mentions(text) or _UUID.search(text) is not None or _ID_KEY.search(text) is not None


def names_uuid(name: str, value: object) -> bool:
    """Whether the value of a header or key holds a UUID that may be a task's."""
    return _UUID.search(str(value)) is not None and _OTHER_ID.search(name) is None


def telling_lines(text: str) -> str:
    """The lines of a text that may name a task. Others, and those that may hold a secret, are left out."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", text)]
    telling = [line for line in lines if mentions(line)]
    return "\n".join(telling or [line for line in lines if _UUID.search(line) and not _SECRET.search(line)])


def id_of_text(text: str) -> bool:
    """Whether a text is nothing but an id, in quotes or brackets perhaps, or several."""
    found = _UUID.sub("", text)
    return found != text and not found.strip(" \t\r\n,\"'[]{}")

"""The names of files in the spool, which others have chosen, as they may stand in our own folders."""

import re

from worker.core.instant import from_iso, iso

WHY = ".why"
"""Behind the name of a bad file: the file that says why."""

# A name may have 255 bytes; ours add an instant, a number and an ending.
_LONGEST_BYTES = 180

_STAMPED = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z-(.+)", re.DOTALL)
_UNFINISHED_ENDINGS = (".tmp", ".part", ".filepart")


def is_unfinished(name: str) -> bool:
    """Whether a name says that its file is still being written."""
    return name.startswith(".") or name.lower().endswith(_UNFINISHED_ENDINGS)


def safe(name: str) -> str:
    """A name that any program can show and any shell can take: no control characters, no dot or dash at its begin."""
    text = "".join(one if one.isprintable() and one != "\\" else "_" for one in name)
    text = text.encode()[:_LONGEST_BYTES].decode("utf-8", "ignore")
    if text.endswith(WHY):
        text += "_"
    return "_" + text[1:] if text.startswith((".", "-")) else text or "_"


def numbered(name: str, number: int) -> str:
    """The name, or, for a ``number`` above 1, another one like it."""
    if number == 1:
        return name
    stem, dot, ending = name.rpartition(".")
    return f"{stem}-{number}{dot}{ending}" if stem else f"{name}-{number}"


def stamp(now: int) -> str:
    """An instant (ms) as it stands in names: ``20260501T120000Z``."""
    return iso(now)[:19].replace("-", "").replace(":", "") + "Z"


def stamped(name: str, now: int) -> str:
    """The name of a file that was taken at ``now`` (ms)."""
    return f"{stamp(now)}-{name}"


def taken_at(name: str) -> tuple[int, str] | None:
    """When a file of that name was taken (ms), and its name before."""
    found = _STAMPED.fullmatch(name)
    if found is None:
        return None
    year, month, day, hour, minute, second, plain = found.groups()
    at = from_iso(f"{year}-{month}-{day}T{hour}:{minute}:{second}Z")
    return None if at is None else (at, plain)

"""What the keys of ``[sftp]`` may hold, where no other section holds the like."""

import re

from worker.config.kinds import Kind, Written, quoted
from worker.config.urls import read_url
from worker.core import ssh

_SEPARATORS = re.compile(r"[\s,]+")


def _host(written: Written) -> str:
    text = written.text
    if "/" in text or "@" in text:
        raise ValueError("not a host name alone; write the name or the address, and the user under username")
    if text.count(":") == 1:
        raise ValueError("holds a port; write the host alone, and the port under port")
    bare = text if text.startswith("[") or ":" not in text else f"[{text}]"
    try:
        return read_url(f"https://{bare}").host
    except ValueError:
        raise ValueError(f"{quoted(text)} is not a host name or an address; write it as in sftp.example.com") from None


def _folder(written: Written) -> str:
    text = written.text
    if ".." in text.split("/"):
        raise ValueError("holds ..; write the path of the folder without")
    return re.sub(r"/+", "/", text).rstrip("/") or "/"


def _patterns(written: Written) -> tuple[str, ...]:
    patterns = tuple(filter(None, _SEPARATORS.split(written.text)))
    if not patterns:
        raise ValueError("names nothing; write patterns of file names, as in *271*.x12")
    wrong = next((pattern for pattern in patterns if "/" in pattern), None)
    if wrong is not None:
        raise ValueError(f"{quoted(wrong)} holds a slash; write a pattern of the name alone, and the folder under drop")
    return patterns


def _identifiers(written: Written) -> tuple[str, ...]:
    found = tuple(filter(None, _SEPARATORS.split(written.text)))
    if not found:
        raise ValueError("names nothing; write your receiver ids, as in CLINIC")
    return found


def _algorithms(written: Written) -> ssh.Algorithms:
    try:
        return ssh.changed(tuple(filter(None, _SEPARATORS.split(written.text))))
    except LookupError as error:
        from worker.config.suggestion import nearest

        raise ValueError(
            f"{quoted(error.args[0], ssh.NAMES)} is not an algorithm that cdpoll knows;"
            f" {nearest(error.args[0], ssh.NAMES)}"
        ) from None


def _modern(_written: Written) -> ssh.Algorithms:
    return ssh.MODERN


HOST = Kind("host name or address", _host)
FOLDER = Kind("path of a folder on the server", _folder)
PATTERNS = Kind("patterns with `*`, `?` and `[…]`, separated by blanks or commas", _patterns, " ".join)
IDENTIFIERS = Kind("identifiers, separated by blanks or commas", _identifiers, " ".join)
ALGORITHMS = Kind("`+name` and `-name`, separated by blanks or commas", _algorithms, ssh.words_of, unset=_modern)

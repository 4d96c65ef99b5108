"""What a key may hold: each kind reads text into a value, says in words what may be written, and shows a value.

A reader raises ValueError with one line, "what is wrong; what to write"; it never repeats a secret.
"""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from worker.config.mistakes import Place
from worker.config.secret import FORMS, Secret, full_path, one_visible_line, read_reference
from worker.config.urls import Url, read_service_url, read_url
from worker.core import instant
from worker.core.schedule.cadence import Cadence
from worker.core.weekly import Weekly, read_weekly

_QUOTED_CHARACTERS = 7
_ADDRESS = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+)|localhost):(?P<port>[0-9]{1,5})")
_VENDOR_HOST, _MISPRINTED_HOST = "apigw.optum.com", "apigw-optum.com"


class Written(NamedTuple):
    """A value as text, with what is needed to read it; ``where`` is ``[section] key``."""

    text: str
    where: str
    place: Place
    environ: Mapping[str, str]

    @property
    def folder(self) -> Path | None:
        """What relative paths are relative to; None for the environment."""
        return None if self.place.file is None else self.place.file.parent


def _nothing(_written: Written) -> Any:
    return None


class Kind(NamedTuple):
    """``suffix`` is added to the key's name to name the field (``timeout`` becomes ``timeout_ms``).

    ``unset`` gives the value of a key that has no default and was not written. ``comments`` tells whether a blank
    followed by ``#`` or ``;`` is taken for a comment that stands in the wrong place.
    """

    says: str
    read: Callable[[Written], Any]
    show: Callable[[Any], str] = str
    suffix: str = ""
    unset: Callable[[Written], Any] = _nothing
    comments: bool = True


def quoted(text: str, known: Iterable[str] = ()) -> str:
    """The text for a message where it is short, or close to a known word; any other may be a secret in a wrong line."""
    from worker.config.suggestion import slip

    return f'"{text}"' if len(text) <= _QUOTED_CHARACTERS or slip(text.lower(), known) else "the value"


def _milliseconds(text: str) -> int:
    try:
        return instant.duration(text)
    except (ValueError, OverflowError):
        raise ValueError(f"{quoted(text)} is not a duration; write a number with a unit, as in 30s, 5m or 6h") from None


def span(lowest: str, highest: str) -> Kind:
    """A duration within bounds, both allowed; whole milliseconds."""
    low, high = instant.duration(lowest), instant.duration(highest)

    def read(written: Written) -> int:
        ms = _milliseconds(written.text)
        if not low <= ms <= high:
            raise ValueError(f"{quoted(written.text)} is out of range; write {lowest} to {highest}")
        return ms

    return Kind(f"duration, {lowest} to {highest}", read, instant.short, suffix="_ms")


def whole(low: int, high: int) -> Kind:
    """A whole number within bounds, both allowed."""

    def read(written: Written) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", written.text) or not low <= int(written.text) <= high:
            raise ValueError(f"{quoted(written.text)} is not a whole number from {low} to {high}; write one")
        return int(written.text)

    return Kind(f"whole number, {low} to {high}", read)


def decimal(text: str) -> float | None:
    """A plain decimal number such as ``1`` or ``0.25``; None for anything else, also for ``nan`` and ``1e3``."""
    return float(text) if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,12})?", text) else None


def plain(number: float) -> str:
    """A decimal number as the configuration writes it: ``1.0`` is ``1``, and never with an exponent."""
    return f"{number:.12f}".rstrip("0").rstrip(".")


def positive(high: int) -> Kind:
    """A decimal number above 0 and up to a bound."""

    def read(written: Written) -> float:
        value = decimal(written.text)
        if value is None or not 0 < value <= high:
            raise ValueError(f"{quoted(written.text)} is not a number above 0, up to {high}; write one, as in 0.5")
        return value

    return Kind(f"number above 0, up to {high}", read, plain)


def word(*allowed: str) -> Kind:
    """One of some words, letter case ignored."""

    def read(written: Written) -> str:
        value = written.text.lower()
        if value not in allowed:
            from worker.config.suggestion import nearest

            raise ValueError(f"{quoted(written.text, allowed)} is not known here; {nearest(value, allowed)}")
        return value

    return Kind("one of " * (len(allowed) > 1) + ", ".join(f"`{w}`" for w in allowed), read)


def _weekly(written: Written) -> Weekly | None:
    if written.text.lower() == "never":
        return None
    try:
        return read_weekly(written.text)
    except ValueError:
        raise ValueError(
            f"{quoted(written.text)} is no time of the week; write a day and a time, as in Sunday 03:00, or never"
        ) from None


def _show_weekly(value: Weekly | None) -> str:
    return "never" if value is None else str(value)


def _yes_no(written: Written) -> bool:
    if written.text.lower() not in ("yes", "no"):
        raise ValueError(f"{quoted(written.text)} is neither yes nor no; write one of them")
    return written.text.lower() == "yes"


def _yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def _plain_text(written: Written) -> str:
    if not written.text.isprintable():
        raise ValueError("holds characters that cannot be seen; write it on one line, in plain letters")
    return written.text


def _token(written: Written) -> str:
    if not re.fullmatch(r"[!-~]{1,1024}", written.text):
        raise ValueError("holds a blank or a character that is not plain ASCII, or is too long; write it without")
    return written.text


def _tokens(written: Written) -> str:
    # As RFC 6749 has scopes: each can stand in a quoted string.
    if not re.fullmatch(r"[!#-\[\]-~]+( [!#-\[\]-~]+)*", written.text):
        raise ValueError("not a list of plain ASCII words; write them with one blank between, and no quotes")
    return written.text


def _path(written: Written) -> Path:
    path = full_path(written.text, written.folder)
    if written.text.endswith(("/", "/.", "/..")) or written.text in (".", ".."):
        raise ValueError("names a folder; write the path of a file")
    return path


def _folder(written: Written) -> Path:
    return Path(os.path.normpath(full_path(written.text, written.folder)))


def _listen(written: Written) -> str:
    found = _ADDRESS.fullmatch(written.text)
    try:
        if found is None or not 0 < int(found["port"]) < 65_536:
            raise ValueError
        ip_address(found["six"] or found["four"] or "127.0.0.1")
    except ValueError:
        raise ValueError(
            f"{quoted(written.text)} is not an address; write one with a port, as in 127.0.0.1:9272 or 0.0.0.0:443"
        ) from None
    return written.text.replace("localhost", "127.0.0.1")


def _database(written: Written) -> Path:
    if written.text == ":memory:" or written.text.startswith("file:"):
        raise ValueError("not a plain path; write the path of a file, because what is recorded must outlive a crash")
    return _path(written)


def _service_url(written: Written) -> Url:
    url = read_service_url(written.text)
    if url.host.endswith(_MISPRINTED_HOST):
        # The id and the secret would go to the owner of that name.
        right = url.host.removesuffix(_MISPRINTED_HOST) + _VENDOR_HOST
        raise ValueError(f"{url.host} is a misprint of a page of the vendor's; the host is {right}")
    return url


def _base_url(written: Written) -> str:
    url = _service_url(written)
    return url.origin + url.path.rstrip("/")


def _token_url(written: Written) -> str:
    url = _service_url(written)
    return url.origin + url.path


def _page_url(written: Written) -> str:
    """The page itself, also where the address of its JSON is written."""
    url = read_service_url(written.text)
    return url.origin + re.sub(r"(/api(/v2(/(status|summary)\.json)?)?)?/*$", "", url.path)


def _cadence(written: Written) -> Cadence:
    parts = written.text.split()
    growth = decimal(parts[1][1:]) if len(parts) == 4 and parts[1].startswith("x") else None
    share = decimal(parts[3][:-1]) if len(parts) == 4 and parts[3].endswith("%") else None
    if growth is None or share is None:
        raise ValueError(
            f"{quoted(written.text)} is not a cadence; write first poll, growth, ceiling and share of the age, "
            "as in 10s x1.4 15m 10%"
        )
    cadence = Cadence(_milliseconds(parts[0]), growth, _milliseconds(parts[2]), share / 100)
    if not 1 <= cadence.first <= (most := instant.duration("30d")):
        raise ValueError(f"the first poll, {quoted(parts[0])}, is out of range; write 1ms to 30d")
    if cadence.ceiling > most:
        raise ValueError(f"the ceiling, {quoted(parts[2])}, is out of range; write at most 30d")
    if cadence.first > cadence.ceiling:
        raise ValueError(
            f"the first poll ({instant.short(cadence.first)}) is longer than the ceiling "
            f"({instant.short(cadence.ceiling)}); write a shorter first poll, or a longer ceiling"
        )
    if not 1 <= growth <= 100:
        raise ValueError(f"{quoted(written.text)} is out of range; write a growth of x1 to x100")
    if share > 100:
        raise ValueError(f"{quoted(written.text)} is out of range; write a share of 0% to 100%")
    return cadence


def show_cadence(cadence: Cadence) -> str:
    """A cadence as the configuration writes it."""
    first, ceiling = instant.short(cadence.first), instant.short(cadence.ceiling)
    return f"{first} x{plain(cadence.growth)} {ceiling} {plain(cadence.share * 100)}%"


def guard_literal(written: Written) -> None:
    """A literal secret may stand only in a file that its owner alone can read."""
    if written.place.variable is not None:
        raise ValueError(f"a secret is not taken from here as it is; write {FORMS} with another variable's name")
    if not written.place.private:
        raise ValueError(f"a secret in a file that others can read; write {FORMS}, or chmod 600 a file of your own")


def missing(written: Written) -> Secret:
    """The value of a secret that was not written."""
    return Secret(written.where, "missing")


def _secret(written: Written) -> Secret:
    secret = read_reference(written.where, written.text, written.folder, written.environ)
    if secret is None:
        guard_literal(written)
        secret = literal(written, "(literal, not shown)")
    return secret


def _name(written: Written) -> Secret:
    secret = read_reference(written.where, written.text, written.folder, written.environ)
    return secret or literal(written, written.text)


def literal(written: Written, shown: str) -> Secret:
    """A secret that is written out. ``shown`` is what may be displayed. Raises ValueError."""
    try:
        one_visible_line(written.text)
    except ValueError as error:
        raise ValueError(f"{error}; write it on one line") from None
    return Secret(written.where, "literal", written.text, shown=shown)


def _proxy(written: Written) -> Secret | None:
    secret = read_reference(written.where, written.text, written.folder, written.environ, check=_proxy_address)
    if secret is None:
        shown = _proxy_address(written.text)
        if "@" in written.text:
            guard_literal(written)
        secret = literal(written, shown)
    return secret


def _proxy_address(text: str) -> str:
    """Check a proxy's address; return it with the user information taken out."""
    scheme, separator, rest = text.partition("://")
    user, at, host = rest.rpartition("@")
    if at and not re.fullmatch(r"(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})+", user):
        raise ValueError("has a user name or password that is not well-formed; write special characters as %XX")
    url = read_url(f"{scheme}{separator}{host}")
    if url.path not in ("", "/"):
        raise ValueError("has a path; write http://host:port alone")
    return f"{url.scheme}://(not shown)@{url.origin.partition('://')[2]}" if at else url.origin


def show_secret(secret: Secret) -> str:
    """A secret as it may be displayed."""
    return secret.shown


WEEKLY = Kind("day of the week and time, or `never`", _weekly, _show_weekly)
YES_NO = Kind("`yes` or `no`", _yes_no, _yes_or_no)
TOKEN = Kind("text without blanks", _token)
TEXT = Kind("text", _plain_text)
TOKENS = Kind("words with one blank between", _tokens)
PATH = Kind("path of a file", _path)
FOLDER = Kind("path of a folder", _folder)
LISTEN = Kind("address with port", _listen)
DATABASE = Kind("path of a file", _database)
BASE_URL = Kind("https address; http to loopback addresses only", _base_url)
TOKEN_URL = Kind("https address; http to loopback addresses only", _token_url)
PAGE_URL = Kind("https address; http to loopback addresses only", _page_url)
PROXY = Kind("http or https address; one with a password is a secret", _proxy, show_secret, comments=False)
SECRET = Kind("secret: a reference", _secret, show_secret, unset=missing, comments=False)
NAME = Kind("text, or a reference as for a secret", _name, show_secret, unset=missing, comments=False)
CADENCE = Kind("duration, factor, duration, percentage", _cadence, show_cadence)

"""What the keys of ``[deliver.NAME]`` may hold, where no other section holds the like."""

import re

from worker.config.kinds import Kind, Written, guard_literal, literal, missing, quoted, show_secret
from worker.config.secret import Secret, read_reference
from worker.config.urls import read_service_url
from worker.core import instant

OUTCOMES = ("success", "failure", "batch")
TEMPLATE_FIELDS = ("ref", "id", "outcome", "seq")

_SEPARATORS = re.compile(r"[\s,]+")
_LONGEST_WAIT_MS = instant.duration("7d")
_MOST_WAITS = 50
_LONGEST_TEMPLATE_BYTES = 100
_SHELL = re.compile(r"[|&;]+|[0-9]?>.*|<.*")


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, _SEPARATORS.split(text)))


def _schedule(written: Written) -> tuple[int, ...]:
    waits = []
    for text in _words(written.text):
        try:
            waits.append(instant.duration(text))
        except (ValueError, OverflowError):
            raise ValueError(
                f"{quoted(text)} is not a duration; write the waits one after the other, as in 5s 5m 2h"
            ) from None
        if not 1 <= waits[-1] <= _LONGEST_WAIT_MS:
            raise ValueError(f"{quoted(text)} is out of range; write waits of 1ms to 7d")
    if not 1 <= len(waits) <= _MOST_WAITS:
        raise ValueError(f"not a list of 1 to {_MOST_WAITS} waits; write them as in 5s 5m 2h")
    return tuple(waits)


def _show_schedule(waits: tuple[int, ...]) -> str:
    return " ".join(map(instant.short, waits))


def _subtenants(written: Written) -> tuple[str, ...]:
    found = _words(written.text)
    if not found:
        raise ValueError("names nothing; write your subtenants, as in north south")
    return found


def _outcomes(written: Written) -> tuple[str, ...]:
    found = _words(written.text.lower())
    wrong = next((one for one in found if one not in OUTCOMES), None)
    if wrong is not None or not found:
        from worker.config.suggestion import nearest

        said = f"{quoted(wrong or '', OUTCOMES)} is not known here"
        raise ValueError(f"{said}; {nearest(wrong or '', OUTCOMES)}")
    return tuple(one for one in OUTCOMES if one in found)


def _template(written: Written) -> str:
    text = written.text.removesuffix(".json")
    fields = re.findall(r"\{([^{}]*)\}", text)
    rest = re.sub(r"\{[^{}]*\}", "", text)
    wrong = next((field for field in fields if field not in TEMPLATE_FIELDS), None)
    if wrong is not None:
        from worker.config.suggestion import nearest

        known = [f"{{{field}}}" for field in TEMPLATE_FIELDS]
        raise ValueError(f"{quoted(f'{{{wrong}}}', known)} is not known here; {nearest(f'{{{wrong}}}', known)}")
    if not {"ref", "id", "seq"} & set(fields):
        raise ValueError("every file would have the same name; write {seq}, {id} or {ref} into it")
    if not re.fullmatch(r"[A-Za-z0-9_.@+=,-]*", rest) or text.startswith("."):
        raise ValueError("holds what is not safe in the name of a file; write letters, digits and _.@+=,- around {…}")
    if len(rest) > _LONGEST_TEMPLATE_BYTES:
        raise ValueError(f"is longer than {_LONGEST_TEMPLATE_BYTES} characters; write a shorter one")
    return text


def _mode(written: Written) -> int:
    mode = int(written.text, 8) if re.fullmatch("0?[0-7]{3}", written.text) else -1
    if mode & ~0o666 or mode & 0o600 != 0o600:
        raise ValueError(f"{quoted(written.text)} is not the mode of such a file; write 0600, 0640, 0644, 0660 or 0664")
    return mode


def _show_mode(mode: int) -> str:
    return f"{mode:04o}"


def _webhook_address(text: str) -> str:
    """Check the address of a webhook; return it with the query taken out, which may be a secret."""
    address, question, query = text.partition("?")
    url = read_service_url(address)
    if not re.fullmatch(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*", query):
        raise ValueError("has a query that is not well-formed; write special characters as %XX, and no fragment")
    return url.origin + (url.path or "/") + (f"{question}(not shown)" if question else "")


def _webhook_url(written: Written) -> Secret:
    secret = read_reference(written.where, written.text, written.folder, written.environ, check=_webhook_address)
    if secret is None:
        address = _webhook_address(written.text)
        if "?" in written.text:
            guard_literal(written)
        secret = literal(written, address)
    return secret


def _signing_secret(written: Written) -> Secret:
    from worker.core.webhook import signing_key

    secret = read_reference(written.where, written.text, written.folder, written.environ, check=signing_key)
    if secret is None:
        guard_literal(written)
        signing_key(written.text)
        secret = literal(written, "(literal, not shown)")
    return secret


def _command(written: Written) -> tuple[str, ...]:
    import shlex

    try:
        words = tuple(shlex.split(written.text))
    except ValueError:
        raise ValueError(
            "a quotation mark or a backslash has no end; write both marks, as in /opt/x '--name=a b'"
        ) from None
    if not words or not words[0].startswith("/"):
        raise ValueError("does not begin with the full path of a program; write it from /")
    if any(map(_SHELL.fullmatch, words[1:])):
        raise ValueError("holds what only a shell understands, and none is started; write /bin/sh -c '…', or a script")
    return words


def _show_command(words: tuple[str, ...]) -> str:
    import shlex

    return shlex.join(words)


SCHEDULE = Kind("durations, separated by blanks or commas", _schedule, _show_schedule, suffix="_ms")
SUBTENANTS = Kind("words, separated by blanks or commas", _subtenants, " ".join)
OUTCOME_LIST = Kind("some of `success`, `failure`, `batch`, separated by blanks or commas", _outcomes, " ".join)
# With a suffix, because `name` is the name of the section among its values.
TEMPLATE = Kind("name of a file, with `{ref}`, `{id}`, `{outcome}`, `{seq}`", _template, suffix="_template")
MODE = Kind("four octal digits", _mode, _show_mode)
WEBHOOK_URL = Kind(
    "https address; http to loopback addresses only; one with a query is a secret",
    _webhook_url,
    show_secret,
    comments=False,
)
SIGNING_SECRET = Kind(
    "secret: a reference; it is `whsec_` and 24 to 64 bytes in Base64",
    _signing_secret,
    show_secret,
    unset=missing,
    comments=False,
)
COMMAND = Kind("the full path of a program, and its arguments, quoted as for a shell", _command, _show_command)

"""``cdpoll quarantine``: what came in batches and could not be understood."""

import re
from typing import Any

import click

from cli.audit import audited
from cli.groups import Group
from cli.opening import Opened, opened
from cli.output import AS_JSON, dumped, say
from cli.who import who
from worker.core.errors import BadData
from worker.store.batch import keeping
from worker.store.batch import quarantine as store
from worker.store.tasks import held_callbacks

NUMBER = re.compile(r"([fsc])(\d{1,18})", re.IGNORECASE)
NUMBERS = click.argument("numbers", metavar="NUMBER...", nargs=-1, required=True)

# What `show --bytes` prints of a file or set: enough to tell what it is.
FIRST_BYTES = 256

NOT_THERE = "is not in quarantine"

_WHY = {
    "other_tenant": "its header names another tenant",
    "not_json": "it is not JSON",
    "html": "it is a page for people",
    "too_many_values": "it has more values than any real one",
    "no_task": "it is of no task",
    "bad_id": "what it names cannot be the id of a task",
    "no_status": "it says no status",
    "unknown_status": "its status is not known to this cdpoll",
    "internal": "it breaks cdpoll itself; report it",
}


def in_words(code: str) -> str:
    """Why a callback is here."""
    return _WHY.get(code, code)


@click.group(cls=Group)
def quarantine() -> None:
    """Batch files (f1, …), single transaction sets (s1, …) and callbacks (c1, …) that wait for a person."""


@quarantine.command("list")
@AS_JSON
@click.pass_obj
def list_(obj: dict[str, Any], as_json: bool) -> None:
    """Print each with its number and the reason."""
    with opened(obj) as here:
        found = {**store.listed(here.store), "callbacks": held_callbacks.listed(here.store)}
    if as_json:
        click.echo(dumped(found))
        return
    if not any(found.values()):
        say("cdpoll: nothing is in quarantine", err=True)
        return
    say(f"{'number':<6} {'since':<24}  file: why it is here")
    for one in found["files"]:
        say(f"{one['number']:<6} {one['since']:<24}  {one['name']}: {one['reason']}")
    for one in found["sets"]:
        say(f"{one['number']:<6} {one['since']:<24}  {one['file']}, byte {one['offset']}: {one['reason']}")
    for one in found["callbacks"]:
        say(f"{one['number']:<6} {one['since']:<24}  a callback of {one['size']} bytes: {in_words(one['reason'])}")


@quarantine.command()
@click.argument("number", metavar="NUMBER")
@click.option("--bytes", "with_bytes", is_flag=True, help="Add the first bytes: they may be patient data.")
@AS_JSON
@click.pass_obj
def show(obj: dict[str, Any], number: str, with_bytes: bool, as_json: bool) -> None:
    """Print why one of these is here, and of a file where it is kept."""
    kind, seq = _parsed(number)
    by = who()
    with opened(obj) as here:
        found = _found(here, kind, seq)
        if found is None:
            raise BadData(f"{number} {NOT_THERE}", "`cdpoll quarantine list` shows what is")
        if with_bytes:
            audited(here.store, by, "showed bytes", f"{kind}{seq}", here.now)
            found["bytes"] = _first(here, kind, seq, found).decode("latin-1")
    if as_json:
        click.echo(dumped(found))
        return
    for key, value in found.items():
        if key not in ("issues", "bytes"):
            say(f"{key:<12} {value}")
    for issue in found.get("issues", []):
        say(f"issue        {issue['code']} ({issue['segment']}): {issue['message']}")
    if with_bytes:
        click.echo(f"bytes        {found['bytes']!r}")


def _found(here: Opened, kind: str, seq: int) -> dict[str, Any] | None:
    look = {"f": store.one_file, "s": store.one_set, "c": held_callbacks.one}[kind]
    return look(here.store, seq)


def _first(here: Opened, kind: str, seq: int, found: dict[str, Any]) -> bytes:
    if kind == "s":
        return store.set_bytes(here.store, seq)[:FIRST_BYTES]
    if kind == "c":
        held = held_callbacks.delivery(here.store, seq)
        return b"" if held is None else held.body[:FIRST_BYTES]
    from worker.rounds.ingest.retrying import found_elsewhere

    try:
        with keeping.kept_path(here.store.path, found["sha256"]).open("rb") as file:
            return file.read(FIRST_BYTES)
    except OSError as error:
        elsewhere = found_elsewhere(here.store, found["daemon"])
        raise BadData(f"f{seq} {elsewhere}" if elsewhere else f"{error.filename}: {error.strerror}") from error


@quarantine.command()
@NUMBERS
@AS_JSON
@click.pass_obj
def retry(obj: dict[str, Any], numbers: tuple[str, ...], as_json: bool) -> int:
    """Read these again with the present cdpoll; what is understood now is stored and leaves the quarantine."""
    from worker.config.callback import callback_rules_of
    from worker.rounds.callback.receive import retry as retry_callback
    from worker.rounds.ingest.retrying import retry_file, retry_set

    by, done, refused = who(), [], []
    parsed = [(number, *_parsed(number)) for number in numbers]
    with opened(obj, whole=True) as here:
        for number, kind, seq in parsed:
            if _found(here, kind, seq) is None:
                refused.append({"number": number, "reason": NOT_THERE})
                continue
            # Before: one that is killed may have read it.
            audited(here.store, by, "retried in quarantine", f"{kind}{seq}", here.now)
            if kind == "c":
                code = retry_callback(here.store, seq, callback_rules_of(here.config), here.now)
                reason = None if code is None else f"Still here: {in_words(code)}"
            elif kind == "f":
                reason = retry_file(here.store, seq, here.now, here.hold_rules)
            else:
                reason = retry_set(here.store, seq, here.now, here.hold_rules)
            if reason is None:
                done.append(number)
            else:
                refused.append({"number": number, "reason": reason})
    return _tell(done, refused, "was read, and has left the quarantine", as_json)


@quarantine.command()
@NUMBERS
@AS_JSON
@click.pass_obj
def drop(obj: dict[str, Any], numbers: tuple[str, ...], as_json: bool) -> int:
    """Delete these for good: a file or callback with its bytes, a set so that it does not come back with another
    file."""
    by, done, refused = who(), [], []
    parsed = [(number, *_parsed(number)) for number in numbers]
    with opened(obj) as here:
        for number, kind, seq in parsed:
            dropping = {"f": store.drop_file, "s": store.drop_set, "c": held_callbacks.drop}[kind]
            if dropping(here.store, seq, here.now, by):
                done.append(number)
            else:
                refused.append({"number": number, "reason": NOT_THERE})
    return _tell(done, refused, "was dropped", as_json)


def _parsed(number: str) -> tuple[str, int]:
    match = NUMBER.fullmatch(number)
    if match is None:
        raise BadData(
            f"{number} is not the number of a file, set or callback",
            "write it as `cdpoll quarantine list` does: f3, s17, c2",
        )
    return match[1].lower(), int(match[2])


def _tell(done: list[str], refused: list[dict[str, str]], said: str, as_json: bool) -> int:
    """Say what was done; 65 if nothing was, 1 if a part of it."""
    if as_json:
        click.echo(dumped({"done": done, "refused": refused}))
    else:
        for number in done:
            click.echo(f"{number} {said}")
        for one in refused:
            # What a reader says is a sentence of its own; of a number that is unknown it is the rest of one.
            between = ":" if one["reason"][:1].isupper() else ""
            say(f"cdpoll: {one['number']}{between} {one['reason']}", err=True)
        if any(one["reason"] == NOT_THERE for one in refused):
            say("        `cdpoll quarantine list` shows what is", err=True)
    if not refused:
        return 0
    return 1 if done else 65

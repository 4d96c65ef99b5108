"""``cdpoll record``: make ids durable. Exit 0 means that they are on the disk."""

import codecs
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import IO, Any

import click

from cli.opening import Opened, opened
from cli.output import AS_JSON, dumped, say
from worker.clock import Clock
from worker.config.polling import schedule_of
from worker.core.errors import BadData
from worker.core.intake.json_recording import from_body, from_jsonl_line
from worker.core.intake.recording import Intake, from_headers, from_ids, from_link, from_location
from worker.store.state.api import bind_origin
from worker.store.tasks import recording

# A dump or a body larger than this is no answer of the vendor's.
MOST_INPUT_BYTES = 16 * 1024 * 1024

# Read from JSONL at a time; a pipe hands over what it has, and each piece is a commit.
PIECE_BYTES = 128 * 1024

# Stands for a line that is longer than MOST_INPUT_BYTES: unreadable, under its own number.
TOO_LONG = b"(a line longer than 16 MiB)"


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--link", "links", metavar="VALUE", multiple=True, help="The value of a Link header.")
@click.option("--location", "locations", metavar="VALUE", multiple=True, help="The value of a Location header.")
@click.option(
    "--headers", metavar="FILE", type=click.File("rb"), help="A dump as of `curl -D FILE`; - is standard input."
)
@click.option("--body", metavar="FILE", type=click.File("rb"), help="The 202 or 207 answer to a discovery POST.")
@click.option("--jsonl", metavar="FILE", type=click.File("rb"), help="One JSON object a line.")
@click.option("--ref", metavar="TEXT", help="Your own key (account, encounter, claim); goes out with the result.")
@click.option("--correlation-id", metavar="TEXT", help="The x-optum-correlation-id of the request.")
@AS_JSON
@click.pass_obj
def record(
    obj: dict[str, Any],
    ids: tuple[str, ...],
    links: tuple[str, ...],
    locations: tuple[str, ...],
    headers: IO[bytes] | None,
    body: IO[bytes] | None,
    jsonl: IO[bytes] | None,
    ref: str | None,
    correlation_id: str | None,
    as_json: bool,
) -> int:
    """Make the ids of discoveries durable; harmless to repeat.

    Exit 0: every id is on the disk and will be polled. Exit 65: something could not be read; what could be read is
    recorded all the same, and the rest is kept raw.
    """
    if not (ids or links or locations or headers or body or jsonl):
        raise click.UsageError("nothing to record: give an ID, --link, --location, --headers, --body or --jsonl")
    about = {"ref": ref, "correlation_id": correlation_id}
    refused: list[BadData] = []

    def intakes() -> Iterator[list[Intake]]:
        """Parts; each is one commit or more."""
        yield [from_ids(ids, **about)]
        yield [from_link(value, **about) for value in links]
        yield [from_location(value, **about) for value in locations]
        for source, reader in ((headers, from_headers), (body, from_body)):
            if source is not None:
                try:
                    yield [reader(_whole(source), name=_name(source), **about)]
                except BadData as error:
                    refused.append(error)
        if jsonl is not None:
            number = 0
            for lines in _lines(jsonl):
                yield [from_jsonl_line(line, n, **about) for n, line in enumerate(lines, number + 1)]
                number += len(lines)

    with opened(obj, create=True) as here:
        summary = _record(here, intakes(), ref)
    for error in refused:
        summary.complain(error.message, error.hint)
    summary.tell(as_json)
    return 65 if refused or summary.unreadable else 0


class _Summary:
    """What has been done so far, each id once."""

    def __init__(self) -> None:
        self.recorded: dict[str, None] = {}
        self.known: dict[str, None] = {}
        self.abandoned: dict[str, None] = {}
        self.unreadable: list[dict[str, str]] = []
        self.notes: list[str] = []

    @staticmethod
    def complain(message: str, hint: str = "") -> None:
        say(f"cdpoll: {message}", *([f"        {hint}"] if hint else []), err=True)

    def tell(self, as_json: bool) -> None:
        for note in self.notes:
            say(f"note: {note}", err=True)
        for item in self.unreadable:
            self.complain(f"unreadable, kept raw: {item['reason']}", "`cdpoll unreadable list` shows it")
        if self.abandoned:
            still = ", ".join(self.abandoned)
            self.complain(f"{len(self.abandoned)} abandoned and still so: {still}", "`cdpoll retry ID` revives them")
        if as_json:
            done = {
                "recorded": list(self.recorded),
                "known": list(self.known),
                "spooled": 0,
                "unreadable": self.unreadable,
            }
            click.echo(dumped(done))
        else:
            for word, found in (("recorded", self.recorded), ("known", self.known)):
                for task_id in found:
                    click.echo(f"{word} {task_id}")


def _record(here: Opened, parts: Iterable[list[Intake]], ref: str | None) -> _Summary:
    origin = here.origin
    if origin:
        bind_origin(here.store, origin)
    summary = _Summary()
    clock = Clock()
    for batch in parts:
        if not any(intake.recordings or intake.unreadable or intake.notes for intake in batch):
            continue
        done = recording.record(
            here.store,
            [found for intake in batch for found in intake.recordings],
            [replace(item, ref=item.ref or ref) for intake in batch for item in intake.unreadable],
            origin=origin,
            now=clock.now(),
            # Where [polling] has a mistake, this is the default. Only the time of the first poll is planned by it: the
            # daemon plans every other by the configuration that it has.
            schedule=schedule_of(here.config.polling),
        )
        summary.recorded.update(dict.fromkeys(done.new))
        summary.known.update((i, None) for i in done.known if i not in summary.recorded)
        summary.abandoned.update(dict.fromkeys(done.abandoned))
        summary.unreadable += [{"raw": u.raw, "reason": u.reason} for i in batch for u in i.unreadable]
        summary.notes += [note for i in batch for note in i.notes]
    return summary


def _whole(source: IO[bytes]) -> bytes:
    data = source.read(MOST_INPUT_BYTES + 1)
    if len(data) > MOST_INPUT_BYTES:
        raise BadData(f"{_name(source)} is larger than {MOST_INPUT_BYTES >> 20} MiB", "hand in one answer at a time")
    return data


def _lines(source: IO[bytes]) -> Iterator[list[bytes]]:
    """The lines as they come. Each piece that a slow pipe brings is recorded at once."""
    rest, too_long = b"", False
    decode: Callable[[bytes], str] | None = None
    while piece := os.read(source.fileno(), PIECE_BYTES):
        if not rest and piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            decode = codecs.getincrementaldecoder("utf-16")("replace").decode  # as PowerShell writes files
        if decode is not None:
            piece = decode(piece).encode()
        *lines, rest = (rest + piece).split(b"\n")
        if too_long and lines:
            lines, too_long = [TOO_LONG, *lines[1:]], False
        if len(rest) > MOST_INPUT_BYTES:
            rest, too_long = b"", True
        yield lines
    yield [TOO_LONG if too_long else rest]


def _name(source: IO[bytes]) -> str:
    name = getattr(source, "name", "")
    return "standard input" if source.fileno() == sys.stdin.fileno() or not isinstance(name, str) else name

"""``cdpoll record``: make ids durable. Exit 0 means that they are on the disk."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import IO, Any

import click

from cli.handed_in import GZIP, begin_of, lines_of, name_of, opened_files, refuse_a_stream_twice, rest_of, whole_of
from cli.opening import Opened
from cli.output import AS_JSON
from cli.record_summary import Summary
from cli.spooling import WayIn, way_in
from worker.clock import Clock
from worker.config.polling import schedule_of
from worker.core.errors import BadData, CdpollError
from worker.core.intake.intake import Intake, merge
from worker.core.intake.json_documents import text_of
from worker.core.intake.lengths import length_trouble
from worker.core.intake.link import Unreadable, is_uuid, unreadable, unreadable_parts
from worker.core.intake.misplaced import may_name, stream_of_ids, stream_of_lines, telling_lines
from worker.core.intake.pieces import Piece
from worker.core.intake.recording import (
    from_headers,
    from_id,
    from_id_line,
    from_link,
    from_location,
    from_lookup,
    mention_of,
)
from worker.store.state import responses
from worker.store.state.api import bind_origin
from worker.store.tasks import recording

_FILE = click.Path()

_Source = tuple[IO[bytes], Callable[..., Intake]]


@click.command()
@click.argument("ids", metavar="[ID|-]...", nargs=-1)
@click.option("--link", "links", metavar="VALUE", multiple=True, help="The value of a Link header.")
@click.option("--location", "locations", metavar="VALUE", multiple=True, help="The value of a Location header.")
@click.option("--headers", metavar="FILE", type=_FILE, multiple=True, help="A dump as of `curl -D FILE`.")
@click.option("--body", "bodies", metavar="FILE", type=_FILE, multiple=True, help="The answer to a discovery POST.")
@click.option("--jsonl", metavar="FILE", type=_FILE, multiple=True, help="One JSON object a line.")
@click.option(
    "--ref", "refs", metavar="TEXT", multiple=True, help="Your own key (account, claim); goes out with the result."
)
@click.option(
    "--correlation-id",
    "correlation_ids",
    metavar="TEXT",
    multiple=True,
    help="The x-optum-correlation-id of the request.",
)
@click.option(
    "--lookup",
    "wanted",
    metavar="CORRELATION_ID",
    help="The answer was not seen: look for what the request began by its x-optum-correlation-id.",
)
@click.option("--subtenant", metavar="TEXT", help="Whose tasks these are: a tag that goes out with the results.")
@AS_JSON
@click.pass_obj
def record(
    obj: dict[str, Any],
    ids: tuple[str, ...],
    links: tuple[str, ...],
    locations: tuple[str, ...],
    headers: tuple[str, ...],
    bodies: tuple[str, ...],
    jsonl: tuple[str, ...],
    refs: tuple[str, ...],
    correlation_ids: tuple[str, ...],
    wanted: str | None,
    subtenant: str | None,
    as_json: bool,
) -> int:
    """Make the ids of discoveries durable; harmless to repeat.

    - is standard input: as a FILE, and as an ID for ids, one a line. Options may be repeated; every id gets every ref.

    Exit 0: every id is on the disk and will be polled. Exit 65: something could not be read; what could be read is
    recorded all the same, and the rest is kept raw.
    """
    if not (ids or links or locations or headers or bodies or jsonl or wanted is not None):
        raise click.UsageError(
            "nothing to record: give an ID, --link, --location, --headers, --body, --jsonl or --lookup"
        )
    if wanted is not None and len({ref for ref in refs if ref.strip()}) > 1:
        raise click.UsageError("--lookup takes one --ref: give what is found the others with `cdpoll record ID --ref`")
    if len(correlation_ids) > 1:
        raise click.UsageError("--correlation-id is given twice: record what belongs to each of them apart")
    summary = Summary()
    about = _About(
        _refs(refs, summary) or (None,),
        next((text for text in correlation_ids if text.strip()), None),
        (subtenant or "").strip() or None,
    )
    tags = [] if subtenant is None else [subtenant]
    for option, texts in (("--ref", refs), ("--correlation-id", correlation_ids), ("--subtenant", tags)):
        if not all(text.strip() for text in texts):
            summary.notes.add(f"{option} is empty: it is left out")
    with ExitStack() as stack:
        # Before the database is opened: that gives up root for its owner, who may not be able to read these files.
        streams = opened_files((task_id for task_id in ids if task_id == "-"), stack, summary.refused)
        dumps, answers, lines = (opened_files(paths, stack, summary.refused) for paths in (headers, bodies, jsonl))
        refuse_a_stream_twice([*streams, *dumps, *answers, *lines])
        files: list[_Source] = [(file, from_headers) for file in dumps]
        line_sources: list[_Source] = [(stream, from_id_line) for stream in streams]
        if answers or lines:
            # Only here: nearly all calls hand in headers, and each would pay for it.
            from worker.core.intake.json_bodies import from_body
            from worker.core.intake.json_lines import from_jsonl_line

            files += [(file, from_body) for file in answers]
            line_sources += [(file, from_jsonl_line) for file in lines]

        def parts() -> Iterator[list[Piece]]:
            """Each is one commit or more."""
            yield [_id_piece(task_id, n, about, summary) for n, task_id in enumerate(ids, 1) if task_id != "-"]
            yield [Piece(_value(value, from_link, about, summary)) for value in links]
            yield [Piece(_value(value, from_location, about, summary)) for value in locations]
            yield [Piece(_value(text, from_lookup, about, summary)) for text in [wanted] if text is not None]
            for source, read in files:
                yield [Piece(_whole(source, read, about, summary))]
            for source, read_line in line_sources:
                yield from _lines(source, read_line, about, summary, alone=len(line_sources) == 1)

        with way_in(obj) as way:
            _record(way, parts(), summary)
    summary.tell(as_json)
    return 65 if summary.refused or summary.unreadable else 0


@dataclass(frozen=True, slots=True)
class _About:
    """What the command line says of all ids: every ref (or none); the subtenant, where a line names no other one."""

    refs: tuple[str | None, ...]
    correlation_id: str | None
    subtenant: str | None

    def of(self, read: Callable[..., Intake], value: Any, **more: Any) -> Intake:
        """What ``read`` makes of a value, for every ref."""
        found = [read(value, **more, ref=ref, correlation_id=self.correlation_id) for ref in self.refs]
        lost: dict[Unreadable, None] = {}
        for ref, intake in zip(self.refs, found, strict=True):
            lost.update((replace(item, ref=item.ref or ref), None) for item in intake.unreadable)
        whole = merge(found)
        # Notes, and what names no task, are the same for every ref: they count once.
        named = replace(found[0], recordings=whole.recordings, lookups=whole.lookups, expected=whole.expected)
        return replace(named, unreadable=tuple(lost)).of_subtenant(self.subtenant)


def _refs(refs: tuple[str, ...], summary: Summary) -> tuple[str, ...]:
    """Those that can be kept. Of one that is too long the exit code tells: what came is recorded without it."""
    told = [ref for ref in dict.fromkeys(refs) if ref.strip()]
    long = [trouble for ref in told if (trouble := length_trouble("ref", ref))]
    if long:
        cure = "give the ids a shorter one: `cdpoll record ID --ref TEXT`"
        summary.refused.append(BadData(f"--ref {long[0]}: the ids are recorded without it", cure))
    return tuple(ref for ref in told if not length_trouble("ref", ref))


def _id_piece(text: str, number: int, about: _About, summary: Summary) -> Piece:
    if not is_uuid(text.strip()) and os.path.exists(text) and not os.path.isdir(text):  # noqa: PTH110, PTH112
        # What it holds was meant. Its name would be polled for 45 days.
        message = f"{text} is a file: an ID is the id of one task"
        summary.refused.append(
            BadData(message, f"ids, one a line: `cdpoll record - < {text}`; a dump of headers: `--headers {text}`")
        )
        return Piece(Intake())
    return Piece(_value(text, from_id, about, summary), "ID", number)


def _value(text: str, read: Callable[..., Intake], about: _About, summary: Summary) -> Intake:
    try:
        return about.of(read, text)
    except BadData as error:
        summary.refused.append(error)
        return Intake(without_task=int(read is from_link))


def _whole(source: IO[bytes], read: Callable[..., Intake], about: _About, summary: Summary) -> Intake:
    """What a dump or a body names. One that is refused is kept raw if it may name a task: of a dump the lines that may,
    for others may hold secrets."""
    data = b""
    try:
        data = whole_of(source)
        return about.of(read, data, name=name_of(source))
    except BadData as error:
        text = text_of(data)
        if read is not from_headers and may_name(text):
            said = f"{error.message}; {error.hint}" if error.hint else error.message
            return about.of(lambda text, **_: Intake(unreadable=(unreadable(text, said),)), text)
        summary.refused.append(error)
        if not telling_lines(text):
            return Intake()
        return about.of(lambda text, **_: Intake(unreadable=(mention_of(text),)), text)


def _lines(
    source: IO[bytes], read: Callable[..., Intake], about: _About, summary: Summary, *, alone: bool
) -> Iterator[list[Piece]]:
    """What the lines of a file name; ``alone``: no other file is read line by line, so its name need not be said."""
    place = "line" if alone else f"{name_of(source)}, line"
    number, empty = 0, True
    batches = lines_of(source)
    for lines in batches:
        found = []
        if lines and not number and lines[0].startswith(GZIP):
            summary.refused.append(
                BadData(f"{name_of(source)} is packed with gzip", "unpack it first: `gunzip -c FILE | cdpoll record …`")
            )
            return
        if empty and (begun := begin_of(lines)):
            wrong = (stream_of_ids if read is from_id_line else stream_of_lines)(begun)
            if wrong is not None:
                try:
                    rest = rest_of(lines, batches, name_of(source))
                    yield [Piece(_misplaced(rest, source, wrong, about, summary))]
                except BadData as error:
                    summary.refused.append(error)
                return
        for line in lines:
            number += 1
            found.append(Piece(about.of(read, line, place=f"{place} {number}"), place, number))
        empty = empty and all(piece.intake.empty for piece in found)
        yield found
    if empty:
        summary.notes.add(f"{name_of(source)} is empty: nothing is recorded from it")


def _misplaced(text: str, source: IO[bytes], wrong: tuple[str, str], about: _About, summary: Summary) -> Intake:
    """All of a stream that is of another kind, kept as one: of a dump the lines that may name a task."""
    what, hint = wrong
    reason = f"{name_of(source)} {what}; {hint}"
    kept = text if text.lstrip()[:1] in ("{", "[") else telling_lines(text)
    if not kept:
        summary.refused.append(BadData(f"{name_of(source)} {what}", hint))
        return Intake()
    return about.of(lambda text, **_: Intake(unreadable=unreadable_parts(text, reason)), kept)


def _record(way: WayIn, parts: Iterable[list[Piece]], summary: Summary) -> None:
    clock = Clock()
    for pieces in parts:
        found = [piece for piece in pieces if not piece.intake.empty]
        if not found:
            continue
        now = clock.now()
        whole = merge(piece.intake for piece in found)
        if way.here is not None:
            try:
                _into_database(way.here, whole, now, summary)
                responses.count(way.here.store, (piece.intake for piece in found), now)
            except CdpollError as error:
                way.go_without(error)
        if way.here is None:
            way.leave(whole, now)
            summary.add_left(whole)
        summary.unreadable.update(((item.raw, item.reason), None) for item in whole.unreadable)
        summary.notes.of(found, now)
    if summary.left:
        summary.notes.add(way.note(summary.left))


def _into_database(here: Opened, whole: Intake, now: int, summary: Summary) -> None:
    origin = here.origin
    if origin:
        bind_origin(here.store, origin)
    if not (whole.recordings or whole.awaited or whole.unreadable):
        return
    done = recording.record_all(
        here.store,
        whole,
        origin=origin,
        now=now,
        # Where [polling] has a mistake, this is the default; with one in [callback], it is as without that.
        # Only the time of the first poll is planned by it: the daemon plans every other by the configuration
        # that it has.
        schedule=schedule_of(here.config),
    )
    summary.add(done)

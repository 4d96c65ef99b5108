"""What ``ingest`` reports of each file, with or without a drop behind it: progress, JSON, words, exit code."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click

from cli.output import dumped, plain, say
from worker.core.problems import counted
from worker.store.db.store import Store

# A file smaller than this is read before a bar could be seen.
SHOWN_WITH_A_BAR_BYTES = 4 * 1024 * 1024

COUNTS = ("interchanges", "transaction_sets", "subscribers", "matched", "candidates", "unmatched", "quarantined_sets")


@contextmanager
def bar(name: str, size: int) -> Iterator[Any]:
    """Progress on a long file, on a terminal; else nothing."""
    if size < SHOWN_WITH_A_BAR_BYTES or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(escape(plain(name)), total=size)
        yield lambda at, _size: shown.update(task, completed=at)


def read_older(store: Store, now: int) -> None:
    """Read anew what an earlier cdpoll read: where no daemon runs, only this does."""
    from worker.rounds.ingest.deriving import derive_missing
    from worker.store.batch import rereading

    if many := rereading.how_many(store):
        said = f"{counted(many, 'answer')} that an earlier cdpoll read {'is' if many == 1 else 'are'} read anew"
        say(f"cdpoll: {said}", err=True)
    while derive_missing(store, now):
        pass


def report_json(report: Any) -> dict[str, Any]:
    """A report in the documented form."""
    counts = asdict(report.counts)
    return {
        "name": report.name,
        "sha256": report.sha256,
        "state": report.state,
        **{name: counts[name] for name in COUNTS},
        "test_answers": counts["test_answers"],
        "known_sets": counts["known_sets"],
        "other_sets": counts["other_sets"],
        "warnings": [asdict(one) for one in report.warnings],
        "reason": report.reason,
        "as_is": report.as_is,
        "number": None if report.number is None else f"f{report.number}",
    }


def exit_code(reports: list[dict[str, Any]]) -> int:
    """1 if anything came in that wants a person, else 0."""
    good = {"ingested", "known", "skipped"}
    fine = all(one["state"] in good and (one["state"] == "known" or not one["quarantined_sets"]) for one in reports)
    return 0 if fine else 1


def show(reports: list[dict[str, Any]], as_json: bool) -> None:
    """Print what became of each file."""
    if as_json:
        click.echo(dumped({"files": reports}))
        return
    for one in reports:
        say(f"{one['name']}: {in_words(one)}")
        for warning in one["warnings"]:
            say(f"    {warning['code']}: {warning['message']}")


# Of a file of which a dry run has told.
_WOULD = {
    "ingested": "would be ingested",
    "known": "known already",
    "quarantined": "would go into quarantine",
    "incomplete": "incomplete",
    "skipped": "would be skipped",
}


def in_words(one: dict[str, Any]) -> str:
    """What became of a file, in one line; ``one`` is its report as JSON."""
    state = _WOULD[one["state"]] if one.get("dry_run") else one["state"]
    if one["reason"] and not one["as_is"]:
        return f"{state}. {one['reason']}"
    if one["state"] == "known":
        added = "would be" if one.get("dry_run") else "was"
        return f"{state}: the same content came in before, so nothing {added} added"
    said = f"{state}, {counted(one['transaction_sets'], 'transaction set')}"
    said += f" ({one['known_sets']} known before)" if one["known_sets"] else ""
    kinds = ("matched", "candidates", "unmatched")
    said += (
        f", {counted(sum(one[kind] for kind in kinds), 'answer')}: {', '.join(f'{one[kind]} {kind}' for kind in kinds)}"
    )
    said += f"; {one['test_answers']} more held back as tests" if one["test_answers"] else ""
    said += f"; {counted(one['quarantined_sets'], 'set')} in quarantine" if one["quarantined_sets"] else ""
    said += f"; {counted(one['other_sets'], 'set')} of another kind, not kept" if one["other_sets"] else ""
    return said + (f"; taken as it is, although incomplete. {one['reason']}" if one["as_is"] else "")

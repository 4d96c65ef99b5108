"""``cdpoll purge``: remove what is older than a given age, and rewrite the file that it stood in."""

from typing import Any

import click

from cli.age import age
from cli.audit import audited, note_act
from cli.opening import Opened, opened
from cli.output import AS_JSON, dumped, say
from cli.who import who
from worker.core.errors import TryLater
from worker.core.instant import iso, words
from worker.core.problems import counted
from worker.daemon.retention_lane import terms_of
from worker.rounds.retention.purge import Purged, foreseen, purge, rewrite
from worker.store.retention import noted
from worker.store.retention.purging import waiting
from worker.store.retention.undelivered import Limit

Json = dict[str, Any]

# Of the files that go, or would go.
NAMED_FILES = 20


@click.command("purge")
@click.option("--older-than", "age_ms", metavar="D", required=True, callback=age, help="An age: 90d, 12h.")
@click.option("--yes", is_flag=True, help="Do it. Without this, only what would go is told.")
@AS_JSON
@click.pass_obj
def purge_command(obj: Json, age_ms: int, yes: bool, as_json: bool) -> int:
    """Remove what the tasks, batches and texts of this age say of patients; ids, times and outcomes stay.

    Pending tasks stay as they are, and what a way out has not delivered yet. With --yes the file of the database is
    rewritten afterwards: writers wait meanwhile.
    """
    by = who()
    with opened(obj, whole=True, patient=True) as here:
        terms = terms_of(here.config, here.now - age_ms, thorough=True)
        limit = terms.limit
        stay = waiting(here.store, limit)
        if not yes:
            purged = foreseen(here.store, terms)
            _tell(here, age_ms, limit, purged, _ending(stay), as_json)
            return 0
        purged = Purged()
        # Before, too: one that is killed, or meets a full disk, has removed something.
        age = f"older than {words(age_ms)}"
        note_act(here.store, by, "began a purge", age, here.now)
        early = why_not = None
        try:
            for _ in purge(here.store, terms, here.now, purged):
                pass
        except TryLater as error:
            early = f"{error.message}: {error.hint}"
        try:
            why_not = early or (rewrite(here.store, here.now) if noted.get(here.store).get("rows") else None)
        except TryLater as error:
            why_not = f"{error.message}: {error.hint}"
        audited(here.store, by, "purged", f"{age}: {counted(purged.removed.tasks, 'task')}", here.now)
        _tell(here, age_ms, limit, purged, _ending(stay, done=True, early=early is not None, why_not=why_not), as_json)
    return 1 if why_not or purged.failed else 0


def _ending(pending: int, *, done: bool = False, early: bool = False, why_not: str | None = None) -> Json:
    """``early``: not all was removed."""
    return {
        "pending": pending,
        "done": done and not early,
        "changed": done,
        "rewritten": done and why_not is None,
        "why_not": why_not,
    }


def _tell(here: Opened, age_ms: int, limit: Limit, purged: Purged, ending: Json, as_json: bool) -> None:
    removed, files = purged.removed, purged.files
    if as_json:
        told = {
            "database": here.store.name,
            "before": iso(limit.before),
            "done": ending["done"],
            "removed": {name: getattr(removed, name) for name in _NOUNS},
            "stay": {"pending": ending["pending"], "undelivered": removed.undelivered},
            "deleted": [str(path) for path in files.all],
            "foreign": [str(path) for path in files.foreign],
            "failed": purged.failed,
            "rewritten": ending["rewritten"],
            "why_not": ending["why_not"],
        }
        click.echo(dumped(told))
        return
    verb = "removed" if ending["changed"] else "would be removed"
    say(f"{verb} of what is older than {words(age_ms)} ({iso(limit.before)}):")
    listed = [f"{n} {one if n == 1 else more}" for name, (one, more) in _NOUNS.items() if (n := getattr(removed, name))]
    say(*(f"  {line}" for line in listed or ["nothing"]))
    say(*(f"  the file {path}" for path in files.all[:NAMED_FILES]))
    if len(files.all) > NAMED_FILES:
        say(f"  and {counted(len(files.all) - NAMED_FILES, 'more file')}; --json names all")
    if ending["pending"]:
        say(f"stay: {counted(ending['pending'], 'task')} still pending")
    if removed.undelivered:
        say(f"stay: {removed.undelivered} of the tasks and files, with a result that is not delivered yet")
    say(*(f"left alone, for cdpoll did not make it: {path}" for path in files.foreign))
    say(*(f"cdpoll: not deleted: {line}" for line in purged.failed), err=True)
    if not ending["changed"]:
        say("nothing was changed; --yes does it, and rewrites the file of the database")
    elif not ending["done"]:
        say(f"cdpoll: this ended early, and not everything is removed: {ending['why_not']}", err=True)
    elif ending["why_not"]:
        say(f"cdpoll: the rows are removed, and still stand in the file: {ending['why_not']}", err=True)
    else:
        say("the file of the database was rewritten: nothing of it is left in there")


_NOUNS = {
    "tasks": ("task", "tasks"),
    "answers": ("answer of a batch", "answers of batches"),
    "files": ("batch file", "batch files"),
    "quarantined": ("file or set in quarantine", "files or sets in quarantine"),
    "bodies": ("body without a task", "bodies without a task"),
    "unreadable": ("unreadable text", "unreadable texts"),
    "lookups": ("discovery that was looked for", "discoveries that were looked for"),
    "expected": ("expected answer", "expected answers"),
    "others": ("name of a file of the drop", "names of files of the drop"),
}

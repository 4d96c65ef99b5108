"""Tasks as a table for people: relative times, fitted to the terminal; and a line that says why there are none."""

from collections.abc import Iterable

from cli.output import say
from cli.table import Column, output_width, say_left_out, table_lines
from worker.core.instant import about, from_iso
from worker.core.problems import counted
from worker.store.db.store import Store
from worker.store.tasks import tallies
from worker.store.views.tasks import Json, Wanted

_NAMED_CODES = 5


def echo_tasks(pages: Iterable[list[Json]], now: int, *, failing: bool) -> bool:
    """Print the table; whether there was a task in it. ``failing``: the reason is what the list is asked for."""
    columns = (
        Column("id"),
        Column("state"),
        Column("outcome", 1),
        Column("when"),
        Column("polls", 2),
        Column("last error", 0 if failing else 3, cut=True, least=14),
        Column("ref", 4, cut=True),
        Column("recorded", 5),
    )
    printed = False
    left_out: list[str] = []
    rows = ([_cells(row, now) for row in page] for page in pages)
    for line in table_lines(columns, rows, output_width(), left_out):
        say(line)
        printed = True
    say_left_out(left_out)
    return printed


def _cells(row: Json, now: int) -> list[str]:
    """In the order of the columns."""
    recorded = from_iso(row["recorded_at"])
    return [
        row["id"],
        "purged" if row["purged_at"] else row["state"] or "?",
        row["outcome"] or "",
        _when(row, now),
        str(row["polls"]),
        row["last_error"] or "",
        ", ".join(row["refs"]),
        "" if recorded is None else f"{about(now - recorded)} ago",
    ]


def _when(row: Json, now: int) -> str:
    """When the next poll is due, or when the task was concluded or abandoned."""
    due, ended = from_iso(row["due_at"]), from_iso(row["concluded_at"] or row["abandoned_at"])
    if due is None:
        return "" if ended is None else f"{about(now - ended)} ago"
    if due > now:
        return f"due in {about(due - now)}"
    return "due now" if now - due < 1000 else f"due for {about(now - due)}"


def why_empty(store: Store, wanted: Wanted) -> str:
    """Why a list of these tasks has no line."""
    many_tasks = sum(tallies.by_state(store).values())
    if not many_tasks:
        return "no task was recorded yet"
    if wanted.ref is not None:
        return "no such task has that ref; refs keep their letter case"
    if wanted.subtenant is not None:
        return "no such task was recorded with that subtenant; subtenants keep their letter case"
    if wanted.unconfirmed:
        return "the vendor has confirmed each callback that it was asked about"
    if wanted.overdue_after is not None and wanted.failing is None:
        return "no task is overdue"
    if wanted.failing is not None:
        return _none_fails(store, wanted.failing)
    return f"no task is {wanted.state}"


def _none_fails(store: Store, code: str) -> str:
    said = f"no pending task fails with {code}" if code else "no pending task fails"
    others = [f"{other} ({counted(n, 'task')})" for other, n in tallies.by_error(store).items() if other != code]
    if not others:
        return said
    more = f" and {len(others) - _NAMED_CODES} more" if len(others) > _NAMED_CODES else ""
    return f"{said}; the last polls failed with: {', '.join(others[:_NAMED_CODES])}{more}"

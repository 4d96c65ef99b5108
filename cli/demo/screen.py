"""What the demo shows: progress, and at its end a table, a small chart, and what to type next."""

from collections import Counter
from pathlib import Path

from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table

from cli.demo.ending import Ending, Picture
from cli.demo.run import SPEED_FACTOR
from cli.sandbox_files import own_name
from worker.core.instant import words

# Times to a result: up to this many ms, and what to call it.
BINS_MS = (
    (500, "under 0.5 s"),
    (1_000, "0.5 to 1 s"),
    (2_000, "1 to 2 s"),
    (4_000, "2 to 4 s"),
    (8_000, "4 to 8 s"),
    (10**15, "over 8 s"),
)


def live(picture: Picture) -> RenderableType:
    """The picture while the demo runs."""
    done = picture.success + picture.failure
    table = Table.grid(padding=(0, 2))
    table.add_row(
        "checks submitted", f"{picture.submitted} of {picture.checks}", _bar(picture.submitted, picture.checks)
    )
    table.add_row("tasks concluded", f"{done} of {picture.recorded}", _bar(done, max(picture.recorded, 1)))
    table.add_row("found coverage", str(picture.success), "")
    table.add_row("vendor", f"pausing: {picture.paused}" if picture.paused else "answering", "")
    return Panel(table, title="cdpoll demo", subtitle=picture.phase, width=78)


def _bar(done: int, total: int) -> ProgressBar:
    return ProgressBar(total=max(total, 1), completed=done, width=30)


def plain(picture: Picture) -> str:
    """The same as one line, for what is no terminal."""
    done = picture.success + picture.failure
    paused = f", vendor pausing: {picture.paused}" if picture.paused else ""
    return (
        f"{picture.submitted}/{picture.checks} checks, {picture.recorded} tasks recorded, {done} concluded "
        f"({picture.success} found coverage){paused}"
    )


def print_ending(ending: Ending, out: Console) -> None:
    """The closing page, on standard output."""
    picture = ending.picture
    table = Table(title=f"{picture.checks} real-time checks in {words(ending.took_ms)}", title_justify="left")
    table.add_column("what")
    table.add_column("how many", justify="right")
    table.add_row("tasks named by Link headers and recorded", str(picture.recorded))
    table.add_row("concluded, coverage found", str(picture.success))
    table.add_row("concluded, none found", str(picture.failure))
    table.add_row("polls per result", f"{ending.tasks.polls / max(1, picture.success + picture.failure):.1f}")
    for name, n in sorted(ending.tasks.found.items(), key=lambda item: -item[1]):
        table.add_row(f"  coverage found by {name}", str(n))
    for name, n in sorted(ending.requests.items()):
        if not name.endswith("200"):
            table.add_row(f"  {name}, survived", str(n))
    table.add_row("transaction sets in a batch file of the same answers", str(ending.batch.read))
    table.add_row("  of their answers, joined to a task", str(ending.batch.matched))
    for name, value in ending.more:
        table.add_row(name, value)
    table.add_row("unaccounted for", str(len(ending.unaccounted)), style="bold red" if ending.unaccounted else "")
    out.print(table)
    _chart(ending, out)
    for line in ending.unaccounted[:10]:
        out.print(f"NOT AS IT SHOULD BE: {line}", markup=False)
    if not Path(ending.database).exists():  # a server of the demo's own, which has ended
        return
    config = ending.config
    out.print(f"\nThe database: {ending.database}", soft_wrap=True, markup=False, highlight=False)
    out.print("To read it:", highlight=False)
    cdpoll = own_name()
    for line in (
        f"{cdpoll} --config {config} status",
        f"{cdpoll} --config {config} show {ending.tasks.example}",
        f"{cdpoll} --config {config} found",
        f"{cdpoll} --config {config} export --format csv > found.csv",
    ):
        out.print(f"  {line}", soft_wrap=True, markup=False, highlight=False)


def _chart(ending: Ending, out: Console) -> None:
    if not ending.tasks.waits:
        return
    table = Table(
        title=f"From the check to the stored result (the sandbox runs {SPEED_FACTOR:g} times as fast as the vendor)",
        title_justify="left",
        show_header=True,
        box=None,
    )
    table.add_column("")
    table.add_column("tasks", justify="right")
    table.add_column("")
    counted = Counter(next(name for limit, name in BINS_MS if wait < limit) for wait in ending.tasks.waits)
    most = max(counted.values())
    for _, name in BINS_MS:
        table.add_row(name, str(counted[name]), "█" * round(40 * counted[name] / most))
    out.print(table)

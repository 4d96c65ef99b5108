"""The command: which folder, how progress is shown, and the exit code."""

import re
from pathlib import Path

import click

from worker.clock import Clock
from worker.core.instant import iso


@click.command()
@click.option(
    "--tasks", metavar="N", default=200, show_default=True, type=click.IntRange(1, 5000), help="How many checks."
)
@click.option(
    "--dir", "folder", metavar="DIR", default="cdpoll-demo", show_default=True, help="Where to put the database."
)
@click.option(
    "--postgres", is_flag=True, help="Two daemons on a PostgreSQL server of the demo's own; one is killed midway."
)
@click.pass_context
def demo(ctx: click.Context, tasks: int, folder: str, postgres: bool) -> None:
    """The main job on embedded defaults.

    Starts the sandbox and the real daemon, submits real-time checks, records what their Link headers name, and shows
    progress until every task has reached a known end. Exit 0 only if nothing is unaccounted for.
    """
    from rich.console import Console
    from rich.live import Live

    from cli.demo import screen
    from cli.demo.ending import Picture
    from cli.demo.run import Demo

    if postgres:
        from cli.demo.two_daemons import TwoDaemons as Demo

    talk = Console(stderr=True)
    clock = Clock()
    home = _fresh_folder(Path(folder).absolute(), clock.now())
    if talk.is_terminal:
        with Live(console=talk, refresh_per_second=8) as view:
            ending = Demo(home, tasks, lambda picture: view.update(screen.live(picture)), clock).run()
    else:
        said: list[str] = []

        def say(picture: Picture) -> None:
            # One line for each tenth of the way is enough for a log.
            share = (picture.submitted + picture.success + picture.failure) * 5 // max(1, tasks)
            if not said or said[-1] != f"{picture.phase}{share}":
                said.append(f"{picture.phase}{share}")
                talk.print(screen.plain(picture), highlight=False)

        ending = Demo(home, tasks, say, clock).run()
    screen.print_ending(ending, Console())
    ctx.exit(1 if ending.unaccounted else 0)


def _fresh_folder(base: Path, now: int) -> Path:
    """A folder of its own for each demo, named for the moment."""
    return base / re.sub(r"[-:.]", "", iso(now))

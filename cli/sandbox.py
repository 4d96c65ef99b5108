"""``cdpoll sandbox``: a vendor to rehearse against."""

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.own_folder import write_private
from worker.clock import Clock
from worker.core.errors import BadConfiguration, TryLater

if TYPE_CHECKING:
    from sandbox.server import Sandbox


@click.command()
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--seed", default=1, show_default=True, help="The same seed and requests give the same answers.")
@click.option("--speed", default=60.0, show_default=True, help="Divides every time span of the vendor.")
@click.option("--faults", default="", metavar="SPEC", help="What goes wrong; `--faults help` lists everything.")
@click.option("--times", default="", metavar="SPEC", help="How long paths take; `--times help` explains.")
@click.option(
    "--dir", "folder", default="cdpoll-sandbox", show_default=True, help="For the configuration and database."
)
def sandbox(port: int, seed: int, speed: float, faults: str, times: str, folder: str) -> None:
    """The simulated vendor, for rehearsing without credentials.

    Prints a ready-to-use configuration on standard output, and keeps it in DIR/cdpoll.ini as well, readable by its
    owner alone. Ends with Ctrl-C or SIGTERM.
    """
    from sandbox import faults as known_faults
    from sandbox import times as known_times
    from sandbox.server import Sandbox

    if faults.strip() == "help":
        click.echo(known_faults.help_text())
        return
    if times.strip() == "help":
        click.echo(known_times.help_text())
        return
    try:
        spans = known_times.parse(times)
    except ValueError as error:
        raise BadConfiguration(f"--times: {error}", "`cdpoll sandbox --times help` explains them") from None
    # The signals are awaited, so no thread of the server may take them.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        vendor = Sandbox(Clock(), seed=seed, speed=speed, faults=faults, times=spans)
    except ValueError as error:
        raise BadConfiguration(f"--faults: {error}", "`cdpoll sandbox --faults help` lists what there is") from None
    try:
        vendor.start(port)
    except OSError as error:
        raise TryLater(f"port {port}: {error.strerror}", "name another with --port, or 0 for a free one") from error
    try:
        _serve(vendor, Path(folder).absolute())
    finally:
        vendor.stop()


def _serve(vendor: "Sandbox", home: Path) -> None:
    """Hand out the configuration, and stay until a signal comes."""
    from sandbox.settings import config_text

    config = home / "cdpoll.ini"
    text = config_text(vendor, str(home / f"cdpoll-{vendor.origin.rpartition(':')[2]}.db"))
    write_private(config, text)
    click.echo(text)
    click.echo(f"base URL   {vendor.base_url}", err=True)
    click.echo(f"token URL  {vendor.token_url}", err=True)
    click.echo(f"the configuration above also lies in {config}; in another terminal:", err=True)
    click.echo(f"  cdpoll --config {config} run", err=True)
    signal.sigwait((signal.SIGINT, signal.SIGTERM))

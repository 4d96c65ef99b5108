"""``cdpoll sandbox``: a vendor to rehearse against."""

import json
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.own_folder import make_own_folder
from cli.sandbox_callbacks import account, callback_options, sender_for, taken
from worker.clock import Clock
from worker.core.errors import BadConfiguration, StorageFailed, TryLater
from worker.core.instant import duration, iso

if TYPE_CHECKING:
    from sandbox.callback.sender import Sender
    from sandbox.drop import DropServer
    from sandbox.server import Sandbox


@click.command()
@click.option(
    "--port", metavar="N", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one."
)
@click.option(
    "--seed", metavar="N", default=1, show_default=True, help="The same seed and requests give the same answers."
)
@click.option("--speed", metavar="X", default=60.0, show_default="60", help="Divides every time span of the vendor.")
@click.option("--faults", default="", metavar="SPEC", help="What goes wrong; `--faults help` lists everything.")
@click.option("--times", default="", metavar="SPEC", help="How long paths take; `--times help` explains.")
@click.option(
    "--checks",
    default=0,
    show_default=True,
    type=click.IntRange(0, 5000),
    metavar="N",
    help="Make N real-time checks first, and record what they name.",
)
@click.option(
    "--batch",
    metavar="SPAN",
    callback=lambda _context, _option, text: None if text is None else _span(text),
    help="Drop a batch file of 271s on a local SFTP server every SPAN of the vendor's time.",
)
@click.option(
    "--dir",
    "folder",
    metavar="DIR",
    default="cdpoll-sandbox",
    show_default=True,
    help="For the configuration and database.",
)
@callback_options
@click.option("--service", is_flag=True, help="Print a configuration for the installed service in place of one in DIR.")
def sandbox(port: int, seed: int, speed: float, faults: str, times: str, **where: Any) -> None:
    """The simulated vendor, for rehearsing without credentials.

    Prints a ready-to-use configuration on standard output, and keeps it in DIR/cdpoll.ini as well, readable by its
    owner alone. The vendor remembers nothing from the last time, so each start begins with a new database. The
    patients of --checks steer what becomes of them, unless --times does. Ends with Ctrl-C or SIGTERM. With
    --callback-url it delivers what ends there as the vendor does, and counts at its own end what became of that.
    """
    from sandbox import examples
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
    checks, batch, folder, service = (where[name] for name in ("checks", "batch", "folder", "service"))
    if service and (checks or batch):
        raise click.UsageError("--service goes without --checks and --batch: the service has a database of its own")
    callbacks = taken(where)
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
        if service:
            _serve_service(vendor, Path(folder).absolute(), callbacks)
            return
        courses = ("",) if times else examples.COURSES
        made = [courses[n % len(courses)] for n in range(checks)]
        _serve(vendor, Path(folder).absolute(), made, batch, callbacks)
    finally:
        vendor.stop()


def _span(text: str) -> int:
    try:
        return duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _serve(vendor: "Sandbox", home: Path, checks: list[str], batch_ms: int | None, callbacks: dict[str, Any]) -> None:
    """Make the checks, each with the words that steer it, hand out the configuration, and stay until a signal comes."""
    from cli.sandbox_files import own_name, write_files

    make_own_folder(home)
    sender = sender_for(vendor, callbacks)
    database = home / re.sub(r"[-:.]", "", iso(vendor.clock.now())) / "cdpoll.db"
    make_own_folder(database.parent, new=True)
    drop = None if batch_ms is None else _drop(vendor, database.parent / "drop", batch_ms)
    # With checks, or a drop, there is work for a daemon.
    by_hand = not checks and drop is None
    config = write_files(vendor, home, database, drop=drop, runs="once" if by_hand else "daemon")
    made = _make_checks(vendor, config, checks) if checks else None
    if drop is not None:
        drop.start()
    click.echo(config.read_text())
    click.echo(f"base URL   {vendor.base_url}", err=True)
    click.echo(f"token URL  {vendor.token_url}", err=True)
    if made is not None:
        click.echo(f"checks     {made}", err=True)
    if sender is not None:
        click.echo(f"callbacks  {callbacks['url']}, deliveries in {vendor.origin}/sandbox/callbacks", err=True)
    if drop is not None:
        click.echo(f"SFTP drop  127.0.0.1 port {drop.port}, the folder {database.parent / 'drop'}", err=True)
    click.echo(f"The configuration above is kept in {config}. In another terminal:", err=True)
    click.echo(f"  {own_name()} --config {config} run", err=True)
    if "[callback]" in config.read_text():
        click.echo("And in a third one, which takes the callbacks:", err=True)
        click.echo(f"  {own_name()} --config {config} serve callback", err=True)
    _stay(vendor, sender)
    if drop is not None:
        drop.stop()


def _stay(vendor: "Sandbox", sender: "Sender | None") -> None:
    """Deliver callbacks, where there are to be any, until a signal comes."""
    if sender is not None:
        sender.start(awaits=True)
    signal.sigwait((signal.SIGINT, signal.SIGTERM))
    if sender is not None:
        sender.stop()
        click.echo(f"callbacks  {account(vendor)}", err=True)


def _serve_service(vendor: "Sandbox", home: Path, callbacks: dict[str, Any]) -> None:
    """Hand out a configuration for the installed service, and stay until a signal comes."""
    from cli.own_folder import write_private
    from cli.sandbox_files import callback_part
    from sandbox.settings import config_text

    make_own_folder(home)
    sender = sender_for(vendor, callbacks)
    config, secret = home / "service.ini", home / "client-secret"
    callback = callback_part(vendor, home, "callback-secret")
    write_private(config, config_text(vendor, "", "") + callback)
    write_private(secret, vendor.account.client_secret + "\n")
    click.echo(config.read_text())
    more = (
        f"  install -m 0600 {home / 'callback-secret'} /etc/cdpoll/credentials/callback-secret",
        "  systemctl enable --now cdpoll-callback.socket",
    )
    for line in (
        f"The configuration above is kept in {config}. For the installed service, as root in another terminal:",
        f"  install -m 0640 -g cdpoll {config} /etc/cdpoll/cdpoll.ini",
        f"  install -m 0600 {secret} /etc/cdpoll/credentials/client_secret",
        "  systemctl enable --now cdpoll",
        *(more if callback else ()),
        *(() if callback or sender is None else _callbacks_elsewhere(vendor, home)),
    ):
        click.echo(line, err=True)
    _stay(vendor, sender)


def _callbacks_elsewhere(vendor: "Sandbox", home: Path) -> tuple[str, ...]:
    """What the service needs where callbacks come to it through another address, of which no section can be made."""
    target = vendor.vendor.ledger.deliveries.target
    if target is None:
        return ()
    return (
        f"Callbacks go to {target.url}, with the client id {target.client_id} and this secret:",
        f"  install -m 0600 {home / 'callback-secret'} /etc/cdpoll/credentials/callback-secret",
    )


def _drop(vendor: "Sandbox", folder: Path, every_ms: int) -> "DropServer":
    from sandbox.drop import DropServer

    make_own_folder(folder, new=True)
    return DropServer(vendor, folder, round(every_ms / vendor.speed))


def _make_checks(vendor: "Sandbox", config: Path, checks: list[str]) -> str:
    """Make real-time checks, and hand their headers to ``cdpoll record``; what came of it, in words."""
    from cli.demo.process import command
    from sandbox import examples

    lines = []
    for n, words in enumerate(checks, 1):
        body = examples.real_time_request(n, vendor.seed, words)
        lines.append(json.dumps({"headers": vendor.check(body), "ref": f"ACCT{n:06d}"}))
    done = command(config, "record", "--jsonl", "-", "--json", given="\n".join(lines).encode())
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise StorageFailed(f"`cdpoll record` ended with {done.returncode}: {done.stderr.decode().strip()}") from None
    said = f"{len(checks)} made, {len(answer['recorded'])} tasks recorded"
    unreadable = len(answer["unreadable"])
    return f"{said}, {unreadable} headers unreadable: cdpoll unreadable list" if unreadable else said

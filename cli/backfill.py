"""``cdpoll backfill``: a sweep over the vendor's list, by hand."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import click

from cli.doctor.configuration import with_credentials
from cli.found import instant_of
from cli.opening import opened
from cli.output import AS_JSON, dumped, say
from worker.clock import Clock
from worker.config import Config, load
from worker.config.secret import OutOfReach
from worker.core.errors import CdpollError
from worker.core.exit_code import ExitCode
from worker.core.instant import iso
from worker.core.listed_rows import Narrowing
from worker.core.poll_errors import cure_of, in_words
from worker.core.problems import counted
from worker.core.vendor.reply import RateLimited, Refused
from worker.daemon.poll_lane import PAUSE_EXIT
from worker.daemon.vendor_list import lister_of, owner_of, taker_of
from worker.rounds.backfill.by_hand import HandSweep, Wanted
from worker.rounds.backfill.lister import Listed, Lister
from worker.store.db.store import Store
from worker.store.state import api as shared_state

MOST_FAILURES = 4  # in a row
LONGEST_WAIT_MS = 120_000  # between two tries


def _time(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    try:
        return None if text is None else instant_of(text, Clock().now())
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


@click.command()
@click.option(
    "--from",
    "begin",
    metavar="T",
    required=True,
    callback=_time,
    help="What began then or later: an ISO 8601 time or date, or how long ago (7d, 12h).",
)
@click.option("--to", "end", metavar="T", callback=_time, help="What began up to then; else up to now.")
@click.option(
    "--name", "names", metavar="PATTERN", multiple=True, help="Only discoveries with such a name (*, ?, […])."
)
@click.option(
    "--correlation-id",
    "correlation_ids",
    metavar="PATTERN",
    multiple=True,
    help="Only those with such a correlation id (*, ?, […]).",
)
@click.option("--dry-run", is_flag=True, help="Ask and count; record nothing.")
@AS_JSON
@click.pass_obj
def backfill(obj: dict[str, Any], /, **given: Any) -> int:
    """Go through the vendor's list, and record the discoveries that are not recorded here.

    Harmless to repeat. It shares the rate limit with a living daemon. Where --name or --correlation-id is not given,
    [backfill] says which are taken; whose they may be, it says in any case. Exit 1: the list told nothing sure.
    """
    clock = Clock()
    begin, end = given["begin"], clock.now() if given["end"] is None else given["end"]
    if end <= begin:
        raise click.UsageError("--to has to be later than --from, and --from in the past")
    config = load(obj["config"], with_credentials(os.environ))
    # As root, before it is given up for the owner of the state folder: what root may read is enough.
    try:
        api = config.require_api()
        api = api._replace(client_id=api.client_id.revealed(), client_secret=api.client_secret.revealed())
        config = config._replace(api=api)
        lister = lister_of(config)(threading.Event())
    except OutOfReach as error:
        raise OutOfReach(
            f"this user cannot ask the vendor: {error.message}",
            "as root it works while the service runs, with the secret that systemd has handed to the service",
        ) from None
    narrowing = _narrowing(config, given["names"], given["correlation_ids"])
    wanted = Wanted(begin, end, owner_of(config), narrowing, given["dry_run"])
    with opened(obj, whole=True, patient=True) as here:
        shared_state.bind_origin(here.store, config.require_api().origin)
        sweep = HandSweep(here.store, lister, taker_of(config), wanted)
        try:
            with _progress(begin, end) as show:
                _swept(here.store, lister, sweep, clock, show)
        finally:
            lister.close()
            # Also where it ends in the middle: what was recorded stays.
            _tell(sweep, wanted, as_json=given["as_json"])
    if sweep.flaw is not None:
        say(f"cdpoll: the list told nothing sure: {in_words(sweep.flaw)}; {cure_of(sweep.flaw)}", err=True)
    return ExitCode.IN_PART if sweep.flaw is not None else ExitCode.DONE


def _narrowing(config: Config, names: tuple[str, ...], correlation_ids: tuple[str, ...]) -> Narrowing:
    """What is given here goes before what is configured."""
    section = config.backfill
    configured = Narrowing() if section is None else Narrowing(section.names, section.correlation_ids)
    return Narrowing(names or configured.names, correlation_ids or configured.correlation_ids)


Show = Callable[[HandSweep], None]


@contextmanager
def _progress(begin: int, end: int) -> Iterator[Show]:
    """Progress on a terminal; else nothing."""
    if not sys.stderr.isatty():
        yield lambda _sweep: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=end - begin)

        def show(sweep: HandSweep) -> None:
            said = f"up to {iso(sweep.sweep.reached_at)}: {counted(sweep.counts.received, 'task')}"
            shown.update(task, completed=sweep.sweep.reached_at - begin, description=said)

        yield show


def _swept(store: Store, lister: Lister, sweep: HandSweep, clock: Clock, show: Show) -> None:
    """All of it, or a CdpollError that says why not, and how to go on."""
    never = threading.Event()
    while not sweep.over:
        now = store.now(clock)
        slot = lister.slot(store, now)
        if slot.given:
            failed = sweep.ask(now)
            show(sweep)
            if failed is not None:
                clock.wait(never, _wait_after(failed, lister, sweep))
        elif slot.why == "slot":
            clock.wait(never, max(1, slot.again_at - now))
        else:
            raise _held_up(store, slot.why, sweep)


def _wait_after(failed: Listed, lister: Lister, sweep: HandSweep) -> int:
    """How long (ms) to wait before the next try. One that is refused is not repeated."""
    wait = lister.backoff(failed.said, sweep.failures)
    if isinstance(failed.said, Refused) or sweep.failures >= MOST_FAILURES or wait > LONGEST_WAIT_MS:
        code = ExitCode.UNREACHABLE
        if isinstance(failed.said, RateLimited | Refused):
            code = ExitCode.CREDENTIALS if isinstance(failed.said, Refused) else ExitCode.TRY_LATER
        why = in_words(failed.code)
        raise _ended(
            f"the vendor's list could not be read: {why}", cure_of(failed.code) or "try again later", code, sweep
        )
    return wait


def _held_up(store: Store, why: str, sweep: HandSweep) -> CdpollError:
    breaker = shared_state.get(store).breaker
    if why == "budget" or breaker.reason is None:
        cure = "it is given anew at midnight UTC"
        return _ended("[polling] daily_budget is spent", cure, ExitCode.TRY_LATER, sweep)
    code = breaker.code or breaker.reason
    cure = cure_of(code) or "a poll ends the pause: `cdpoll run --once`, or a living daemon"
    return _ended(f"the API is paused: {in_words(code)}", cure, PAUSE_EXIT[breaker.reason], sweep)


def _ended(message: str, cure: str, code: ExitCode, sweep: HandSweep) -> CdpollError:
    on = f"; then go on with --from {iso(sweep.sweep.reached_at)}" if sweep.counts.pages else ""
    error = CdpollError(message, cure + on)
    error.exit_code = code
    return error


def _tell(sweep: HandSweep, wanted: Wanted, *, as_json: bool) -> None:
    counts, reached = sweep.counts, sweep.sweep.reached_at
    complete = sweep.over and sweep.flaw is None
    if as_json:
        window = {"from": iso(sweep.sweep.begins_at), "to": iso(sweep.sweep.ends_at), "reached": iso(reached)}
        click.echo(dumped({**window, "complete": complete, "dry_run": wanted.dry_run, **asdict(counts)}))
        return
    new = "would be recorded" if wanted.dry_run else "recorded"
    said = [
        f"{counted(counts.received, 'task')} listed: {counts.recorded} {new}",
        f"{counts.known} known already",
        *([f"{counts.foreign} of others, not stored"] if counts.foreign else []),
        *([f"{counts.skipped} not asked for"] if counts.skipped else []),
    ]
    upto = sweep.sweep.ends_at if sweep.over and sweep.sweep.reached_at >= sweep.sweep.ends_at else reached
    say(f"{iso(sweep.sweep.begins_at)} to {iso(upto)}: {', '.join(said)}; {counted(counts.pages, 'page')}")

"""The database, the rate limit by what waits in it, and every problem that `status` tells of."""

from collections.abc import Iterator
from typing import Any

from cli.doctor.finding import Finding, fail, good, not_checked, unchecked, warn
from cli.doctor.server import server
from cli.doctor.services import daemons, deliveries, no_daemon
from cli.opening import LOOKING_TIMEOUT_S, Opened
from cli.status import told as picture_of
from worker.clock import Clock
from worker.config import Tolerated
from worker.config.polling import rate_limit_of
from worker.core.errors import CdpollError, MovedAway, NoDatabaseYet, StorageFailed
from worker.core.instant import about
from worker.core.problems import counted, kind_of
from worker.store.db.sqlite import SqliteStore, wanted_journal
from worker.store.opening import open_store
from worker.store.state.moves import standing_of

# A check of all pages holds up who writes, where there is no WAL. A daemon waits for 2 s before it says so.
BRIEF_MS, LONG_MS = 1_500, 10_000
MUCH_PER_SECOND = 20.0
_BEHIND = ("integrity", "journal", "daemon", "limits")


def database(found: Tolerated, clock: Clock) -> Iterator[Finding]:
    """Everything that is in the database, or that works on it."""
    place = found.config.store
    try:
        store = open_store(place.place, timeout=LOOKING_TIMEOUT_S)
    except NoDatabaseYet:
        said = f"{place.place.name} is not there yet: the first `cdpoll record` or `cdpoll run` makes it"
        yield good("database", said)
        yield from _limits(found, 0)
        if place.runs == "daemon":
            yield from no_daemon()
        return
    except CdpollError as error:
        yield fail("database", error.message, error.hint)
        yield from unchecked(_BEHIND, "database")
        return
    with store:
        yield from _opened(Opened(found.config, store, clock.now(), found.mistakes, bool(found.unread)), found, clock)


def _opened(here: Opened, found: Tolerated, clock: Clock) -> Iterator[Finding]:
    store = here.store
    size = store.file_bytes()[0]
    moved = standing_of(store).moved
    if moved is not None:
        away = MovedAway(store.name, f"was moved to {moved.other}")
        yield fail("database", away.message, away.hint)
        yield from unchecked(_BEHIND, "database")
        return
    yield good("database", f"{store.name} can be used: schema {store.version()}, {size // 1024:,} KiB")
    picture = picture_of(here)[0]
    if isinstance(store, SqliteStore):
        yield _journal(store, found.config.store.journal)
        yield _integrity(store, clock, brief=picture["daemon"]["alive"] and store.journal_mode() != "wal")
    else:
        yield from server(store, clock)
    yield from _limits(found, picture["tasks"]["pending"])
    pace = picture["api"]["pace"]
    if pace < 1 and found.config.api is not None:
        said = f"refusals of the vendor hold the pace down to {pace:.0%}"
        yield warn("limits", said, "it recovers by itself; lower requests_per_second if this comes often")
    yield from daemons(picture, here.now, expected=found.config.store.runs == "daemon")
    for what, wanted in (("ways out are", found.config.deliver), ("[alert] command is", found.config.alert.command)):
        if wanted:
            yield deliveries(picture, what)
            break
    yield from _alerts(picture["alerts"])
    for one in picture["problems"]:
        kind = kind_of(one["code"])
        level = fail if one["severity"] == "critical" else warn
        more = f"as it says; more in cdpoll(1), PROBLEMS, and in docs/{kind.page or 'problems.md'}"
        yield level("problem", f"{one['code']}: {one['hint']}", more)
    if not picture["problems"]:
        yield good("problem", "`cdpoll status` tells of none")


def _journal(store: SqliteStore, configured: str) -> Finding:
    used, wanted = store.journal_mode(), wanted_journal(configured)
    if used != wanted:
        said = f"the journal mode is {used}, and {wanted} is configured"
        return warn("journal", said, "it changes when no other process has the database open: restart the services")
    return good("journal", f"{used}, and every commit is on the disk before it is acknowledged")


def _integrity(store: SqliteStore, clock: Clock, *, brief: bool) -> Finding:
    most_ms = BRIEF_MS if brief else LONG_MS
    until = clock.monotonic() + most_ms
    over = False

    def is_over() -> bool:
        nonlocal over
        over = over or clock.monotonic() >= until
        return over

    try:
        with store.calling(is_over):
            wrong = store.wrong()
    except StorageFailed as error:
        if not over:
            return fail("integrity", error.message, error.hint)
        said = f"the file could not be read through in {most_ms / 1000:g} s"
        return not_checked("integrity", said, "`cdpoll db integrity` reads all of it; writers may wait meanwhile")
    if wrong:
        cure = "stop the services, see `cdpoll db integrity`, and restore the last good copy of the database"
        return fail("integrity", "; ".join(wrong[:3]), cure)
    return good("integrity", "every page and every reference is whole")


def _limits(found: Tolerated, pending: int) -> Iterator[Finding]:
    """The settings of the rate limit, by themselves and by what waits."""
    polling, limit = found.config.polling, rate_limit_of(found.config.polling)
    if found.config.api is None:
        return
    day = "any number a day" if limit.daily is None else f"{limit.daily:,} a day"
    said = f"{limit.rate:g} requests/s, {limit.burst} at once, {polling.max_in_flight} in flight, {day}"
    least_per_s = pending / (polling.max_interval_ms / 1000)
    too_few = f"{said}: too few for {counted(pending, 'pending task')} each {about(polling.max_interval_ms)}"
    if limit.rate < least_per_s:
        yield warn("limits", too_few, "raise requests_per_second, if the vendor allows more, or max_interval")
    elif limit.daily is not None and limit.daily < least_per_s * 86_400:
        yield warn("limits", too_few, "raise daily_budget or max_interval")
    elif limit.rate > MUCH_PER_SECOND:
        cure = (
            "the vendor publishes no limit, and wants polling managed carefully: ask it, or lower requests_per_second"
        )
        yield warn("limits", f"{said}: that is much", cure)
    else:
        yield good("limits", said)


def _alerts(alerts: dict[str, Any]) -> Iterator[Finding]:
    """Those that were tried and failed."""
    for name, cure in (("ping", "check [alert] ping and the monitor"), ("command", "try the program by hand")):
        if alerts[name]["failing_since"] is not None:
            said = f"it fails since {alerts[name]['failing_since']}: {alerts[name]['failure']}"
            yield warn(f"alert_{name}", said, cure)

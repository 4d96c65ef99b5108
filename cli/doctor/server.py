"""The PostgreSQL server: what an acknowledged id depends on, connections that are left, and its clock."""

from collections.abc import Iterator

from cli.doctor.finding import Finding, fail, good, warn
from worker.clock import Clock
from worker.core.instant import words
from worker.core.problems import counted
from worker.store.db.store import Store
from worker.store.views.server import ServerFacts, server_facts

LEAST_VERSION = 15
FEW_CONNECTIONS = 5
APART_MS = 2_000


def server(store: Store, clock: Clock) -> Iterator[Finding]:
    """What the server says of itself, and when."""
    server_facts(store)  # a connection that was lost is made anew before the clocks are compared
    asked_at = clock.now()
    facts = server_facts(store)
    yield from of_server(facts)
    yield of_clock(facts.now, asked_at, clock.now())


def of_server(facts: ServerFacts) -> Iterator[Finding]:
    """Each thing that is wrong, or that nothing is."""
    wrong = list(_wrong(facts))
    yield from wrong
    if not wrong:
        said = f"PostgreSQL {_version(facts)}, and what is acknowledged is on its disk"
        yield good("server", f"{said}; {counted(facts.connections_left, 'connection')} left")


def _version(facts: ServerFacts) -> str:
    return f"{facts.version // 10_000}.{facts.version % 10_000}"


def _wrong(facts: ServerFacts) -> Iterator[Finding]:
    if facts.version < LEAST_VERSION * 10_000:
        yield fail("server", f"it is PostgreSQL {_version(facts)}", f"use {LEAST_VERSION} or later")
    if facts.encoding != "UTF8":
        cure = "make the database anew with --encoding UTF8 --template template0, and move the rows with pg_dump"
        yield fail("server", f"the encoding of the database is {facts.encoding}, and not every text fits", cure)
    for name in facts.off:
        cure = f"turn it on (`SHOW {name}`; postgresql.conf, ALTER ROLE, ALTER DATABASE or the URL turned it off)"
        yield fail("server", f"{name} is off: what was acknowledged may be lost when the server crashes", cure)
    if facts.standby:
        cure = "name the primary in [store] url, or all servers with target_session_attrs=read-write"
        yield fail("server", "it is a standby, and takes no writes", cure)
    if facts.connections_left < FEW_CONNECTIONS:
        left = counted(max(0, facts.connections_left), "connection")
        yield warn("server", f"{left} left", "raise max_connections, or end what holds them (pg_stat_activity)")


def of_clock(theirs: int, asked_at: int, answered_at: int) -> Finding:
    """The server's clock against this host's; it was read somewhere between the two moments."""
    apart = max(asked_at - theirs, theirs - answered_at)
    if apart <= APART_MS:
        return good("server_clock", f"as this host's, to within {words(APART_MS)}")
    way = "behind" if theirs < asked_at else "ahead of"
    said = f"the server's clock is {words(apart)} {way} this host's; the rows are timed by the server's"
    return warn("server_clock", said, "let NTP keep both: `timedatectl` says on each")

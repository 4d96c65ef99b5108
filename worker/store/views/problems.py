"""What a person must see, as problems with a stable code, a count and what to do. Reads only."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from worker.core.instant import words
from worker.core.pacing.breaker import PauseReason
from worker.core.pacing.limiter import RateLimit, spent_today
from worker.core.schedule.cadence import Schedule
from worker.store.db.store import Store
from worker.store.state import api, daemon, notices
from worker.store.state import drop as rounds
from worker.store.tasks import tallies
from worker.store.views.overdue import OVERDUE

# These mean that nothing moves: `status --check` says CRITICAL.
CRITICAL = frozenset(
    {
        "daemon_down",
        "daemon_stuck",
        "internal_fault",
        "damaged_text",
        "lane_stuck",
        "disk_full",
        "disk_read_only",
        "disk_unreadable",
        "api_credentials",
        "sftp_auth",
        "sftp_auth_partial",
        "wrong_environment",
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a person must see: a stable ``code``, how many it concerns, and what to do."""

    code: str
    count: int
    hint: str

    @property
    def severity(self) -> str:
        """``critical`` or ``warning``."""
        return "critical" if self.code in CRITICAL else "warning"


HELD_SETS = """
SELECT count(*) AS n FROM sets JOIN files ON files.seq = sets.file
WHERE sets.state = 'quarantined' AND files.state = 'ingested'
"""

_PAUSES = {
    "credentials": "the vendor refuses the credentials: check client_id, client_secret and the product with the vendor",
    "rate_limited": "the vendor asked for fewer requests: lower requests_per_second if this comes often",
    "unreachable": "the vendor does not answer: check the network, the proxy and the vendor's status page",
}

_PAUSE_CODES = {
    "proxy_auth": "the proxy refuses the login: check the user name and the password in [api] proxy",
    "tls_expired": "the vendor's certificate has expired: check this machine's clock, then tell the vendor",
    "tls_not_yet_valid": "the vendor's certificate is not valid yet: set this machine's clock, then tell the vendor",
    "tls_other_host": "the certificate is for another host: check the host name in [api] base_url, token_url and proxy",
    "tls_self_signed": "the certificate is signed by itself alone: if it is the right one, set [api] ca_file to it",
    "tls_unknown_issuer": (
        "the issuer of the vendor's certificate is not trusted: install ca-certificates, or set [api] ca_file to the "
        "authority of your proxy"
    ),
    "tls_old_protocol": "the peer speaks no TLS 1.2 or later: ask the vendor, or the people who run the proxy, for it",
    "tls_not_spoken": "the peer does not speak TLS at this port: check host and port in [api] base_url and proxy",
    "tls": "the TLS handshake fails: try `openssl s_client -connect HOST:443`, and look at the machines in between",
}

_ERRORS = {
    "unknown_status": "a root status that this cdpoll does not know: show the vendor, and look for a newer cdpoll",
    "wrong_id": "the vendor answered for another id; nothing was stored: show the vendor",
    "damaged_id": "ids that were damaged on the disk are not asked for: `cdpoll tasks` lists them; record them again",
    "internal": "what the vendor said of these tasks breaks cdpoll itself: report it with the line of the journal",
    "other_tenant": "the answer came from another tenant: check [api] tenant_id and the credentials",
}


class StatusRules(NamedTuple):
    """What `status` measures by, as configured: the schedule, the rate limit, and how often the drop is listed.

    ``delay_per_request_ms``, the least one, is ``None`` without a learned schedule; ``every_ms`` without a drop.
    """

    schedule: Schedule = Schedule()
    limit: RateLimit = RateLimit(1, 5)
    delay_per_request_ms: int | None = None
    every_ms: int | None = None


class Machine(NamedTuple):
    """What the machine says of the daemon's process and of the disk that the database is on.

    ``free_bytes`` is ``None`` where the disk cannot be examined.
    """

    daemon_exists: bool
    free_bytes: int | None
    read_only: bool = False


def problems(store: Store, now: int, rules: StatusRules, machine: Machine, *, alive: bool) -> list[Problem]:
    """Everything that wants a person, the worst first. ``alive``: the daemon makes its passes."""
    schedule, daily, every = rules.schedule, rules.limit.daily, rules.every_ms
    found = []
    if not alive:
        found.append(_silent(daemon.last_beat(store), machine.daemon_exists, now))
    found += [Problem(code, 1, detail) for code, detail in notices.listed(store)]
    if every is not None:
        beat = daemon.last_beat(store) if alive else None
        stale = rounds.stale(store, every, None if beat is None else beat.started_at, now)
        found += [] if stale is None else [Problem("sftp_stale", 1, stale)]
        troubled = rounds.troubled(store)
        found += [] if troubled is None else [Problem("sftp_files", *troubled)]
    found += _disk(store.path.parent, machine)
    shared = api.get(store)
    breaker = shared.breaker
    if breaker.reason is not None:
        found.append(Problem(f"api_{breaker.reason}", 1, _pause_hint(breaker.reason, breaker.code or "")))
    if daily is not None and spent_today(shared.limiter, now) >= daily:
        hint = f"the {daily} requests of the day are spent: nothing is asked before midnight UTC; see daily_budget"
        found.append(Problem("budget_spent", 1, hint))
    found += _batch_problems(store, now)
    found += _not_found(store, now, schedule)
    found += _failing(store, breaker.code)
    overdue = count(
        store,
        f"SELECT count(*) AS n FROM tasks WHERE {OVERDUE}",  # noqa: S608 - a constant
        {"now": now, "paused": breaker.paused_until_now(now), "after": schedule.alert_after},
    )
    if overdue:
        hint = f"pending for more than {words(schedule.alert_after)}: see `cdpoll tasks --overdue`, and ask the vendor"
        found.append(Problem("overdue", overdue, hint))
    abandoned = tallies.by_state(store)["abandoned"]
    if abandoned:
        found.append(
            Problem(
                "abandoned",
                abandoned,
                "no longer asked for: see `cdpoll tasks --state abandoned`; `cdpoll retry` revives",
            )
        )
    unreadable = count(store, "SELECT count(*) AS n FROM unreadable", {})
    if unreadable:
        found.append(
            Problem("unreadable", unreadable, "handed in, but no task id could be read: see `cdpoll unreadable list`")
        )
    return found


def _pause_hint(reason: PauseReason, code: str) -> str:
    return _PAUSE_CODES.get(code.removeprefix("token_"), _PAUSES[reason])


def _failing(store: Store, said: str | None) -> list[Problem]:
    """``said``: the code of a pause, which tells of these tasks already."""
    at_once = {code: n for code, n in tallies.by_error(store).items() if code in _ERRORS}
    counts = at_once | {code: n for code, n in tallies.by_lasting_error(store).items() if code not in _ERRORS}
    return [
        Problem(
            code if code in _ERRORS else f"failing_{code}",
            n,
            _ERRORS.get(code, f"polls keep ending in {code}: cdpoll show ID tells since when"),
        )
        for code, n in sorted(counts.items(), key=lambda one: -one[1])
        if code not in ("not_found", said)
    ]


def _batch_problems(store: Store, now: int) -> list[Problem]:
    found = []
    whole = count(store, "SELECT count(*) AS n FROM files WHERE state = 'quarantined'", {})
    sets = count(store, HELD_SETS, {})
    if whole + sets:
        hint = "files or transaction sets that could not be understood: see `cdpoll quarantine list`"
        found.append(Problem("quarantined", whole + sets, hint))
    cut = count(
        store,
        "SELECT count(*) AS n FROM files WHERE state = 'incomplete' AND :now - first_at > :day",
        {"now": now, "day": 86_400_000},
    )
    if cut:
        hint = "cut short for more than a day: see `cdpoll files`, and ask the sender for them again"
        found.append(Problem("incomplete_files", cut, hint))
    return found


def _silent(beat: daemon.Beat | None, exists: bool, now: int) -> Problem:
    if beat is not None and beat.stopped_at is None and exists:
        lasting = words(now - beat.beat_at)
        return Problem("daemon_stuck", 1, f"process {beat.pid} has finished no pass for {lasting}: see its log")
    return Problem("daemon_down", 1, "no daemon is polling: start it (systemctl start cdpoll, or cdpoll run)")


# With less than this the next results may not fit.
LOW_SPACE_BYTES = 64 * 1024 * 1024


def _disk(folder: Path, machine: Machine) -> list[Problem]:
    if machine.free_bytes is None:
        return [Problem("disk_unreadable", 1, f"{folder} cannot be examined: is the disk there?")]
    found = []
    if machine.free_bytes < LOW_SPACE_BYTES:
        found.append(Problem("disk_full", 1, f"less than 64 MiB are free on the disk of {folder}: make room"))
    if machine.read_only:
        found.append(Problem("disk_read_only", 1, f"{folder} is mounted read-only: nothing can be recorded"))
    return found


def _not_found(store: Store, now: int, schedule: Schedule) -> list[Problem]:
    missing = count(
        store,
        "SELECT count(*) AS n FROM tasks WHERE state = 'pending' AND not_found_since <= :before",
        {"before": now - schedule.not_found_grace},
    )
    if not missing:
        return []
    answered = count(
        store,
        """
        SELECT count(*) AS n FROM (
            SELECT seq FROM tasks WHERE polls > 0 AND not_found_since IS NULL AND last_poll_at >=
                (SELECT min(not_found_since) FROM tasks WHERE state = 'pending' AND not_found_since IS NOT NULL)
            LIMIT :enough
        ) AS answered
        """,
        {"enough": missing},
    )
    if missing >= 3 and missing > answered:
        hint = "most ids are unknown to the vendor: is [api] base_url the environment they came from?"
        return [Problem("wrong_environment", missing, hint)]
    return [Problem("not_found", missing, "the vendor does not know these ids: check them against their source")]


def count(store: Store, sql: str, params: dict[str, Any]) -> int:
    """The number that a ``SELECT count(*) AS n`` gives."""
    return int(store.read(sql, params)[0]["n"])

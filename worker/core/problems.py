"""The list of all problems: everything that a person must see, each with its severity, its words and its cure.

`status`, `problems list`, the lines of the log, the unit's STATUS, `status --check` and docs/problems.md all come from
:data:`KINDS`. The order here is the order in which problems are shown; critical ones come first in any case.

To add one: an entry here (of deliveries in delivery_problems.py, of the drop in drop_problems.py), a count in
worker/store/views/problems.py, and ``python -m cli.problems_page``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from worker.core.backfill_problems import BACKFILL_KINDS
from worker.core.callback_problems import CALLBACK_KINDS
from worker.core.daemon_problems import DAEMON_KINDS
from worker.core.delivery_problems import DELIVERY_KINDS
from worker.core.drop_problems import DROP_KINDS
from worker.core.lookup_problems import LOOKUP_KINDS
from worker.core.problem_kind import Kind as Kind
from worker.core.problem_kind import Severity as Severity
from worker.core.server_problems import SERVER_KINDS
from worker.core.spool_problems import SPOOL_KINDS

Key = tuple[str, str]
"""Of a problem that stands: its code, and the name of the daemon that has it; empty: rows that all share show it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem that stands: a stable ``code``, how many it concerns, its hint (words and cure), and since when (ms;
    ``None``: not known yet). ``daemon``: the one that alone can know it; empty: what all daemons share shows it."""

    code: str
    count: int
    hint: str
    since: int | None = None
    causes: frozenset[str] = frozenset()
    """Of one whose cause may change while it stands: what causes it now. A new cause is a line of the log."""
    daemon: str = ""

    @property
    def key(self) -> Key:
        """What tells it from others that stand."""
        return self.code, self.daemon

    @property
    def severity(self) -> Severity:
        """``critical`` or ``warning``."""
        return kind_of(self.code).severity


_VENDOR = "operations.md#when-the-vendor-does-not-answer"
_LOGIN = "operations.md#when-the-sftp-server-refuses-the-login"
_DISK = "operations.md#when-the-disk-is-full-or-read-only"
_CLOCK = "operations.md#when-the-clock-is-set"
_QUARANTINE = "batch.md#quarantine"

_LISTED = (
    *DAEMON_KINDS,
    Kind(
        "lane_stuck",
        "critical",
        "a step of the daemon lasts longer than it may",
        "systemd restarts the daemon within 3 minutes; without systemd, restart it. If it comes again, report the lane",
        "operations.md#several-users",
    ),
    Kind(
        "database_unwritable",
        "critical",
        "the daemon cannot write the database; it keeps in memory what it heard, and asks nothing new: {cause}",
        "{cure}",
        _DISK,
    ),
    Kind(
        "database_denied",
        "critical",
        "the database cannot be opened anew, and nothing can be recorded: {cause}",
        "{cure}",
        "operations.md#several-users",
    ),
    Kind("disk_full", "critical", "the disk of {folder} is full: nothing can be recorded", "make room", _DISK),
    Kind("disk_low", "warning", "less than 64 MiB are free on the disk of {folder}", "make room", _DISK),
    Kind(
        "disk_read_only",
        "critical",
        "the file system of {folder} is read-only, and nothing can be recorded",
        "look into the kernel's log (dmesg) for an error of the disk, and mount it writable",
        _DISK,
    ),
    Kind("disk_unreadable", "critical", "{folder} cannot be examined", "is the disk there?", _DISK),
    Kind(
        "damaged_text",
        "critical",
        "a text in the database cannot be decoded: bits have changed on the disk",
        "`cdpoll db integrity` says where; look for errors of the disk (dmesg), and restore a good copy",
        "operations.md#the-files-of-the-database",
    ),
    Kind(
        "internal_fault",
        "critical",
        "a fault in cdpoll itself; everything else goes on",
        "report the line that `status` names; this is over when the daemon is restarted",
    ),
    Kind("api_credentials", "critical", "the credentials are refused: {cause}", "{cure}", _VENDOR),
    Kind(
        "wrong_environment",
        "critical",
        "most ids are unknown to the vendor",
        "set [api] base_url to the environment they came from (with a database of its own: [store] path); or, if they "
        "are wrong, `cdpoll abandon ID`",
    ),
    Kind(
        "sftp_auth",
        "critical",
        "the SFTP server refuses our login",
        "mend username, password or key_file, and reload",
        _LOGIN,
    ),
    Kind(
        "sftp_auth_partial",
        "critical",
        "the SFTP server accepted the key or the password, and wants the other one too",
        "set both under [sftp], and reload",
        _LOGIN,
    ),
    Kind(
        "not_run",
        "warning",
        "{things} for more than a day",
        "is the timer that starts `cdpoll run --once` (or `cdpoll ingest`) still there?",
        "operations.md#the-service",
    ),
    Kind("api_unreachable", "warning", "the vendor does not answer: {cause}", "{cure}", _VENDOR),
    Kind("api_rate_limited", "warning", "the vendor asked for fewer requests", "{cure}", _VENDOR),
    *DROP_KINDS,
    Kind(
        "budget_spent",
        "warning",
        "the {daily} requests of the day are spent: nothing is asked before midnight UTC",
        "raise daily_budget if that comes often",
        "polling.md#how-many-requests",
    ),
    Kind(
        "backlog",
        "warning",
        "{tasks} due and not polled for minutes, although the API is not paused",
        "{cure}",
        "polling.md#how-many-requests",
        lasting_ms=300_000,
    ),
    Kind(
        "failing",
        "warning",
        "polls of {tasks} keep failing{cause}",
        "cdpoll tasks --failing {error} lists them; {cure}",
        "polling.md#tasks-in-trouble",
        logged_after_ms=15_000,
    ),
    Kind(
        "unknown_status",
        "warning",
        "{tasks} have a status that this cdpoll does not know",
        "`cdpoll tasks --failing unknown_status` lists them; show the vendor, and look for a newer cdpoll",
        "polling.md#tasks-in-trouble",
    ),
    Kind(
        "wrong_id",
        "warning",
        "the vendor answered for another id than that of {tasks}; nothing was stored",
        "`cdpoll tasks --failing wrong_id` lists them; show the vendor (`cdpoll support ID` writes the ticket)",
        "polling.md#tasks-in-trouble",
    ),
    Kind(
        "other_tenant",
        "warning",
        "the answers for {tasks} came from another tenant; nothing was stored",
        "check [api] tenant_id and the credentials; `cdpoll tasks --failing other_tenant` lists them",
        "polling.md#tasks-in-trouble",
    ),
    Kind(
        "internal",
        "warning",
        "what the vendor said of {tasks} breaks cdpoll itself",
        "report it with the line of the journal (journalctl -u cdpoll)",
        "polling.md#tasks-in-trouble",
    ),
    Kind(
        "damaged_id",
        "warning",
        "the ids of {tasks} were damaged on the disk, and are not asked for",
        "`cdpoll tasks --failing damaged_id` lists them; record them again, and `cdpoll abandon` the damaged ids",
        "polling.md#tasks-in-trouble",
    ),
    Kind(
        "not_found",
        "warning",
        "the vendor does not know {tasks}",
        "`cdpoll tasks --failing not_found` lists them: check their source, and `cdpoll abandon` wrong ones",
        "polling.md#tasks-in-trouble",
    ),
    Kind(
        "overdue",
        "warning",
        "{tasks} pending for more than {lasting}",
        "`cdpoll tasks --overdue` lists them; {cure}",
        "polling.md#tasks-in-trouble",
    ),
    Kind(
        "abandoned",
        "warning",
        "{tasks} no longer asked for",
        "`cdpoll tasks --state abandoned` lists them; `cdpoll retry ID` revives, `cdpoll problems ack abandoned` hides",
        "polling.md#tasks-in-trouble",
    ),
    Kind(
        "unreadable",
        "warning",
        "{texts} handed in from which no task id could be read",
        "`cdpoll unreadable list` shows what; record the ids, then `cdpoll unreadable drop NUMBER`",
    ),
    Kind(
        "no_links",
        "warning",
        "{responses} handed in since {begin}, and none named a task",
        "ask the vendor whether discovery is enabled for you; see whether a proxy strips the Link header; over with "
        "the next response that names a task",
        "integration.md#when-no-response-names-a-task",
        grows_by_itself=True,
    ),
    Kind(
        "quarantined",
        "warning",
        "{things} in quarantine, not understood",
        "`cdpoll quarantine list` says why; then `cdpoll quarantine retry NUMBER`, or `drop` what was sent anew",
        _QUARANTINE,
    ),
    Kind(
        "incomplete_files",
        "warning",
        "{files} cut short for more than a day",
        "`cdpoll files` lists them; ask the sender for them again, or `cdpoll quarantine drop NUMBER` what never comes",
        "batch.md#what-becomes-of-a-file",
    ),
    *CALLBACK_KINDS,
    *LOOKUP_KINDS,
    *BACKFILL_KINDS,
    *DELIVERY_KINDS,
    *SPOOL_KINDS,
    *SERVER_KINDS,
    Kind(
        "files_lost",
        "warning",
        "files are gone from the drop before they came whole",
        "look in the server's archive, and ingest them by hand (said for a week)",
        "batch.md#how-a-file-is-fetched",
        unnamed="files are gone from the drop before they came whole: `cdpoll status` names them",
    ),
    Kind(
        "files_recovered",
        "warning",
        "files that the database did not know lay beside it, and were read in again",
        "was an older copy of it restored? `cdpoll files` lists them as recovered… (said for a week)",
        "operations.md#backup-restore-moving",
    ),
    Kind(
        "coverage_withdrawn",
        "warning",
        "coverage that an earlier cdpoll told is no longer told",
        "look in the view batch_answers for the warning read_otherwise (said for a week)",
        "operations.md#a-new-version",
    ),
    Kind(
        "not_rewritten",
        "warning",
        "what was purged {lasting} ago still stands in the file of the database: {cause}",
        "mend that; the daemon tries again at the next [retention] vacuum, and `cdpoll purge --yes` at once",
        "operations.md#what-is-kept-and-for-how-long",
    ),
    Kind(
        "reload_refused",
        "warning",
        "the old configuration stays in force",
        "mend the mistake that `cdpoll config check` names, and reload again (systemctl reload cdpoll)",
        "operations.md#the-service",
    ),
    Kind(
        "clock_jumped",
        "warning",
        "the clock was set {way} by {by}",
        "is time kept by NTP? `timedatectl` says (said for a day)",
        _CLOCK,
    ),
)

KINDS: dict[str, Kind] = {kind.code: kind for kind in _LISTED}

_ORDER = {code: n for n, code in enumerate(KINDS)}

# Codes that are made of one of these and another word.
FAMILIES = ("failing", "sftp")


def kind_of(code: str) -> Kind:
    """The entry for a code, be it one of the list, ``failing_ERROR`` or ``sftp_ERROR``; of one that is not in the list,
    which only another version of cdpoll can have written, a warning without words."""
    kind = KINDS.get(code)
    if kind is None:
        kind = next((KINDS[family] for family in FAMILIES if code.startswith(f"{family}_")), None)
    return kind or Kind(code, "warning", code, "")


def problem(code: str, count: int = 1, *, causes: Iterable[str] = (), **fields: Any) -> Problem:
    """A problem of a kind, with its words and cure filled in."""
    kind = kind_of(code)
    known = {"n": count, **{f"{noun}s": counted(count, noun) for noun in ("task", "file", "text", "thing")}, **fields}
    said = hint(kind.words.format_map(known), kind.cure.format_map(known))
    return Problem(code, count, said, causes=frozenset(causes))


def gone(code: str, count: int, daemon: str = "") -> Problem:
    """One that stood a moment ago, and may come back: nothing but its code, count and daemon is known any more."""
    try:
        return replace(problem(code, count), daemon=daemon)
    except KeyError:
        hint = "it comes and goes; its line in the log (journalctl -u cdpoll) has what to do"
        return Problem(code, count, hint, daemon=daemon)


def elsewhere(found: Problem) -> Problem:
    """As it is told on another host than that of its daemon."""
    return replace(found, hint=f"on {found.daemon}: {found.hint}")


def hint(words: str, cure: str) -> str:
    """What is wrong and what to do, in one line."""
    return f"{words}{'; ' if ': ' in words else ': '}{cure}" if cure else words


def counted(count: int, noun: str) -> str:
    """``1 task``, ``3 tasks``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def worst_first(problems: list[Problem]) -> list[Problem]:
    """In the order in which they are shown."""
    return sorted(problems, key=lambda one: (one.severity != "critical", _ORDER.get(kind_of(one.code).code, 99)))

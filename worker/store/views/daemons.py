"""The daemons, for people: which of them live, their problems, and how `status` tells of them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from worker.core.instant import about, from_iso, iso_or_none, words
from worker.core.problems import Problem, counted, elsewhere, hint, kind_of, problem
from worker.core.status_rules import StatusRules
from worker.ownership import Obstacle
from worker.store.db import marker
from worker.store.db.lock import Holder
from worker.store.db.store import Store
from worker.store.state import daemon
from worker.store.state import drop as rounds
from worker.store.tasks import tallies

Json = dict[str, Any]

DAY_MS = 86_400_000
# So long a daemon that starts again and again may be silent; systemd waits 5 s before each start.
BETWEEN_STARTS_MS = 60_000
# A start lasts seconds, and what takes longer (a migration) says that it goes on.
STARTS_LONG_MS = 300_000


class Machine(NamedTuple):
    """What the machine says of the daemon's process and of the disk that the database is on.

    ``free_bytes`` is ``None`` where the disk cannot be examined. ``starting``: the process that has the daemon's lock,
    where no daemon makes passes. ``unusable``: why none can start, where that is known. ``denied``: what keeps the
    service's user from opening the database. A daemon that has it open goes on, and does not meet that.
    """

    daemon_exists: bool
    free_bytes: int | None
    read_only: bool = False
    starting: Holder | None = None
    unusable: str | None = None
    denied: Obstacle | None = None


def living(store: Store, now: int, *, alive: bool) -> list[daemon.NamedDaemon]:
    """The daemons that make their passes. ``alive``: that of this host does; of another its beat alone can tell."""
    return [one for one in daemon.listed(store) if (alive if one.name == store.daemon else one.lives(now))]


def daemon_problems(store: Store, now: int, rules: StatusRules, machine: Machine, *, alive: bool) -> list[Problem]:
    """What stands of all daemons. ``alive``: that of this host makes its passes."""
    known, lives = daemon.listed(store), living(store, now, alive=alive)
    own = next((one for one in known if one.name == store.daemon), None)
    loops = _loops(store, known, now) if rules.runs == "daemon" else []
    soon = own is not None and bool(own.restarts(now)) and now - own.beat.beat_at < BETWEEN_STARTS_MS
    starts_again = soon and rules.runs == "daemon"
    here = [] if alive or starts_again else _of_this_host(store, now, machine, own)
    if lives:
        told = {one.daemon for one in here or []}
        silent = [one for one in known if one not in lives and one.name not in told]
        return [*loops, *(here or []), *_silent(silent, now, rules), *_versions(lives)]
    if here is not None:
        return [*loops, *here]
    if rules.runs == "daemon":
        return [*loops, _down(machine, known)]
    return [*loops, *_not_run(store, now, rules)]


def _loops(store: Store, known: Sequence[daemon.NamedDaemon], now: int) -> list[Problem]:
    found = []
    for one in known:
        if n := one.restarts(now):
            loop = replace(problem("daemon_restarts", n), daemon=one.name)
            found.append(loop if one.name == store.daemon else elsewhere(loop))
    return found


def _of_this_host(store: Store, now: int, machine: Machine, own: daemon.NamedDaemon | None) -> list[Problem] | None:
    """Of a process that is there and makes no passes; ``None``: there is none."""
    if own is not None and own.beat.stopped_at is None and machine.daemon_exists and daemon.is_here(store, own):
        lasting = words(now - own.beat.beat_at)
        return [replace(problem("daemon_stuck", pid=own.beat.pid, lasting=lasting), daemon=store.daemon)]
    if machine.starting is not None:
        lasting_ms = now - machine.starting.since
        stuck = problem("daemon_stuck", pid=machine.starting.pid, lasting=words(lasting_ms))
        return [replace(stuck, daemon=store.daemon)] * (lasting_ms > STARTS_LONG_MS)
    return None


def _down(machine: Machine, known: Sequence[daemon.NamedDaemon]) -> Problem:
    down = problem("daemon_down")
    if machine.unusable is not None:
        cure = f"{machine.unusable}; mend it, then start the daemon (systemctl start cdpoll, or cdpoll run)"
        down = replace(down, hint=hint(kind_of(down.code).words, cure))
    return replace(down, since=max((one.beat.stopped_at or one.beat.beat_at for one in known), default=None))


def _not_run(store: Store, now: int, rules: StatusRules) -> list[Problem]:
    due, good_at = tallies.due(store, now - DAY_MS) if rules.asks else 0, rounds.last_good(store)
    read_at = marker.written_at(store.file) if good_at is None else good_at
    unread = rules.every_ms is not None and read_at is not None and now - read_at > DAY_MS
    waits = [f"{counted(due, 'task')} due"] * bool(due) + ["the drop not read"] * unread
    return [problem("not_run", max(due, 1), things=" and ".join(waits))] if waits else []


def _silent(others: Sequence[daemon.NamedDaemon], now: int, rules: StatusRules) -> list[Problem]:
    """Those that have not beaten for a while, and did not stop as they should."""
    silent = [one for one in others if one.beat.stopped_at is None and not one.lives(now)]
    if not silent or rules.runs != "daemon":
        return []
    seen = [(_named(one.name, one.host), words(now - one.beat.beat_at)) for one in silent]
    said = "; ".join(f"{name} was last seen {age} ago" for name, age in seen)
    names = [one.name for one in silent]
    since = min(one.beat.beat_at for one in silent)
    return [replace(problem("daemon_silent", len(silent), causes=names, silent=said), since=since)]


def _versions(lives: Sequence[daemon.NamedDaemon]) -> list[Problem]:
    if len({one.beat.version for one in lives}) < 2:
        return []
    said = ", ".join(f"{one.name} {one.beat.version}" for one in lives)
    return [problem("daemon_versions", len(lives), causes=[said], versions=said)]


def _named(name: str, host: str) -> str:
    return name if host in ("", name) else f"{name} on {host}"


# --- for `status`


def told(store: Store, now: int, *, alive: bool) -> list[Json]:
    """Each daemon, as `status` has it. ``alive``: that of this host makes its passes."""
    lives = {one.name for one in living(store, now, alive=alive)}
    return [
        {
            "name": one.name,
            "host": one.host or None,
            "alive": one.name in lives,
            "beat_age_s": max(0, now - one.beat.beat_at) // 1000,
            "beat_age_ms": max(0, now - one.beat.beat_at),
            "version": one.beat.version,
            "pid": one.beat.pid if one.name in lives else None,
            "started_at": iso_or_none(one.beat.started_at),
            "stopped_at": iso_or_none(one.beat.stopped_at),
            "problem": None,
        }
        for one in daemon.listed(store)
    ]


def with_problems(daemons: list[Json], problems: Sequence[Json]) -> list[Json]:
    """The same, each with the code of the worst problem that it alone has. ``problems``: as in the picture."""
    worst = {one["daemon"]: one["code"] for one in reversed(problems) if one.get("daemon")}
    silent = any(one["code"] == "daemon_silent" for one in problems)
    return [one | {"problem": _problem_of(one, worst.get(one["name"]), silent=silent)} for one in daemons]


def _problem_of(one: Json, worst: str | None, *, silent: bool) -> str | None:
    lost = silent and not one["alive"] and one["stopped_at"] is None and one["beat_age_ms"] >= daemon.Beat.STALE_MS
    return "daemon_silent" if lost and worst is None else worst


def speaker(picture: Json) -> Json:
    """The daemon by which `status` says whether work goes on: this host's, or where it does not live, another that
    does."""
    own: Json = picture["daemon"]
    others = [one for one in picture.get("daemons", []) if one["alive"]]
    if own["alive"] or not others:
        return own
    return {**own, **min(others, key=lambda one: int(one["beat_age_ms"])), "starting": None, "passes": None}


def are_several(picture: Json) -> bool:
    """Whether there is another daemon than this host's."""
    daemons = picture.get("daemons", [])
    return len(daemons) > 1 or any(one["name"] != picture["daemon"].get("name") for one in daemons)


def fact(one: Json, now: int) -> str:
    """A line of `status` about one of several."""
    name, age = _named(one["name"], one["host"] or ""), about(one["beat_age_ms"])
    problem_said = f"; {one['problem']}" if one["problem"] else ""
    if one["alive"]:
        started = from_iso(one["started_at"])
        since = "" if started is None else f" for {about(now - started)}"
        return f"{name}: running{since}, version {one['version']}, last seen {age} ago{problem_said}"
    if one["stopped_at"] is not None:
        return f"{name}: stopped {age} ago{problem_said}"
    return f"{name}: NOT RUNNING, last seen {age} ago{problem_said}"


def in_brief(store: Store, now: int) -> str:
    """All of them in a few words, where there are several, for the unit's STATUS; else empty."""
    known = daemon.listed(store)
    if len(known) < 2:
        return ""
    here = {one.name for one in living(store, now, alive=True)}
    said = (
        one.name if one.name in here else f"{one.name} {'stopped' if one.beat.stopped_at is not None else 'silent'}"
        for one in known
    )
    return f"; daemons: {', '.join(said)}"

"""What people and scripts see: the whole picture. Reads only, each in one short statement."""

from collections.abc import Sequence
from typing import Any

from worker.core.instant import iso_or_none
from worker.core.pacing.limiter import LimiterState, RateLimit, full_pace_in, paced
from worker.core.problems import Problem
from worker.core.vendor.environment import environment_of
from worker.store.db.store import Store
from worker.store.state import api, backfill, backups, daemon, delivering
from worker.store.state import drop as rounds
from worker.store.state import spool as spool_row
from worker.store.tasks import tallies
from worker.store.views import alerts, callbacks, daemons, expected, lookups
from worker.store.views import deliveries as ways_out
from worker.store.views.polling_figures import polling_figures
from worker.store.views.problems import HELD_SETS, Machine, StatusRules, count, problems
from worker.store.views.retention import disk, retention
from worker.store.views.traffic import oldest_due, traffic

Json = dict[str, Any]

TASK_STATES = ("pending", "concluded", "abandoned")
FILE_STATES = ("ingested", "quarantined", "incomplete", "skipped")


def one_line(store: Store, now: int, worst: Problem | None) -> str:
    """For `systemctl status`; ``worst`` is the problem to name."""
    tasks, outcomes = tallies.by_state(store), tallies.by_outcome(store)
    text = f"{tasks['pending']} pending ({tallies.due(store, now)} due), {tasks['concluded']} concluded"
    text += f" ({outcomes['success']} found coverage)"
    text += f", {tasks['abandoned']} abandoned" if tasks["abandoned"] else ""
    text += daemons.in_brief(store, now)
    return text + ("; no problems" if worst is None else f"; {worst.severity}: {worst.hint} ({worst.code})")


def status(store: Store, now: int, rules: StatusRules, machine: Machine) -> Json:
    """The picture as the interface promises it."""
    beat = daemon.last_beat(store)
    alive = beat is not None and beat.alive(now, machine.daemon_exists)
    found = problems(store, now, rules, machine, alive=alive)
    return picture(store, now, rules, machine, found)


def picture(store: Store, now: int, rules: StatusRules, machine: Machine, found: Sequence[Problem]) -> Json:
    """The same with the problems that were ``found``."""
    shared = api.get(store)
    breaker = shared.breaker
    # Not by `recorded_at`: the clock may have been years off when an id was recorded.
    oldest = store.one("SELECT life_from AS at FROM tasks WHERE state = 'pending' ORDER BY life_base LIMIT 1")
    due_since = oldest_due(store, now)
    here = present(store, now, machine)
    here["tasks"]["due"] = tallies.due(store, now)
    return {
        **here,
        "oldest_pending_age_s": None if oldest is None else max(0, now - oldest["at"]) // 1000,
        "api": {
            "paused": breaker.paused,
            "reason": f"{breaker.reason} ({breaker.code})" if breaker.paused else None,
            "resumes_at": iso_or_none(breaker.resumes_at),
            **_pace(shared.limiter, rules.limit, now),
        },
        "failing": [{"code": code, "count": n} for code, n in tallies.by_error(store).items()],
        "oldest_due_age_s": None if due_since is None else (now - due_since) // 1000,
        "traffic": traffic(store, now),
        "polling": polling_figures(store, now, rules.limit, rules.delay_per_request_ms),
        "files": _files(store),
        "drop": None if rules.every_ms is None else rounds.picture(store),
        "callbacks": callbacks.picture(store) if rules.callbacks else None,
        "lookups": lookups.picture(store),
        "spool": None if rules.spool is None else spool_row.picture(store, now),
        "expected": expected.picture(store, now),
        "backfill": backfill.picture(store) if rules.backfill else None,
        "deliveries": deliveries(store, now, rules),
        "problems": told(found),
        "daemons": daemons.with_problems(here["daemons"], told(found)),
        "alerts": alerts.picture(store, rules),
        "backup": {name: iso_or_none(at) for name, at in backups.last(store).items()},
        "retention": retention(store, rules.keep_ms),
        "disk": disk(store, now, machine.free_bytes),
        "environment": _environment(store, rules),
        "config": rules.source,
        "database": store.name,
    }


def told(found: Sequence[Problem]) -> list[Json]:
    """Problems as the picture has them."""
    return [
        {"code": p.code, "count": p.count, "hint": p.hint, "severity": p.severity, "since": iso_or_none(p.since)}
        | {"daemon": p.daemon or None}
        for p in found
    ]


def present(store: Store, now: int, machine: Machine) -> Json:
    """The parts that are read in a moment, however many tasks there are: daemons, the token, the counts of tasks."""
    tasks = tallies.by_state(store)
    own = daemon.own(store)
    beat = None if own is None else own.beat
    alive = beat is not None and beat.alive(now, machine.daemon_exists)
    expires_at = beat.token_expires_at if beat is not None and alive else None
    if expires_at is not None and expires_at <= now:
        expires_at = None
    return {
        "daemon": {
            "name": store.daemon,
            "alive": alive,
            "beat_age_s": None if beat is None else max(0, now - beat.beat_at) // 1000,
            "version": None if beat is None else beat.version,
            "beat_age_ms": None if beat is None else max(0, now - beat.beat_at),
            "pid": beat.pid if beat is not None and alive else None,
            "started_at": None if beat is None else iso_or_none(beat.started_at),
            "starting": None if alive or machine.starting is None else machine.starting.pid,
            "passes": beat.passes if beat is not None and alive and beat.passes else None,
        },
        "daemons": daemons.told(store, now, alive=alive),
        "tasks": {state: tasks[state] for state in TASK_STATES},
        "outcomes": tallies.by_outcome(store),
        "token": {"expires_in_s": None if expires_at is None else (expires_at - now) // 1000},
    }


def deliveries(store: Store, now: int, rules: StatusRules) -> Json:
    """The process of `cdpoll deliver`, and how each way fares that is configured."""
    beat = delivering.get(store)
    alive = beat is not None and beat.alive(now)
    return {
        "alive": alive,
        "pid": beat.pid if beat is not None and alive else None,
        "daemon": beat.daemon if beat is not None and alive else None,
        "version": None if beat is None else beat.version,
        "beat_age_s": None if beat is None else max(0, now - beat.last_seen_at) // 1000,
        "ways": ways_out.picture(store, now, rules.ways),
    }


def _pace(limiter: LimiterState, limit: RateLimit, now: int) -> Json:
    """``pace``: the share of the configured rate that is used."""
    full_in_ms = full_pace_in(limit, limiter, now)
    return {
        "pace": round(paced(limit, limiter).rate / limit.rate, 4),
        "full_pace_in_s": None if full_in_ms is None else full_in_ms // 1000,
    }


def _environment(store: Store, rules: StatusRules) -> Json:
    origin = api.origin_of(store) or rules.origin
    return {"origin": origin or None, "kind": environment_of(origin or "")}


def _files(store: Store) -> Json:
    rows = store.read("SELECT state, count(*) AS n, max(done_at) AS at FROM files GROUP BY state")
    counted = {row["state"]: row["n"] for row in rows}
    return {
        **{state: counted.get(state, 0) for state in FILE_STATES},
        "quarantined_sets": count(store, HELD_SETS, {}),
        "last_at": iso_or_none(max((row["at"] for row in rows if row["state"] != "staging"), default=None)),
    }

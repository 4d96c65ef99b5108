"""The spool, for people: its problems, found in the database, and its line in `status`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from worker.core.instant import about, words
from worker.core.problems import Problem, counted, elsewhere, problem
from worker.core.status_rules import StatusRules
from worker.store.db.store import Store
from worker.store.state import daemon
from worker.store.state import spool as row

# A lane that works looks far more often, and takes what it finds; a large batch may take minutes.
SILENT_MS = 900_000

# Within this time of the daemon's a file is taken, also where thousands lie before it.
WAITING_MS = 3_600_000


def spool_problems(store: Store, now: int, rules: StatusRules, lives: Sequence[daemon.NamedDaemon]) -> list[Problem]:
    """What a person must see of the spools, where there is one here. ``lives``: the daemons that make their passes."""
    if rules.spool is None:
        return []
    known, beats = row.seen_by(store), {one.name: one.beat for one in lives}
    found = [
        replace(one, daemon=store.daemon)
        for one in _of_one(known.get(store.daemon, row.SpoolSeen()), now, rules, beats.get(store.daemon))
    ]
    for name in known.keys() - {store.daemon}:
        found += [elsewhere(replace(one, daemon=name)) for one in _of_one(known[name], now, rules, beats.get(name))]
    return found


def _of_one(seen: row.SpoolSeen, now: int, rules: StatusRules, beat: daemon.Beat | None) -> list[Problem]:
    """``beat``: of its daemon, where that lives."""
    found = []
    if seen.last_error is not None:
        cause, _, cure = seen.last_error.partition("; ")
        found.append(problem("spool_stuck", causes=[cause], cause=cause, cure=cure))
    elif beat is not None and rules.runs == "daemon":
        found += _silent(beat, now, seen)
    if seen.bad:
        found.append(replace(problem("spool_bad", seen.bad, folder=f"{rules.spool}/bad"), since=seen.bad_since))
    return found


def _silent(beat: daemon.Beat, now: int, seen: row.SpoolSeen) -> list[Problem]:
    looked_at = max(seen.looked_at or 0, beat.started_at)
    cure = "look into the daemon's log (journalctl -u cdpoll), and restart it"
    if now - looked_at > SILENT_MS:
        return [problem("spool_stuck", cause=f"it was last looked at {words(now - looked_at)} ago", cure=cure)]
    waits_since = now if seen.oldest_at is None else max(seen.oldest_at, beat.started_at)
    if now - waits_since > WAITING_MS:
        return [problem("spool_stuck", cause=f"a file has waited for {words(now - waits_since)}", cure=cure)]
    return []


def fact(picture: dict[str, Any]) -> str:
    """The line of `status`."""
    oldest = picture["oldest_age_s"]
    since = "" if oldest is None else f", the oldest for {about(oldest * 1000)}"
    bad = f"; {picture['bad']} could not be read" if picture["bad"] else ""
    return f"{counted(picture['taken'], 'file')} taken, {picture['waiting']} waiting{since}{bad}"

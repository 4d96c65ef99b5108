"""Which problems others are told of: those that the log has told of, and that are not over there. Reads only."""

from dataclasses import replace
from typing import Any

from worker.core.alerts import Alert, alert_of
from worker.core.instant import iso_or_none
from worker.core.problems import gone, kind_of
from worker.core.standing import Shown
from worker.core.status_rules import StatusRules
from worker.store.db.store import Store
from worker.store.state import alerting
from worker.store.state import standing as kept
from worker.store.views.problems import NO_WRITES, Machine, found


def told(store: Store, now: int, rules: StatusRules, machine: Machine, *, alive: bool) -> tuple[list[Alert], set[str]]:
    """The problems, and the codes of those that the log has not told of because no daemon could write them down.

    What ended less than a minute ago still stands: it may come back.
    """
    rows = kept.standing(store)
    here = {one.code: one for one in found(store, now, rules, machine, alive=alive)}
    shown = []
    for row in rows.values():
        if row.told:
            problem = here.get(row.code) or gone(row.code, row.n)
            acked = row if row.hides(problem.count) else None
            shown.append(Shown(replace(problem, since=min(row.began_at, now)), acked))
    unwritten = {code for code in here.keys() - rows.keys() if not _waits(code)}
    if alive and not here.keys() & NO_WRITES:
        unwritten = set()
    shown += [Shown(one) for code, one in here.items() if code in unwritten]
    return [alert_of(one) for one in shown], unwritten


def picture(store: Store, rules: StatusRules) -> dict[str, Any]:
    """What came of pings and of the command, for `status`."""
    out: dict[str, Any] = {}
    means: tuple[tuple[alerting.Means, bool], ...] = (("ping", rules.ping), ("command", rules.hook))
    for name, configured in means:
        made = alerting.attempts(store, name) if configured else alerting.Attempts()
        out[name] = {
            "configured": configured,
            "last_at": iso_or_none(made.at),
            "failing_since": iso_or_none(made.failing_since),
            "failure": made.failure,
        }
    return out


def _waits(code: str) -> bool:
    """Whether it is told only when it has stood for a while."""
    return max(kind_of(code).lasting_ms, kind_of(code).logged_after_ms) > 0

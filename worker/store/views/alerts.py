"""Which problems others are told of: those that the log has told of, and that are not over there. Reads only."""

from dataclasses import replace
from typing import Any

from worker.core.alerts import Alert, alert_of
from worker.core.instant import iso_or_none
from worker.core.problems import Key, gone, kind_of
from worker.core.standing import Shown
from worker.core.status_rules import StatusRules
from worker.store.db.store import Store
from worker.store.state import alerting
from worker.store.state import standing as kept
from worker.store.views.daemons import living
from worker.store.views.problems import NO_WRITES, Machine, found


def told(store: Store, now: int, rules: StatusRules, machine: Machine, *, alive: bool) -> tuple[list[Alert], set[Key]]:
    """The problems, and the keys of those that the log has not told of because no daemon could write them down.

    What ended less than a minute ago still stands: it may come back.
    """
    rows = kept.standing(store)
    here = {one.key: one for one in found(store, now, rules, machine, alive=alive)}
    shown = []
    for row in rows.values():
        # What another daemon has written of itself counts as long as it is found.
        if row.told and (row.daemon in ("", store.daemon) or row.key in here):
            problem = here.get(row.key) or gone(row.code, row.n, row.daemon)
            acked = row if row.hides(problem.count) else None
            shown.append(Shown(replace(problem, since=min(row.began_at, now)), acked))
    unwritten = {key for key in here.keys() - rows.keys() if not _waits(key[0])}
    if living(store, now, alive=alive) and not {code for code, _ in here} & NO_WRITES:
        unwritten = set()
    shown += [Shown(one) for key, one in here.items() if key in unwritten]
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

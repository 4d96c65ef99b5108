"""Which problems stand: found with each beat, kept in the database, and logged when they begin and end.

Each daemon sees to its own: its disk, its notices. What the rows show that all share, as a task that is overdue, one of
them sees to: the one that has the lease ``problems``. So each problem is logged once, and when that daemon dies,
another goes on from the rows.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace

from worker.config import Config
from worker.config.polling import status_rules_of
from worker.core.errors import StorageFailed, TryLater
from worker.core.instant import words
from worker.core.problems import Key, Problem, kind_of
from worker.core.standing import Standing, Told, follow, shown, without_names
from worker.rounds.log_lines import Log
from worker.rounds.machine import machine_of
from worker.store.db.store import Store
from worker.store.state import leases, standing
from worker.store.state.beat_file import Unwritable
from worker.store.views.problems import StatusRules, found, unwritable, with_unwritable

EVERY_MS = 15_000

# Of the lease, which is renewed when half of it has passed. After the death of its holder another daemon has it then.
LEASE_MS = 60_000


class ProblemWatch:
    """``once``: the run ends by itself, so work that waits is none of its problems."""

    def __init__(self, store: Store, log: Log, *, once: bool) -> None:
        self.log = log
        self.worst: Problem | None = None
        """The worst problem that stands and is not acknowledged."""
        self.shown: list[Problem] = []
        """All of these, without names of files."""
        self._store = store
        self._once = once
        self._looked_at: int | None = None
        self._causes: dict[Key, frozenset[str]] = {}  # those that were told, or found at the start
        self._failed: Unwritable | None = None
        self._stood: list[Problem] = []
        self._followed: dict[Key, Standing] = {}  # what stood after the last look, of all daemons
        self._unsaved: dict[Key, Standing] | None = None  # what was logged, and could not be written
        self._leads_until: int | None = None
        self.leads = False
        """Whether this daemon saw to what all share at the last look."""

    def lead(self, now: int) -> bool:
        """Have the lease, where no other daemon has it; whether this one has. Raises StorageFailed and TryLater."""
        if self._leads_until is None or not LEASE_MS // 2 < self._leads_until - now <= LEASE_MS:
            holder, other = leases.mine(self._store), leases.holder_of(self._store, "problems", now)
            taken = False
            if other is None or other.daemon == self._store.daemon:
                with self._store.write():
                    taken = leases.take(self._store, "problems", holder, now, LEASE_MS)
            self._leads_until = now + LEASE_MS if taken else None
        self.leads = self._leads_until is not None
        return self.leads

    def let_go(self) -> None:
        """Give the lease to the next one; inside a transaction."""
        leases.let_go(self._store, "problems", leases.mine(self._store))

    def _is_mine(self, key: Key, now: int) -> bool:
        _, whose = key
        # A file has one daemon: while it cannot be written, and so no lease be renewed, none takes its place.
        leads = self._leads_until is not None and (now < self._leads_until or not self._store.shared)
        return leads if not whose else whose == self._store.daemon

    def look(self, config: Config, now: int, failed: Unwritable | None, *, at_once: bool) -> bool:
        """Look if it is time, or ``at_once``; whether it was. ``failed``: the database cannot be written, which
        silences no line."""
        at_once = at_once or (failed is None) != (self._failed is None)
        if not at_once and self._looked_at is not None and 0 <= now - self._looked_at < EVERY_MS:
            return False
        self._looked_at, self._failed = now, failed
        rules = status_rules_of(config)
        if self._once:
            rules = rules._replace(runs="once")
        with suppress(StorageFailed, TryLater):
            self.lead(now)
        try:
            stands, rows = self._found(now, rules), self._rows()
        except (StorageFailed, TryLater):
            stands, rows = self._stood, self._followed  # as it was before
        self._stood = stands
        if failed is not None:
            here = unwritable(failed.message, failed.hint, failed.since)
            stands = with_unwritable(stands, replace(here, daemon=self._store.daemon))
        own = [one for one in stands if self._is_mine(one.key, now)]
        after, told = self._follow(rows, own, now)
        if failed is not None:
            self._unsaved = after
        elif after != rows or self._unsaved is not None:
            after, told = self._keep(after, told, own, now)
        self._followed = after
        self.shown = [without_names(one.problem) for one in shown(after, stands, now) if one.acked is None]
        self.worst = next(iter(self.shown), None)
        for one in told:
            self._tell(one)
        self._tell_new_causes(after, own)
        return True

    def _follow(
        self, rows: Mapping[Key, Standing], stands: Iterable[Problem], now: int
    ) -> tuple[dict[Key, Standing], list[Told]]:
        """What stands then, with what other daemons see to, which stays as it is; and what is to be logged."""
        mine = {key: row for key, row in rows.items() if self._is_mine(key, now)}
        after, told = follow(mine, stands, now)
        return {**{key: row for key, row in rows.items() if key not in mine}, **after}, told

    def _found(self, now: int, rules: StatusRules) -> list[Problem]:
        here = found(self._store, now, rules, machine_of(self._store), alive=True)
        # The file that says it is our own.
        return [_sayable(one) for one in here if one.code != "database_unwritable"]

    def _keep(
        self, after: dict[Key, Standing], told: list[Told], stands: list[Problem], now: int
    ) -> tuple[dict[Key, Standing], list[Told]]:
        """Write what stands of what this daemon sees to. One may have been acknowledged since the rows were read."""
        try:
            with self._store.write():
                stored = standing.standing(self._store)
                rows = stored | {
                    key: row.acknowledged_as(stored.get(key, row))
                    for key, row in (self._unsaved or {}).items()
                    if self._is_mine(key, now)
                }
                after, told = self._follow(rows, stands, now)
                mine = {key for key in rows if self._is_mine(key, now)}
                standing.keep(self._store, after, mine)
            self._unsaved = None
        except (StorageFailed, TryLater):
            self._unsaved = after
        return after, told

    def _rows(self) -> dict[Key, Standing]:
        return standing.standing(self._store) if self._unsaved is None else self._unsaved

    def _tell(self, told: Told) -> None:
        problem = told.problem
        if told.what == "over":
            self.log.info("problem is over", code=problem.code, lasted=words(told.lasted))
            return
        begins = told.what == "begins"
        self._say("problem begins" if begins else "problem has grown since it was acknowledged", problem)

    def _say(self, event: str, problem: Problem) -> None:
        say = self.log.error if problem.severity == "critical" else self.log.warning
        say(event, code=problem.code, count=problem.count, hint=without_names(problem).hint)

    def _tell_new_causes(self, after: dict[Key, Standing], stands: list[Problem]) -> None:
        """Each cause of a problem that goes on is told once."""
        self._causes = {key: causes for key, causes in self._causes.items() if key in after}
        for problem in stands:
            row = after[problem.key]
            if not problem.causes or not row.told:
                continue
            known = self._causes.setdefault(problem.key, problem.causes)
            if problem.causes <= known:
                continue
            self._causes[problem.key] = known | problem.causes
            if not row.hides(problem.count):
                self._say("problem has another cause now", problem)


def _sayable(problem: Problem) -> Problem:
    """The problem without texts that were damaged on the disk (read with U+FFFD): nothing is known of what they say."""
    if "\ufffd" not in problem.code + problem.hint:
        return problem
    code = kind_of(problem.code).code if "\ufffd" in problem.code else problem.code
    code = "unknown" if "\ufffd" in code else code
    return replace(problem, code=code, hint="its text is damaged: see `cdpoll problems list`")

"""Which problems stand: found with each beat, kept in the database, and logged when they begin and end."""

from dataclasses import replace

from worker.config import Config
from worker.config.polling import status_rules_of
from worker.core.errors import StorageFailed, TryLater
from worker.core.instant import words
from worker.core.problems import Problem, kind_of
from worker.core.standing import Standing, Told, follow, shown, without_names
from worker.rounds.log_lines import Log
from worker.rounds.machine import machine_of
from worker.store.db.store import Store
from worker.store.state import standing
from worker.store.state.beat_file import Unwritable
from worker.store.views.problems import StatusRules, found, unwritable, with_unwritable

EVERY_MS = 15_000


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
        self._causes: dict[str, frozenset[str]] = {}  # by code, those that were told, or found at the start
        self._failed: Unwritable | None = None
        self._stood: list[Problem] = []
        self._followed: dict[str, Standing] = {}  # what stood after the last look
        self._unsaved: dict[str, Standing] | None = None  # what was logged, and could not be written

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
        try:
            stands, rows = self._found(now, rules), self._rows()
        except (StorageFailed, TryLater):
            stands, rows = self._stood, self._followed  # as it was before
        self._stood = stands
        if failed is not None:
            stands = with_unwritable(stands, unwritable(failed.message, failed.hint, failed.since))
        after, told = follow(rows, stands, now)
        if failed is not None:
            self._unsaved = after
        elif after != rows or self._unsaved is not None:
            after, told = self._keep(after, told, stands, now)
        self._followed = after
        self.shown = [without_names(one.problem) for one in shown(after, stands, now) if one.acked is None]
        self.worst = next(iter(self.shown), None)
        for one in told:
            self._tell(one)
        self._tell_new_causes(after, stands)
        return True

    def _found(self, now: int, rules: StatusRules) -> list[Problem]:
        here = found(self._store, now, rules, machine_of(self._store), alive=True)
        # The file that says it is our own.
        return [_sayable(one) for one in here if one.code != "database_unwritable"]

    def _keep(
        self, after: dict[str, Standing], told: list[Told], stands: list[Problem], now: int
    ) -> tuple[dict[str, Standing], list[Told]]:
        """Write what stands. One may have been acknowledged since the rows were read."""
        try:
            with self._store.write():
                stored = standing.standing(self._store)
                rows = stored | {
                    code: row.acknowledged_as(stored.get(code, row)) for code, row in (self._unsaved or {}).items()
                }
                after, told = follow(rows, stands, now)
                standing.keep(self._store, after)
            self._unsaved = None
        except (StorageFailed, TryLater):
            self._unsaved = after
        return after, told

    def _rows(self) -> dict[str, Standing]:
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

    def _tell_new_causes(self, after: dict[str, Standing], stands: list[Problem]) -> None:
        """Each cause of a problem that goes on is told once."""
        self._causes = {code: causes for code, causes in self._causes.items() if code in after}
        for problem in stands:
            row = after[problem.code]
            if not problem.causes or not row.told:
                continue
            known = self._causes.setdefault(problem.code, problem.causes)
            if problem.causes <= known:
                continue
            self._causes[problem.code] = known | problem.causes
            if not row.hides(problem.count):
                self._say("problem has another cause now", problem)


def _sayable(problem: Problem) -> Problem:
    """The problem without texts that were damaged on the disk (read with U+FFFD): nothing is known of what they say."""
    if "\ufffd" not in problem.code + problem.hint:
        return problem
    code = kind_of(problem.code).code if "\ufffd" in problem.code else problem.code
    code = "unknown" if "\ufffd" in code else code
    return replace(problem, code=code, hint="its text is damaged: see `cdpoll problems list`")

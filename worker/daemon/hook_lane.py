"""The lane that starts the command of ``[alert]``, in the process of `cdpoll deliver`.

The command is started when a problem begins and when it is over, as the log tells it, and once for each. What it was
told is kept in the database once it has ended well; a command that fails is started again after a minute. Where several
hosts share the database, the one that delivers does it.
"""

import json
from functools import partial
from typing import Any

from worker.config import AlertSection, Config
from worker.config.polling import status_rules_of
from worker.core.alerts import severe
from worker.core.delivery import Delivered
from worker.core.errors import StorageFailed, TryLater
from worker.core.exit_code import ExitCode
from worker.core.instant import iso, iso_or_none
from worker.core.problems import Key, Problem
from worker.core.status_rules import StatusRules
from worker.daemon.lane import LanePlan, Surroundings
from worker.gateways.deliver.command import run_program
from worker.rounds.machine import from_outside
from worker.store.db.store import Store
from worker.store.state import alerting
from worker.store.state.daemon import this_host
from worker.store.state.leases import LeaseLost
from worker.store.views.alerts import told

LOOK_MS = 5_000

RETRY_MS = 60_000

# A restart of the daemon takes seconds, an upgrade longer. Only then is the command told that it is down.
DOWN_MS = 120_000

# What a step takes beside the command: to wait for the database.
REST_OF_A_STEP_MS = 60_000


def plan(config: Config) -> LanePlan | None:
    """The lane, where ``[alert] command`` is set."""
    if config.alert.command is None:
        return None
    return LanePlan("alert", "alerting failed", partial(HookLane, config.alert, status_rules_of(config)))


class HookLane:
    """A step tells the command of everything that has begun or ended."""

    def __init__(self, alert: AlertSection, rules: StatusRules, store: Store, around: Surroundings) -> None:
        self.idle = False
        self.exit_code = 0
        self.bound_ms = alert.timeout_ms + REST_OF_A_STEP_MS
        self._alert = alert
        self._rules = rules
        self._store = store
        self._around = around
        self._begun = alerting.begun(store)
        self._attempts = alerting.attempts(store, "command")
        self._saved = True
        self._unwritten: dict[Key, int] = {}  # since when problems stand that no daemon could write down
        self._retry_at: dict[tuple[str, str], int] = {}  # by event and name

    def run(self, now: int) -> int:
        if self.idle and self._around.once:
            return now + RETRY_MS
        stands = self._standing(now)
        for event, about in self._events(stands, now):
            if self._around.stop.is_set():
                return now
            self._refuse_lost()
            self._tell(event, about, now)
        self._save()
        self.idle = True
        return now + LOOK_MS

    def _refuse_lost(self) -> None:
        """Raise LeaseLost where this process was frozen, and another host tells the command by now."""
        try:
            with self._store.write():
                pass
        except LeaseLost:
            raise
        except (StorageFailed, TryLater):
            pass  # a full disk is told nevertheless

    def _standing(self, now: int) -> dict[str, tuple[Problem, bool]]:
        """By name, the alerts that stand, and whether each is acknowledged."""
        machine, alive = from_outside(self._store, now)
        alerts, unwritten = told(self._store, now, self._rules, machine, alive=alive)
        self._unwritten = {key: min(self._unwritten.get(key, now), now) for key in unwritten}
        # One that lives is not being restarted, and one that is stuck was silent for longer than that takes.
        quiet = set() if alive else {key for key in unwritten if key[0] != "daemon_stuck"}
        stands = {}
        for one in alerts:
            key, name = one.problem.key, _name(one.problem)
            waits = key in quiet and now - self._unwritten[key] < DOWN_MS and name not in self._begun
            severe_enough = severe(one.problem, self._alert.min_severity) or name in self._begun
            if severe_enough and (not waits or self._around.once):
                stands[name] = one.problem, one.acked
        return stands

    def _events(self, stands: dict[str, tuple[Problem, bool]], now: int) -> list[tuple[str, dict[str, Any]]]:
        """What the command is to be told now. One that was acknowledged and has grown since begins again."""
        events = []
        for name, (problem, acked) in stands.items():
            known = self._begun.get(name)
            if known is not None and acked != known.get("acked", False) and acked:
                self._begun[name] = {**known, "acked": True}
                self._saved = False
            elif not acked and (known is None or known.get("acked")):
                events.append(("problem", self._about(problem, now)))
        over = self._begun.keys() - stands.keys()
        events += [("recovery", self._begun[name]) for name in sorted(over)]
        return [(event, about) for event, about in events if not self._waits(event, _name_of(about), now)]

    def _waits(self, event: str, name: str, now: int) -> bool:
        """Whether the command has failed less than a minute ago. A longer wait began before the clock was set back."""
        return now < self._retry_at.get((event, name), now) <= now + RETRY_MS

    def _about(self, problem: Problem, now: int) -> dict[str, Any]:
        return {
            "code": problem.code,
            "severity": problem.severity,
            "count": problem.count,
            "hint": problem.hint,
            "since": iso(now) if problem.since is None else iso_or_none(problem.since),
            "daemon": problem.daemon or None,
        }

    def _tell(self, event: str, about: dict[str, Any], now: int) -> None:
        name, command = _name_of(about), self._alert.command
        assert command is not None
        told = {"event": event, **about, "at": iso(now), "host": this_host()}
        told.pop("acked", None)
        self._around.moves()
        sent = run_program(command, json.dumps(told).encode() + b"\n", {}, self._alert.timeout_ms)
        self._saved = False
        if isinstance(sent, Delivered):
            if self._attempts.failing_since is not None:
                self._around.log.info("the command of [alert] works again")
            self._retry_at.pop((event, name), None)
            self._begun.pop(name, None)
            if event == "problem":
                self._begun[name] = about
            self._attempts = self._attempts.after(None, now)
        else:
            if self._attempts.failing_since is None:
                self._around.log.warning("the command of [alert] fails", reason=sent.detail)
            self.exit_code = ExitCode.UNREACHABLE if self._around.once else 0
            self._retry_at[event, name] = now + RETRY_MS
            self._attempts = self._attempts.after(sent.detail, now)
        self._save()

    def _save(self) -> None:
        """Where it cannot be written, it is kept in memory: the command must not be started for it again."""
        if self._saved:
            return
        try:
            with self._store.write():
                alerting.put_begun(self._store, self._begun)
                alerting.put_attempts(self._store, "command", self._attempts)
        except (StorageFailed, TryLater):
            return
        self._saved = True

    def close(self) -> None:
        """Nothing is held."""


def _name(problem: Problem) -> str:
    """What tells it from others, in what is kept of it."""
    return f"{problem.code} {problem.daemon}".rstrip()


def _name_of(about: dict[str, Any]) -> str:
    return f"{about['code']} {about.get('daemon') or ''}".rstrip()

"""The lane that pings a monitor outside, which alerts when the pings end: the daemon's dead man's switch.

It says that all is well only while the main thread makes its passes, as the daemon's beat shows.
"""

from contextlib import suppress
from functools import partial

from worker.config import Config
from worker.config.polling import status_rules_of
from worker.core.alerts import Pinged, next_ping
from worker.core.errors import StorageFailed, TryLater
from worker.core.problem_kind import Severity
from worker.core.status_rules import StatusRules
from worker.daemon.lane import LanePlan, Surroundings
from worker.daemon.orders import Orders
from worker.gateways.http.client import HttpClient, tls_context
from worker.gateways.http.ping import PING_TIMEOUT_MS, Pinger
from worker.rounds.machine import machine_of
from worker.store.db.store import Store
from worker.store.state import alerting, daemon
from worker.store.views.alerts import told

# Between two looks. A problem is found with a beat, every 15 s; healthchecks.io takes five pings a minute.
LOOK_MS = 15_000

# A resolver that does not answer holds up a ping beyond its time, and nothing can end that.
RESOLVING_MS = 120_000


def plan(config: Config, orders: Orders) -> LanePlan | None:
    """The lane, where ``[alert] ping`` is set. A run that ends by itself pings nothing."""
    alert = config.alert
    if alert.ping is None or orders.once or orders.only is not None:
        return None
    alert.ping.reveal()  # once here, so that a missing secret is an error of the start
    proxy = None if alert.proxy is None else alert.proxy.reveal()
    tls = tls_context(None if alert.ca_file is None else str(alert.ca_file), "[alert] ca_file")
    pinger = Pinger(alert.ping.reveal, lambda: HttpClient(tls, PING_TIMEOUT_MS, proxy))
    rules = status_rules_of(config)
    return LanePlan("ping", "pinging failed", partial(PingLane, pinger, rules, alert.min_severity))


class PingLane:
    """A step is one look, and one ping at most."""

    bound_ms = PING_TIMEOUT_MS + RESOLVING_MS
    idle = True
    exit_code = 0

    def __init__(self, pinger: Pinger, rules: StatusRules, least: Severity, store: Store, around: Surroundings) -> None:
        self._pinger = pinger
        self._rules = rules
        self._least = least
        self._store = store
        self._log = around.log
        self._known = Pinged()
        self._attempts: alerting.Attempts | None = None
        self._beat_before: daemon.Beat | None = None
        self._beats = False

    def run(self, now: int) -> int:
        # Other lanes tell of such a failure. If it lasts, the pings end, and the monitor alerts.
        with suppress(StorageFailed, TryLater):
            self._look(now)
        return now + LOOK_MS

    def _look(self, now: int) -> None:
        if self._attempts is None:
            self._attempts = alerting.attempts(self._store, "ping")
            self._beat_before = daemon.last_beat(self._store)
        beat = daemon.last_beat(self._store)
        # An old beat, which another daemon may have left, says nothing of this one.
        self._beats = self._beats or beat != self._beat_before
        if self._known.codes is not None and (beat is None or not self._beats):
            return
        alive = beat is not None and beat.alive(now, exists=True)
        alerts, _ = told(self._store, now, self._rules, machine_of(self._store), alive=alive)
        found = next_ping(self._known, alerts, self._least, now)
        if found is None:
            return
        ping, known = found
        failure = self._pinger.send(ping.path, ping.body)
        if failure is None:
            self._known = known
        self._note(failure, now)

    def _note(self, failure: str | None, now: int) -> None:
        """Log the first failure of an outage, and its end; and keep for `status` what came of the ping."""
        before = self._attempts or alerting.Attempts()
        self._attempts = before.after(failure, now)
        if failure is not None and before.failing_since is None:
            self._log.warning("pings of [alert] fail", reason=failure)
        elif failure is None and before.failing_since is not None:
            self._log.info("pings of [alert] work again")
        with self._store.write():
            alerting.put_attempts(self._store, "ping", self._attempts)

    def close(self) -> None:
        """Nothing is held."""

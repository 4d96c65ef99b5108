"""The lane of one way out, in the process of `cdpoll deliver`."""

from collections.abc import Callable
from dataclasses import dataclass

from worker.core.errors import StorageFailed, TryLater
from worker.core.exit_code import ExitCode
from worker.core.instant import FAR
from worker.daemon.lane import LanePlan, Surroundings
from worker.daemon.lane_thread import RETRY_MS
from worker.rounds.deliver.choosing import WayRules
from worker.rounds.deliver.round import SENDING_MS, Around, DeliverRound, Way
from worker.store.db.store import Store
from worker.store.views.deliveries import by_state

# What a step takes beside the sending: to read 271s and to wait for the database and a slow disk.
REST_OF_A_STEP_MS = 120_000


@dataclass(frozen=True, slots=True)
class WayOut:
    """A way to be run. ``open`` makes the gateway, in the thread of its lane. ``longest_ms``: one attempt's."""

    rules: WayRules
    open: Callable[[Surroundings], Way]
    longest_ms: int


def plan(way: WayOut) -> LanePlan:
    """The lane of this way."""
    return LanePlan(
        f"deliver {way.rules.name}", "delivering failed", lambda store, around: DeliverLane(way, store, around)
    )


class DeliverLane:
    """A step of the lane is a step of its round. In a run that ends by itself each letter is tried once."""

    def __init__(self, way: WayOut, store: Store, around: Surroundings) -> None:
        self.idle = False
        self.exit_code = 0
        self.bound_ms = SENDING_MS + way.longest_ms + REST_OF_A_STEP_MS
        self._name = way.rules.name
        self._store = store
        self._around = around
        self._way = way.open(around)
        own = Around(around.log, around.clock.monotonic, around.stop.is_set, around.moves, around.once)
        self._round = DeliverRound(store, way.rules, self._way, own)
        self._told: str | None = None

    def run(self, now: int) -> int:
        if self.idle and self._around.once:
            return FAR
        try:
            next_at = self._round.run(now)
        except (StorageFailed, TryLater) as error:
            if self._round.unsettled is None or self._around.once:
                raise  # the thread makes the lane anew
            self._tell(error)
            return now + RETRY_MS
        self._told = None
        self.idle = self._round.idle
        if self.idle and self._around.once:
            states = by_state(self._store).get(self._name, {})
            undone = states.get("failed", 0) + states.get("dead", 0)
            self.exit_code = ExitCode.UNREACHABLE if self._round.down else ExitCode.IN_PART if undone else 0
        return next_at

    def close(self) -> None:
        self._way.close()

    def _tell(self, error: StorageFailed | TryLater) -> None:
        """What was sent is kept in memory until it can be written. A lock of another process is normal."""
        if isinstance(error, StorageFailed) and self._told != error.message:
            self._told = error.message
            event = "what was delivered cannot be written, so nothing more is sent"
            self._around.log.error(event, way=self._name, error=error.message, hint=error.hint)

"""systemd's watchdog: it is fed while every lane ends its steps within its own bound."""

from collections.abc import Iterable

from worker.core.instant import words
from worker.daemon.notices import Notices
from worker.gateways.systemd import Notify, watchdog_interval
from worker.rounds.log_lines import Log


class StepTimer:
    """How long the step under way has lasted; written by the thread of its lane, read by the main one. ms."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._under_way: tuple[int, int] | None = None

    def begin(self, monotonic: int, bound_ms: int) -> None:
        """A step begins, which is to end within ``bound_ms``."""
        self._under_way = (monotonic, bound_ms)

    def moves(self, monotonic: int) -> None:
        """The step under way is not stuck: its bound begins anew. Its thread calls, or one that it waits for."""
        if self._under_way is not None:
            self._under_way = (monotonic, self._under_way[1])

    def end(self) -> None:
        self._under_way = None

    def overdue(self, monotonic: int) -> int | None:
        """The bound of the step under way (ms), if it lasts longer than that."""
        under_way = self._under_way
        if under_way is None or monotonic - under_way[0] <= under_way[1]:
            return None
        return under_way[1]


class Watchdog:
    """Tells once of each lane that is stuck, and feeds the watchdog while no lane is.

    ``interval`` (ms) is how often systemd wants to hear; ``None`` where it does not watch this process.
    """

    def __init__(self, notify: Notify, notices: Notices, log: Log) -> None:
        self.log = log
        self.interval = watchdog_interval()
        self._notify = notify
        self._notices = notices
        self._stuck: dict[str, int] = {}

    def check(self, timers: Iterable[StepTimer], monotonic: int) -> None:
        """Note which lanes are stuck."""
        found = {timer.name: bound for timer in timers if (bound := timer.overdue(monotonic)) is not None}
        for name in found.keys() - self._stuck.keys():
            self.log.error("a lane is stuck", lane=name, bound=words(found[name]))
        if found != self._stuck:
            self._notices.put("lane_stuck", self._detail(found))
        self._stuck = found

    def feed(self) -> None:
        """Feed the watchdog, or tell systemd which lanes are stuck."""
        if self._stuck:
            self._notify.send(f"STATUS={self._detail(self._stuck)}")
        elif self.interval is not None:
            self._notify.send("WATCHDOG=1")

    def _detail(self, stuck: dict[str, int]) -> str | None:
        if not stuck:
            return None
        said = "; ".join(f"lane {name}: a step lasts longer than {words(stuck[name])}" for name in sorted(stuck))
        return said + (": systemd restarts the process" if self.interval is not None else ": restart the process")

"""The table of all metrics, and the text that Prometheus reads. docs/metrics.md is made from the table.

Labels come from closed sets, but for the names of daemons and of ways out, which the configuration has. No metric has
an id, a name of a file, or anything else of a patient.
"""

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from worker.core.measures import PATHS, REPLY_NAMES
from worker.core.problems import FAMILIES
from worker.store.views.status import FILE_STATES, TASK_STATES
from worker.web.look import Look
from worker.web.readings import (
    REASONS,
    at,
    budget_left,
    build,
    callbacks_down,
    daemons,
    deliveries,
    each,
    instant,
    measured,
    paused,
    polls,
    problems,
    readable,
    time_to_result,
    token,
    way_number,
)

Type = Literal["gauge", "counter", "histogram"]


class Shown(NamedTuple):
    """A metric. ``labels`` maps each label to its values in words. ``read`` gives each `Value`, of a histogram each
    `Told`; none where it has none at present."""

    name: str
    type: Type
    help: str
    labels: dict[str, str]
    read: Callable[[Look], Iterable[Any]]


OUTCOMES = ("success", "failure")
CALLBACK_STATES = ("waiting", "to_confirm", "not_confirmed")

_CODES = "the codes of [problems.md](problems.md)" + "".join(f"; `{one}` for each `{one}_…`" for one in FAMILIES)
_DAEMON = "`[store] daemon` of each; with a file `cdpoll`"
_WAY = "NAME of each `[deliver.NAME]`"


def _words(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


METRICS: tuple[Shown, ...] = (
    Shown(
        "cdpoll_build_info",
        "gauge",
        "Always 1; the labels say what answers.",
        {"version": "of cdpoll", "python": "of Python", "sqlite": "of SQLite"},
        build,
    ),
    Shown("cdpoll_daemon_up", "gauge", "1 where the daemon makes its passes.", {}, at("daemon", "alive")),
    Shown(
        "cdpoll_daemon_start_timestamp_seconds",
        "gauge",
        "When the daemon was started.",
        {},
        instant("daemon", "started_at"),
    ),
    Shown(
        "cdpoll_daemon_beat_age_seconds",
        "gauge",
        "How long ago the daemon was last seen.",
        {},
        at("daemon", "beat_age_s"),
    ),
    Shown(
        "cdpoll_daemons_up",
        "gauge",
        "1 for each daemon that makes its passes, 0 for one that does not; several may share a database.",
        {"daemon": _DAEMON},
        daemons("alive"),
    ),
    Shown(
        "cdpoll_daemons_beat_age_seconds",
        "gauge",
        "How long ago each daemon was last seen.",
        {"daemon": _DAEMON},
        daemons("beat_age_s"),
    ),
    Shown("cdpoll_database_readable", "gauge", "1 where the database can be read.", {}, readable),
    Shown("cdpoll_tasks", "gauge", "Tasks by state.", {"state": _words(TASK_STATES)}, each("tasks", TASK_STATES)),
    Shown("cdpoll_tasks_due", "gauge", "Pending tasks whose next poll is due.", {}, at("tasks", "due")),
    Shown(
        "cdpoll_tasks_concluded",
        "gauge",
        "Concluded tasks by the vendor's outcome; failure means that no coverage was found.",
        {"outcome": _words(OUTCOMES)},
        each("outcomes", OUTCOMES),
    ),
    Shown(
        "cdpoll_oldest_pending_age_seconds",
        "gauge",
        "How long ago the oldest pending task was recorded; none where none is pending.",
        {},
        at("oldest_pending_age_s"),
    ),
    Shown(
        "cdpoll_oldest_due_age_seconds",
        "gauge",
        "For how long the oldest due poll has waited; none where none is due.",
        {},
        at("oldest_due_age_s"),
    ),
    Shown(
        "cdpoll_polls_total",
        "counter",
        "Polls of tasks by what they brought, since the daemon began.",
        {"reply": _words(REPLY_NAMES.values())},
        polls,
    ),
    Shown(
        "cdpoll_poll_duration_seconds",
        "histogram",
        "From handing out a poll to its reply.",
        {},
        measured("duration"),
    ),
    Shown(
        "cdpoll_poll_lateness_seconds",
        "histogram",
        "From when a poll was due to when it was handed out.",
        {},
        measured("lateness"),
    ),
    Shown(
        "cdpoll_result_delay_seconds",
        "histogram",
        "From when the vendor concluded a task, as it says, to when its result was here.",
        {},
        measured("result_delay"),
    ),
    Shown(
        "cdpoll_time_to_result_seconds",
        "histogram",
        "From when a discovery began to when its result was here, by the slowest path that it was seen to wait for.",
        {"path": f"{_words(PATHS[:-1])}; `unseen`: never seen pending, or without the names of its paths"},
        time_to_result,
    ),
    Shown(
        "cdpoll_token_expiry_timestamp_seconds",
        "gauge",
        "When the bearer token expires; none where none is held.",
        {},
        token,
    ),
    Shown(
        "cdpoll_api_paused",
        "gauge",
        "1 where the API as a whole rests, for that reason.",
        {"reason": _words(REASONS)},
        paused,
    ),
    Shown(
        "cdpoll_limiter_pace_ratio",
        "gauge",
        "The share of the configured rate that is used; less than 1 after refusals.",
        {},
        at("api", "pace"),
    ),
    Shown(
        "cdpoll_limiter_requests_per_second",
        "gauge",
        "Requests a second that the limiter allows at present.",
        {},
        at("polling", "requests_per_second"),
    ),
    Shown(
        "cdpoll_limiter_requests_today",
        "gauge",
        "Requests since midnight UTC.",
        {},
        at("polling", "requests_today"),
    ),
    Shown(
        "cdpoll_limiter_budget_left",
        "gauge",
        "Requests that daily_budget leaves until midnight UTC; none without a budget.",
        {},
        budget_left,
    ),
    Shown("cdpoll_files", "gauge", "Batch files by state.", {"state": _words(FILE_STATES)}, each("files", FILE_STATES)),
    Shown(
        "cdpoll_quarantined_sets",
        "gauge",
        "Single transaction sets in quarantine.",
        {},
        at("files", "quarantined_sets"),
    ),
    Shown(
        "cdpoll_drop_files",
        "gauge",
        "Files of the drop that are to be fetched, and those that could not be; none without a drop.",
        {"state": _words(("waiting", "failed"))},
        each("drop", ("waiting", "failed")),
    ),
    Shown(
        "cdpoll_drop_last_good_timestamp_seconds",
        "gauge",
        "When the last good round over the drop ended; none without one.",
        {},
        instant("drop", "last_good_at"),
    ),
    Shown(
        "cdpoll_spool_files",
        "gauge",
        "Files of the spool that are still to be taken, and those that could not be read; none without [spool].",
        {"state": _words(("waiting", "bad"))},
        each("spool", ("waiting", "bad")),
    ),
    Shown(
        "cdpoll_spool_oldest_age_seconds",
        "gauge",
        "For how long the oldest file of the spool has waited; none where none waits.",
        {},
        at("spool", "oldest_age_s"),
    ),
    Shown(
        "cdpoll_callbacks_down",
        "gauge",
        "1 where the vendor's callbacks do not arrive; none without [callback].",
        {},
        callbacks_down,
    ),
    Shown(
        "cdpoll_callback_last_timestamp_seconds",
        "gauge",
        "When the last callback came; none where none did.",
        {},
        instant("callbacks", "last_at"),
    ),
    Shown(
        "cdpoll_callback_tasks",
        "gauge",
        "Tasks whose first poll waits for their callback, that the vendor is to confirm, and that it does not confirm.",
        {"state": _words(CALLBACK_STATES)},
        each("callbacks", CALLBACK_STATES),
    ),
    Shown(
        "cdpoll_backfill_last_timestamp_seconds",
        "gauge",
        "When the last sweep over the vendor's list came to its end; none without [backfill].",
        {},
        instant("backfill", "ended_at"),
    ),
    Shown(
        "cdpoll_backfill_recorded",
        "gauge",
        "Tasks that the present sweep, or the last, found and that were not recorded.",
        {},
        at("backfill", "recorded"),
    ),
    Shown("cdpoll_deliver_up", "gauge", "1 where `cdpoll deliver` runs.", {}, at("deliveries", "alive")),
    Shown(
        "cdpoll_deliveries",
        "gauge",
        "Results that are to be delivered, that failed and are tried again, and that were given up (dead letters).",
        {"way": _WAY, "state": _words(("waiting", "failed", "dead"))},
        deliveries,
    ),
    Shown(
        "cdpoll_delivered_total", "counter", "Results that were ever delivered.", {"way": _WAY}, way_number("delivered")
    ),
    Shown(
        "cdpoll_way_stopped",
        "gauge",
        "1 where the receiver said that it wants nothing more.",
        {"way": _WAY},
        way_number("stopped"),
    ),
    Shown("cdpoll_disk_free_bytes", "gauge", "Free on the disk of the database.", {}, at("disk", "free_bytes")),
    Shown("cdpoll_database_bytes", "gauge", "The size of the database's file.", {}, at("disk", "database_bytes")),
    Shown(
        "cdpoll_problems",
        "gauge",
        "How many each problem concerns that stands and is not acknowledged; 0 where it does not stand.",
        {"code": _CODES, "severity": _words(("critical", "warning"))},
        problems,
    ),
)


class _LookCollector(Collector):
    def __init__(self, look: Look) -> None:
        self._look = look

    def collect(self) -> Iterable[Metric]:
        return (_family(one, self._look) for one in METRICS)


def _family(one: Shown, look: Look) -> Metric:
    if one.type == "histogram":
        histogram = HistogramMetricFamily(one.name, one.help, labels=list(one.labels))
        for told, labels in one.read(look):
            bounds = [*(str(float(bound)) for bound in told["bounds"]), "+Inf"]
            histogram.add_metric(labels, list(zip(bounds, told["counts"], strict=True)), told["sum"])
        return histogram
    family = (CounterMetricFamily if one.type == "counter" else GaugeMetricFamily)(
        one.name, one.help, labels=list(one.labels)
    )
    for value in one.read(look):
        family.add_metric(value.labels, value.number)
    return family


def exposition(look: Look, accept: str) -> tuple[bytes, str]:
    """The metrics as text, and its content type, of those that the reader accepts."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_LookCollector(look))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type

"""Makes the values that core works with from the keys of ``[polling]``."""

from worker.config.settings import Config, PollingSection
from worker.core.callback_lane import DEFAULT_GRACE_MS
from worker.core.pacing.limiter import STEPS, RateLimit
from worker.core.schedule.cadence import Schedule
from worker.core.status_rules import ConfiguredWay, StatusRules


def schedule_of(config: Config) -> Schedule:
    """The schedule as configured. Without ``[callback]`` no poll waits for one."""
    polling = config.polling
    return Schedule(
        cadence=polling.cadence,
        min_interval=polling.min_interval_ms,
        max_interval=polling.max_interval_ms,
        alert_after=polling.alert_after_ms,
        give_up_after=polling.give_up_after_ms,
        not_found_grace=polling.not_found_grace_ms,
        callback_grace=0 if config.callback is None else polling.callback_grace_ms,
    )


def grace_of(config: Config) -> int:
    """How long after the end of its discovery a callback may come that shows that callbacks arrive, ms."""
    return config.polling.callback_grace_ms or DEFAULT_GRACE_MS


def rate_limit_of(polling: PollingSection) -> RateLimit:
    """The rate limit as configured."""
    step_ms = max(1, polling.pace_recovery_ms // STEPS)
    return RateLimit(polling.requests_per_second, polling.burst, polling.daily_budget, step_ms)


def delay_per_request_of(polling: PollingSection) -> int | None:
    """The least delay per request of the learned schedule, ms; ``None`` with the fixed schedule."""
    return polling.delay_per_request_ms if polling.schedule == "learned" else None


def status_rules_of(config: Config) -> StatusRules:
    """What `status` and the problems measure by."""
    return StatusRules(
        schedule_of(config),
        rate_limit_of(config.polling),
        delay_per_request_of(config.polling),
        None if config.sftp is None else config.sftp.every_ms,
        config.store.runs,
        config.api is not None,
        tuple(ConfiguredWay(way.name, way.kind, way.start) for way in config.deliver),
        config.alert.command is not None,
        config.retention.keep_ms,
        None if config.api is None else config.api.origin,
        config.alert.ping is not None,
        None if config.source is None else str(config.source),
        config.callback is not None,
        None if config.spool is None else str(config.spool.path),
        config.api is not None and config.backfill is not None,
    )

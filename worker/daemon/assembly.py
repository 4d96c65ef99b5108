"""Makes the parts that poll, and the plans of the other lanes, from a configuration. Every reload makes them anew."""

from collections.abc import Callable
from dataclasses import dataclass

from worker.clock import Clock
from worker.config import Config
from worker.config.polling import delay_per_request_of, rate_limit_of, schedule_of
from worker.core.pacing.judge import NO_TASK
from worker.core.vendor.reply import Heard
from worker.daemon import backfill_lane, derive_lane, drop_lane, ping_lane, retention_lane, spool_lane
from worker.daemon.lane import LanePlan
from worker.daemon.orders import Orders
from worker.daemon.vendor_access import tokens_of
from worker.gateways.http.api import Api, ApiSettings
from worker.gateways.http.client import HttpClient, tls_context
from worker.gateways.http.pool import Job, Pool
from worker.gateways.http.token import Tokens
from worker.gateways.signals import Signals
from worker.rounds.poll.poll import PollRules

# Every lane but that of the main thread. Each entry says whether a configuration asks for its lane.
LANES: list[Callable[[Config, Orders], LanePlan | None]] = [
    drop_lane.plan,
    spool_lane.plan,
    derive_lane.plan,
    retention_lane.plan,
    ping_lane.plan,
    backfill_lane.plan,
]


def lanes_of(config: Config, orders: Orders) -> list[LanePlan]:
    """The lanes to be run. Raises BadConfiguration for what is missing, and for a secret that cannot be read."""
    return [found for plan in LANES if (found := plan(config, orders)) is not None]


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts that poll, made from one configuration. ``origin`` is the API's."""

    origin: str
    pool: Pool
    tokens: Tokens
    rules: PollRules


def assemble(config: Config, signals: Signals, clock: Clock) -> Parts | None:
    """Build the parts, or nothing where there is no ``[api]``.

    Raises BadConfiguration for what is missing, and for a secret that cannot be read.
    """
    if config.api is None:
        return None
    api = config.require_api()
    # Resolved here once, so that a missing secret is an error of the start and not of the first poll.
    api.client_id.reveal()
    api.client_secret.reveal()
    proxy = None if api.proxy is None else api.proxy.reveal()
    tokens = tokens_of(api, signals.stop)
    tls = tls_context(None if api.ca_file is None else str(api.ca_file))
    pool = Pool(
        config.polling.max_in_flight,
        lambda: HttpClient(tls, api.timeout_ms, proxy),
        _asker(Api(ApiSettings(api.base_url, api.tenant_id), tokens)),
        signals.wake.set,
        monotonic=clock.monotonic,
    )
    polling = config.polling
    rules = PollRules(schedule_of(config), rate_limit_of(polling), api.timeout_ms, delay_per_request_of(polling))
    return Parts(api.origin, pool, tokens, rules)


def _asker(api: Api) -> Callable[[HttpClient, Job], Heard]:
    def ask(client: HttpClient, job: Job) -> Heard:
        return api.health(client, job.asked_at) if job.seq == NO_TASK else api.poll(client, job.task_id, job.asked_at)

    return ask

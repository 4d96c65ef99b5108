"""Makes what asks the vendor's list of a configuration: for the lane, and for `cdpoll backfill`."""

import threading
from collections.abc import Callable

from worker.config import Config
from worker.config.polling import rate_limit_of, schedule_of
from worker.core.listed_rows import Owner
from worker.daemon.vendor_access import tokens_of
from worker.gateways.http.api import Api, ApiSettings
from worker.gateways.http.client import HttpClient, tls_context
from worker.rounds.backfill.lister import Lister
from worker.rounds.backfill.taking import Taker


def lister_of(config: Config) -> Callable[[threading.Event], Lister]:
    """What makes a lister that ends with an event; each has a token of its own. That is one more request in the life of
    a token, and nothing is shared between threads.

    Raises BadConfiguration for what is missing, and for a secret that cannot be read.
    """
    api = config.require_api()
    api.client_id.reveal()  # once here, so that a missing secret is an error of the start
    api.client_secret.reveal()
    proxy = None if api.proxy is None else api.proxy.reveal()
    tls = tls_context(None if api.ca_file is None else str(api.ca_file))
    limit, schedule = rate_limit_of(config.polling), schedule_of(config)

    def made(stop: threading.Event) -> Lister:
        asked = Api(ApiSettings(api.base_url, api.tenant_id), tokens_of(api, stop))
        return Lister(asked, lambda: HttpClient(tls, api.timeout_ms, proxy), limit, schedule, stop)

    return made


def taker_of(config: Config) -> Taker:
    """What records the rows that are ours."""
    return Taker(config.require_api().origin, schedule_of(config))


def owner_of(config: Config) -> Owner:
    """Whose rows are ours."""
    names = None if config.backfill is None else config.backfill.tenant_names
    return Owner(names, config.require_api().subtenant_id)

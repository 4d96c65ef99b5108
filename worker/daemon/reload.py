"""SIGHUP: the configuration is read anew, and taken only if all of it can be used."""

from typing import NamedTuple

from worker.clock import Clock
from worker.config import Config
from worker.core.errors import BadConfiguration, StorageFailed, TryLater
from worker.daemon.assembly import Parts, assemble, lanes_of
from worker.daemon.lane import LanePlan
from worker.daemon.orders import Orders
from worker.gateways.signals import Signals
from worker.store.db.store import Store
from worker.store.state import api


class Assembled(NamedTuple):
    """A configuration, and what was made from it. Without ``[api]`` there are no parts."""

    config: Config
    parts: Parts | None
    plans: list[LanePlan]


def put_together(config: Config, orders: Orders, signals: Signals, store: Store, clock: Clock) -> Assembled:
    """Make the parts of a configuration. Raises BadConfiguration; then nothing is left open."""
    plans = lanes_of(config, orders)
    parts = assemble(config, signals, clock)
    if parts is not None:
        try:
            api.bind_origin(store, parts.origin)
        except BaseException:
            parts.pool.close()
            raise
    return Assembled(config, parts, plans)


def read_anew(before: Config, orders: Orders, signals: Signals, store: Store, clock: Clock) -> Assembled:
    """Read the configuration again and make its parts. Raises BadConfiguration: the one in force stays."""
    if orders.reload is None:
        raise BadConfiguration("this run does not reload")
    config = orders.reload()
    if config.store != before.store:
        raise BadConfiguration("[store] cannot change while the daemon runs", "restart it instead")
    if config.asks_without_fail:
        config.require_api()
    try:
        return put_together(config, orders, signals, store, clock)
    except (StorageFailed, TryLater) as error:
        raise BadConfiguration(error.message, error.hint) from error

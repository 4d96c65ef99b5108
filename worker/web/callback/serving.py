"""How the app of the callbacks is served, and with which database."""

from worker.config import Config
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.web.clerk import Clerk
from worker.web.serve import Served
from worker.web.tls import Pair

# Of the database, for another process's lock, and of a request, for its turn: both shorter than the deadline.
STORE_TIMEOUT_S = 10.0
TURN_TIMEOUT_S = 20.0
DEADLINE_S = 30.0

THREADS = 160
CONNECTIONS = 256


def served(config: Config) -> Served:
    """Raises BadConfiguration where [callback] is not complete."""
    section = config.require_callback()
    pair = None
    if section.tls_certificate is not None and section.tls_key is not None:
        pair = Pair(section.tls_certificate, section.tls_key)
    return Served("callback", section.listen, pair, threads=THREADS, connections=CONNECTIONS, deadline_s=DEADLINE_S)


def clerk_of(config: Config) -> Clerk:
    """It opens the database when it is first needed, makes none, and brings none up to date."""
    place = config.store

    def opened() -> Store:
        return open_store(place.path, place.journal, timeout=STORE_TIMEOUT_S)

    return Clerk(opened, TURN_TIMEOUT_S)

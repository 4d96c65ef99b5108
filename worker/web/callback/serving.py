"""How the app of the callbacks is served."""

from worker.config import Config
from worker.web.serve import Served
from worker.web.tls import pair_of

THREADS = 160
CONNECTIONS = 256


def served(config: Config) -> Served:
    """Raises BadConfiguration where [callback] is not complete."""
    section = config.require_callback()
    pair = pair_of(section.tls_certificate, section.tls_key)
    return Served("callback", section.listen, pair, threads=THREADS, connections=CONNECTIONS)

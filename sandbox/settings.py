"""A configuration for cdpoll that fits a running sandbox."""

from sandbox.server import Sandbox
from worker.core.instant import short

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000


def config_text(sandbox: Sandbox, store_path: str) -> str:
    """An INI text, ready to use: the sandbox's addresses and credentials, and the vendor's time spans divided by the
    sandbox's speed. It holds a literal secret, so it belongs into a file that only its owner can read (0600)."""
    speed = sandbox.speed

    def span(ms: int, least: int = 50) -> str:
        return short(max(least, round(ms / speed)))

    rate = min(500.0, max(1.0, speed / 10))
    return f"""\
# Written by the cdpoll sandbox (seed {sandbox.seed}, speed {speed:g}). It opens nothing but that sandbox.
[api]
base_url = {sandbox.base_url}
client_id = {sandbox.client_id}
client_secret = {sandbox.client_secret}
tenant_id = {sandbox.tenant_id}
timeout = 10s

[store]
path = {store_path}

[polling]
requests_per_second = {rate:g}
burst = {max(5, round(rate / 10))}
max_in_flight = {4 if rate < 20 else 8}
cadence = {span(10 * SECOND)} x1.4 {span(15 * MINUTE, 200)} 10%
min_interval = {span(5 * SECOND)}
max_interval = {span(6 * HOUR, 1000)}
not_found_grace = {span(15 * MINUTE, 2000)}
alert_after = {span(DAY, 10_000)}
give_up_after = {span(45 * DAY, 60_000)}
"""

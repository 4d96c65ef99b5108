"""A configuration for cdpoll that fits a running sandbox."""

from typing import TYPE_CHECKING

from sandbox.callback.target import Target, listens_here
from sandbox.server import HOST, Sandbox
from worker.core.instant import duration, short

if TYPE_CHECKING:  # paramiko takes a while to import
    from sandbox.drop import DropServer


def sftp_text(drop: "DropServer", sandbox: Sandbox, known_hosts: str, secret_path: str) -> str:
    """The section for the drop, whose password is the client secret."""
    return f"""\

[sftp]
host = {HOST}
port = {drop.port}
username = {sandbox.account.client_id}
password = {{file {secret_path}}}
known_hosts = {known_hosts}
include = 271-*.x12
settle = {short(max(100, round(duration("30s") / sandbox.speed)))}
every = {short(max(duration("10s"), round(duration("5m") / sandbox.speed)))}
"""


def callback_text(target: Target, secret: str) -> str:
    """The section for what this sandbox delivers to; empty where that is not a port of this machine. ``secret`` is how
    the configuration refers to it."""
    where = listens_here(target)
    if where is None:
        return ""
    listen, token_path, callback_path = where
    scope = f"scope = {target.scope}\n" if target.scope else ""
    return f"""\

[callback]
listen = {listen}
public_url = http://{listen}
client_id = {target.client_id}
client_secret = {secret}
token_path = {token_path}
callback_path = {callback_path}
{scope}"""


def config_text(
    sandbox: Sandbox, store_path: str, secret_path: str, *, timeout: str = "10s", runs: str = "daemon"
) -> str:
    """An INI text, ready to use: the sandbox's addresses and credentials, and cdpoll's own time spans divided by the
    sandbox's speed. The client secret is to be in a file of its own at ``secret_path``. ``runs``: of ``[store]``.
    Without ``store_path`` it is for the installed service, whose database is where it always is, and whose secret is a
    credential; it takes what is left in the spool, too, as a first installation does."""
    speed = sandbox.speed
    secret, store = f"{{file {secret_path}}}", f"[store]\npath = {store_path}\nruns = {runs}\n\n"
    if not store_path:
        secret, store = "{credential client_secret}", "[spool]\n\n"

    def span(vendors: str, least: str = "50ms") -> str:
        return short(max(duration(least), round(duration(vendors) / speed)))

    rate = min(500.0, max(1.0, speed / 10))
    return f"""\
# Written by the cdpoll sandbox (seed {sandbox.seed}, speed {speed:g}). It opens nothing but that sandbox.
[api]
base_url = {sandbox.base_url}
client_id = {sandbox.account.client_id}
client_secret = {secret}
tenant_id = {sandbox.account.tenant_id}
timeout = {timeout}

{store}[polling]
requests_per_second = {rate:g}
burst = {max(5, round(rate / 10))}
max_in_flight = {4 if rate < 20 else 8}
delay_per_request = {span("20s", "1ms")}
cadence = {span("10s")} x1.4 {span("15m", "200ms")} 10%
min_interval = {span("5s")}
max_interval = {span("6h", "1s")}
pace_recovery = {span("20m", "1s")}
callback_grace = {span("45m", "2s")}
not_found_grace = {span("15m", "2s")}
alert_after = {span("24h", "2s")}
lookup_for = {span("3d", "1h")}
give_up_after = {span("45d", "1m")}
"""

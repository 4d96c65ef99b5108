"""How the app of `cdpoll serve local` is served, and by whom it may be asked."""

from collections.abc import Callable, Sequence
from ipaddress import ip_address

from flask import Flask

from worker.config import Config
from worker.config.polling import schedule_of
from worker.core.errors import BadConfiguration
from worker.rounds.log_lines import Log
from worker.web.access import Access
from worker.web.app import make_app
from worker.web.clerk import clerk_of
from worker.web.intake.allowance import Allowance
from worker.web.intake.recording import IntakeRules, Recorder
from worker.web.intake.tasks import TasksEndpoint
from worker.web.serve import Address, Served
from worker.web.tls import pair_of

# Of one header: a Link may name some three hundred tasks. gunicorn holds fifty of that length for each connection.
HEAD_BYTES = 32 * 1024


def served(config: Config, handed: Sequence[Address], bound: str | None = None) -> Served:
    """``handed``: where the sockets listen that systemd has handed over. ``bound``: where this process has listened
    itself since it began, which a reload does not change; ``None`` when it begins.

    Raises BadConfiguration where one of them can be reached from elsewhere, and token or TLS is missing.
    """
    local = config.local
    pair = pair_of(local.tls_certificate, local.tls_key)
    own = [] if handed or bound is None else [host_of(bound)]
    hosts = [str(one[0]) for one in handed if isinstance(one, tuple)] or own
    open_to = [one for one in hosts if not ip_address(one).is_loopback]
    missing = [name for name, there in (("token", local.token), ("tls_certificate", pair)) if not there]
    if open_to and missing:
        who, hint = "cdpoll-local.socket", "take the line ListenStream= away (systemctl edit cdpoll-local.socket)"
        if own:
            who, hint = "until its restart it", "restart it, if it is to listen elsewhere"
        raise BadConfiguration(
            f"{who} listens on {open_to[0]}, which is not of this machine alone, and [local] "
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing",
            f"write them; or {hint}",
        )
    return Served("local", local.listen, pair, head_bytes=HEAD_BYTES, socket=local.socket)


def token_of(config: Config) -> str | None:
    """The token that requests must bring. Raises BadConfiguration where it cannot be read."""
    token = config.local.token
    return token.reveal() if token else None


def app_of(config: Config, token: str | None, now: Callable[[], int], log: Log) -> Flask:
    """The app, with a clerk of its own. ``now`` reads the clock (ms)."""
    access = Access(names_of(config), token, now, log)
    tasks = TasksEndpoint(recorder_of(config), config.local.new_ids_per_minute, now, log)
    return make_app(config, now, log, access, tasks)


def names_of(config: Config) -> tuple[str, ...]:
    """The names under which a request may ask, beside those of this machine: the configured ones, and the address."""
    address = ip_address(host_of(config.local.listen))
    return (*(config.local.hosts or ()), *([] if address.is_unspecified else [str(address)]))


def host_of(listen: str) -> str:
    """The address in what ``[local] listen`` says."""
    return listen.rpartition(":")[0].strip("[]")


def recorder_of(config: Config) -> Recorder:
    """What records, with a clerk of its own."""
    api = config.api
    rules = IntakeRules("" if api is None or not api.base_url else api.origin, schedule_of(config))
    return Recorder(clerk_of(config), rules, Allowance(config.local.new_ids_per_minute))

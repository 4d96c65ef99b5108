"""Makes the ways out of a configuration: which results each gets, and what opens its gateway."""

from collections.abc import Callable

from worker.config import Config
from worker.config.deliver_settings import DirectorySection, WaySettings, WebhookSection
from worker.core.errors import BadConfiguration
from worker.daemon.deliver_lane import WayOut
from worker.daemon.lane import Surroundings
from worker.gateways.deliver.command import Command
from worker.gateways.deliver.directory import Directory, Folders
from worker.gateways.deliver.webhook import Hook, Webhook
from worker.gateways.http.client import HttpClient, tls_context
from worker.rounds.deliver.choosing import WayRules
from worker.rounds.deliver.round import Way

# A folder has no timeout of its own: a disk, or a server that it lies on, may take long.
DIRECTORY_MS = 60_000

Opener = Callable[[Surroundings], Way]


def ways_of(config: Config) -> list[WayOut]:
    """All ways out. Raises BadConfiguration where there is neither one nor an alert's command to be started, or where a
    secret cannot be read."""
    if not config.deliver and config.alert.command is None:
        raise BadConfiguration(
            "no way out is configured, and no command for alerts",
            "write a section [deliver.NAME]; see docs/deliveries.md and config.example.ini",
        )
    return [WayOut(rules_of(one), *_opener(one)) for one in config.deliver]


def rules_of(way: WaySettings) -> WayRules:
    """What a way is to deliver, and when it tries again."""
    subtenants = None if way.subtenant is None else frozenset(way.subtenant)
    return WayRules(way.name, way.schedule_ms, way.start, subtenants, frozenset(way.outcomes))


def _opener(way: WaySettings) -> tuple[Opener, int]:
    """What opens the gateway, and the longest that one attempt takes (ms)."""
    if isinstance(way, DirectorySection):
        folders = Folders(way.path, way.aside)
        template, mode, with_x12 = way.name_template, way.mode, way.x12
        return lambda _: Directory(folders, template, mode, with_x12=with_x12), DIRECTORY_MS
    if isinstance(way, WebhookSection):
        return _webhook(way), way.timeout_ms
    return lambda _: Command(way.command, way.timeout_ms), way.timeout_ms


def _webhook(way: WebhookSection) -> Opener:
    secrets = [secret for secret in (way.secret, way.previous_secret) if secret]
    proxy = None if way.proxy is None else way.proxy.reveal()
    for secret in (way.url, *secrets):
        secret.reveal()  # once here, so that a missing secret is an error of the start
    tls = tls_context(None if way.ca_file is None else str(way.ca_file), f"[deliver.{way.name}] ca_file")
    hook = Hook(way.url.reveal, [secret.reveal for secret in secrets], way.timeout_ms, way.payload == "full")
    return lambda _: Webhook(hook, HttpClient(tls, way.timeout_ms, proxy))

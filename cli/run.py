"""``cdpoll run``: the daemon."""

import os
from typing import Any

import click

from cli.opening import settle_in
from worker.clock import Clock
from worker.config import load
from worker.gateways.signals import hold_back


@click.command()
@click.option("--once", is_flag=True, help="One pass over what is due now, then exit.")
@click.option("--until-idle", is_flag=True, help="Until nothing is pending; 75 if work remains.")
@click.pass_obj
def run(obj: dict[str, Any], once: bool, until_idle: bool) -> int:
    """Poll every recorded task until the vendor concludes it.

    SIGTERM or Ctrl-C lets the requests under way finish and saves what they bring; another one, more than a second
    later, ends at once. SIGHUP reads the configuration anew. Refused credentials pause the daemon, they never end
    it (`--once`: exit 77).
    """
    if once and until_idle:
        raise click.UsageError("--once and --until-idle are two ways to end: give one of them")
    hold_back()  # what asks to end or to reload meanwhile is served once the daemon listens
    config = load(obj["config"], os.environ)
    from worker import daemon
    from worker.log import write_line

    for warning in config.warnings:
        write_line(f"warning: {warning}")  # a log that takes no lines must not keep the daemon from its work
    if config.asks_without_fail:
        config.require_api()  # an installation may have nothing but [sftp] or [callback]
    settle_in(config.store.path)
    return daemon.run(
        config,
        "once" if once else "until-idle" if until_idle else "forever",
        Clock(),
        reload=lambda: load(obj["config"], os.environ),
    )

"""``cdpoll run``: the daemon."""

import os
from typing import Any

import click

from cli.opening import settle_in
from worker.clock import Clock
from worker.config import load


@click.command()
@click.option("--once", "mode", flag_value="once", help="One pass over what is due now, then exit.")
@click.option("--until-idle", "mode", flag_value="until-idle", help="Until nothing is pending; 75 if work remains.")
@click.pass_obj
def run(obj: dict[str, Any], mode: str | None) -> int:
    """Poll every recorded task until the vendor concludes it.

    SIGTERM lets the requests under way finish and saves what they bring; a second one ends at once. SIGHUP
    reads the configuration anew. Refused credentials pause the daemon, they never end it (`--once`: exit 77).
    """
    config = load(obj["config"], os.environ)
    from worker import daemon
    from worker.log import write_line

    for warning in config.warnings:
        write_line(f"warning: {warning}")  # a log that takes no lines must not keep the daemon from its work
    if config.sftp is None or config.api is not None:
        config.require_api()  # an installation may have nothing but [sftp]
    settle_in(config.store.path)
    return daemon.run(
        config,
        mode or "forever",  # type: ignore[arg-type]
        Clock(),
        reload=lambda: load(obj["config"], os.environ),
    )

"""``cdpoll deliver``: brings results out by the ways that are configured."""

import os
from typing import Any

import click

from cli.opening import settle_in
from worker.clock import Clock
from worker.config import load
from worker.gateways.signals import hold_back


@click.command()
@click.option("--once", is_flag=True, help="Try everything once that can be sent now, then exit.")
@click.pass_obj
def deliver(obj: dict[str, Any], once: bool) -> int:
    """Bring each result to every way out, at least once, in order for each task.

    SIGTERM or Ctrl-C lets the attempts under way end; another one, more than a second later, ends at once. SIGHUP reads
    the configuration anew.
    """
    hold_back()  # what asks to end or to reload meanwhile is served once the process listens
    config = load(obj["config"], os.environ)
    from worker.daemon.deliver_loop import deliver as run
    from worker.daemon.ways_out import ways_of
    from worker.log import write_line

    for warning in config.warnings:
        write_line(f"warning: {warning}")
    settle_in(config.store.path)
    file = str(config.source)  # in full: the process works in another folder than the one that it was started in
    return run(config, ways_of, Clock(), once=once, reload=lambda: load(file, os.environ))

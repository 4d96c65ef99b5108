"""``cdpoll serve``: what it serves by HTTP."""

import os
from typing import Any

import click

from cli.groups import Group
from cli.opening import known_store, settle_in
from worker.clock import Clock
from worker.config import Config, load


@click.group(cls=Group)
def serve() -> None:
    """Serve by HTTP."""


@serve.command()
@click.pass_obj
def local(obj: dict[str, Any]) -> None:
    """The status page, /metrics, /healthz and /readyz, on this machine alone.

    It reads only, and tells no patient data. [local] says where it listens; SIGTERM ends it, and SIGHUP has it read the
    configuration anew. It begins with a configuration that has mistakes, too, as `cdpoll status` does. Where cdpoll is
    installed, `systemctl enable --now cdpoll-local.socket` has systemd start it, and the page is at
    http://127.0.0.1:9271/.
    """

    def read() -> Config:
        return load(obj["config"], os.environ)

    config = known_store(obj).config
    settle_in(config.store.path)
    from worker.log import make_log
    from worker.web.app import make_app
    from worker.web.serve import Served
    from worker.web.serve import serve as run

    clock = Clock()
    log = make_log(config.log.format, config.log.level, clock)
    run(
        config,
        read,
        lambda found: make_app(found, clock.now, log),
        log,
        lambda found: Served("local", found.local.listen),
    )

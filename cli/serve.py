"""``cdpoll serve``: what it serves by HTTP."""

import os
from typing import TYPE_CHECKING, Any

import click

from cli.groups import Group
from cli.opening import known_store, settle_in
from cli.output import dumped
from worker.clock import Clock
from worker.config import Config, ConfigurationMistakes, load
from worker.core.errors import BadConfiguration

if TYPE_CHECKING:
    from worker.store.state.callback_tokens import ClientCredentials


@click.group(cls=Group)
def serve() -> None:
    """Serve by HTTP."""


@serve.command()
@click.pass_obj
def local(obj: dict[str, Any]) -> None:
    """The intake of ids (POST /v1/tasks), the status page, /metrics, /healthz and /readyz, on this machine.

    It tells no patient data. [local] says where it listens, and who may ask; docs/integration.md says how to hand ids
    in. SIGTERM ends it, and SIGHUP has it read the configuration, the token and the certificate anew. It begins with a
    configuration that has mistakes elsewhere, too, as `cdpoll status` does. Where cdpoll is installed, `systemctl
    enable --now cdpoll-local.socket` has systemd start it, and the page is at http://127.0.0.1:9271/.
    """
    found = known_store(obj)
    if wrong := [one for one in found.mistakes if one.section == "local"]:
        raise ConfigurationMistakes(wrong, "it says who may hand ids in, so nothing is served")
    config = found.config
    settle_in(config.store.path)
    from worker.log import make_log
    from worker.web.intake.serving import app_of, served, token_of
    from worker.web.serve import handed_over
    from worker.web.serve import serve as run

    token = [token_of(config)]  # a reload that is refused leaves it as it is, for new processes too
    handed = handed_over()

    def read() -> Config:
        anew = load(obj["config"], os.environ)
        served(anew, handed, config.local.listen)
        token[:] = [token_of(anew)]
        return anew

    clock = Clock()
    log = make_log(config.log.format, config.log.level, clock)

    run(
        config,
        read,
        lambda config: app_of(config, token[0], clock.now, log),
        log,
        lambda anew: served(anew, handed, config.local.listen),
    )


@serve.command()
@click.option("--openapi", is_flag=True, help="Print the OpenAPI document of both endpoints as configured, and end.")
@click.pass_obj
def callback(obj: dict[str, Any], openapi: bool) -> None:
    """The two endpoints that the vendor calls: for a token, and with what it has found.

    [callback] says where it listens and who is let in; docs/callbacks.md says how to begin. A delivery is answered 204
    when it is on the disk. SIGTERM ends it, and SIGHUP has it read the configuration, the secrets and the certificate
    anew. Where cdpoll is installed, `systemctl enable --now cdpoll-callback.socket` has systemd start it.
    """
    if openapi:
        from worker.web.callback.openapi import openapi as document

        section = load(obj["config"], os.environ).callback
        if section is None:
            raise BadConfiguration("there is no section [callback]", "write one; see docs/callbacks.md")
        click.echo(dumped(document(section)))
        return
    from worker.log import make_log
    from worker.web.callback.app import credentials_of, make_callback_app
    from worker.web.callback.serving import served
    from worker.web.clerk import clerk_of
    from worker.web.serve import serve as run

    let_in: list[ClientCredentials] = []  # a reload that is refused leaves them as they are, for new processes too

    def read() -> Config:
        found = load(obj["config"], os.environ)
        let_in[:] = credentials_of(found.require_callback())  # one that is missing is a mistake of the configuration
        return found

    config = read()
    settle_in(config.store.path)
    clock = Clock()
    log = make_log(config.log.format, config.log.level, clock)
    run(config, read, lambda found: make_callback_app(found, clerk_of(found), clock.now, log, let_in), log, served)

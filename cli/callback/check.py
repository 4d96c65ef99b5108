"""``cdpoll callback-check``: plays the vendor against the customer's own address, before whitelisting is asked for."""

import os
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import click

from cli.callback.address import Target, target_of
from cli.callback.caller import Credentials
from cli.callback.places import places
from cli.callback.rehearsing import Rehearsal
from cli.callback.whitelisting import ABOUT_ADDRESSES, environment, request
from cli.doctor.configuration import HANDED, with_credentials
from cli.doctor.finding import Finding, lines_of
from cli.doctor.services import CALLBACK_SERVICE
from cli.lines import drawn
from cli.output import AS_JSON, dumped, say
from cli.table import output_width
from worker.clock import Clock
from worker.config import CallbackSection, Config, ConfigurationMistakes, Secret, SupportSection, examine
from worker.config.secret import OutOfReach
from worker.core.errors import BadConfiguration
from worker.core.instant import duration
from worker.core.problems import counted
from worker.gateways.http.client import tls_context

STEP_S = 10.0

_NO_PAIR = "write [callback] client_id and client_secret, or name --client-id and --secret-file (or --secret-env)"


class Given(NamedTuple):
    """What the command line says of the pair."""

    client_id: str | None
    secret_file: Path | None
    secret_env: str | None


def _span(_ctx: click.Context, _option: click.Parameter, text: str) -> int:
    try:
        return duration(text)
    except (ValueError, OverflowError):
        raise click.BadParameter("write a number with a unit, as in 70s") from None


@click.command("callback-check")
@click.argument("url", required=False)
@click.option("--token-url", metavar="URL", help="The token URL in full, where it is not below URL.")
@click.option("--client-id", metavar="ID", help="In place of that of [callback].")
@click.option("--secret-file", type=click.Path(path_type=Path), metavar="FILE", help="Where the secret is, one line.")
@click.option("--secret-env", metavar="NAME", help="Or the environment variable that holds it.")
@click.option("--scope", metavar="TEXT", help="The scope that tokens need, in place of that of [callback].")
@click.option(
    "--ca-file", type=click.Path(path_type=Path), metavar="FILE", help="Trust these authorities, not the public ones."
)
@click.option("--patience", "patience_ms", default="70s", callback=_span, metavar="T", help="How long to stall (70s).")
@AS_JSON
@click.pass_obj
def callback_check(obj: dict[str, Any], /, url: str | None, as_json: bool, **options: Any) -> int:
    """Play the vendor against URL, say what would fail and how to mend it, and print the request for whitelisting.

    URL is the public address below which token_path and callback_path stand; without it, [callback] public_url. Names,
    ports, TLS, tokens in both forms, deliveries in both generations and refusals are tried, as the vendor would meet
    them: no redirect is followed. What is delivered is a rehearsal without a patient, of which the receiver stores
    nothing. It works from any machine, best from outside of your network. Exit 1 where anything has failed.
    """
    examined = examine(obj["config"], with_credentials(os.environ, HANDED / CALLBACK_SERVICE))
    config = examined.config
    section = None if config is None else config.callback
    address = url or (None if section is None else section.public_url)
    if address is None:
        if config is None and obj["config"] is not None:
            raise ConfigurationMistakes(examined.mistakes, examined.hint)
        raise click.UsageError("name a URL, or write it as [callback] public_url")
    try:
        target = target_of(address, options["token_url"], section)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="URL") from None
    if options["scope"]:
        target = target._replace(scope=options["scope"])
    pair = _pair(config, Given(options["client_id"], options["secret_file"], options["secret_env"]))
    ca_file = options["ca_file"]
    tls = tls_context(None if ca_file is None else str(ca_file), "--ca-file")
    rehearsal = Rehearsal(target, pair, tls, Clock(), STEP_S)
    found = []
    for one in rehearsal.whole(options["patience_ms"] / 1000):
        found.append(one)
        if not as_json:
            click.echo("\n".join(drawn(lines_of(one), output_width())))
    rehearsal.close()
    about, origin = _about(config)
    text = request(target, about, pair.client_id, environment(about, origin))
    failed = any(one.level == "FAIL" for one in found)
    if as_json:
        click.echo(dumped(_picture(target, rehearsal, found, text)))
    else:
        _tell(found, rehearsal.requests, text)
    return 1 if failed else 0


def _about(config: Config | None) -> tuple[SupportSection, str | None]:
    if config is None:
        return SupportSection(None, None, None, None), None
    api = config.api
    return config.support, None if api is None or not api.base_url else api.origin


def _pair(config: Config | None, given: Given) -> Credentials:
    """Raises BadConfiguration (78) where it is not known."""
    section = None if config is None else config.callback
    client_id = given.client_id or (section.client_id.reveal() if section is not None and section.client_id else None)
    if given.secret_file is not None:
        secret = Secret("--secret-file", "file", str(given.secret_file.absolute())).reveal()
    elif given.secret_env is not None:
        secret = Secret("--secret-env", "env", given.secret_env, environ=os.environ).reveal()
    elif section is not None and section.client_secret:
        secret = _of_section(config, section)
    else:
        raise BadConfiguration("the client secret is not known", _NO_PAIR)
    if client_id is None:
        raise BadConfiguration("the client id is not known", _NO_PAIR)
    return Credentials(client_id, secret)


def _of_section(config: Config | None, section: CallbackSection) -> str:
    """A credential is read from its file where the service does not run, or another one is in force."""
    try:
        return section.client_secret.reveal()
    except OutOfReach:
        path = places(config, None).present
        if section.client_secret.credential is None or not os.access(path, os.R_OK):
            raise
        return Secret("[callback] client_secret", "file", str(path)).reveal()


def _picture(target: Target, rehearsal: Rehearsal, found: list[Finding], text: str) -> dict[str, Any]:
    return {
        "ok": all(one.level != "FAIL" for one in found),
        "token_url": target.token_url,
        "callback_url": target.callback_url,
        "scope": target.scope,
        "requests": rehearsal.requests,
        "findings": [one.as_json() for one in found],
        "request": text,
    }


def _tell(found: list[Finding], requests: int, text: str) -> None:
    counts = Counter(one.level for one in found)
    levels = ", ".join(f"{counts[level]} {level}" for level in ("FAIL", "WARN", "OK"))
    say(
        "", f"{levels}; {counted(requests, 'request')}, and nothing was stored", "", "The request for whitelisting:", ""
    )
    say(*(f"  {line}".rstrip() for line in text.split("\n")))
    say("", ABOUT_ADDRESSES)
    if counts["FAIL"]:
        say("cdpoll: mend what has failed before you send it", err=True)

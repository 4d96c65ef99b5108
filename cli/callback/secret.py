"""``cdpoll callback-secret``: the pair that the vendor is let in with."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cli.audit import audited
from cli.callback.places import Places, places
from cli.journal import tell_journal
from cli.opening import opened
from cli.output import AS_JSON, dumped, say
from cli.who import who
from worker.config import CallbackSection, ConfigurationMistakes, examine
from worker.core.errors import BadConfiguration, BadData, CdpollError, StorageFailed
from worker.gateways.secret_pair import Busy, Nothing, SecretPair
from worker.ownership import obstacle
from worker.store.state import acts
from worker.store.state.acts import Action

Json = dict[str, Any]

_ACTS: dict[str, Action] = {
    "made": "made the callback secret",
    "rotated": "changed the callback secret",
    "retired": "removed the former callback secret",
    "shown": "showed the callback secret",
}
_WORDS = {
    "made": "a new secret",
    "rotated": "a new secret; the present one is the former one now",
    "retired": "the former secret is removed",
    "shown": "nothing is changed",
}
_NAME_LETTERS = 13


@click.command("callback-secret")
@click.option("--write", type=click.Path(path_type=Path), metavar="FILE", help="Its file, where no configuration is.")
@click.option("--rotate", is_flag=True, help="Change it: the present one becomes the former one, and both are let in.")
@click.option("--retire", is_flag=True, help="Remove the former one: the vendor uses the new one.")
@click.option("--show", is_flag=True, help="Print the secret, too.")
@AS_JSON
@click.pass_obj
def callback_secret(obj: Json, write: Path | None, *, rotate: bool, retire: bool, show: bool, as_json: bool) -> None:
    """Make, change or remove the secret that the vendor is given for its callbacks, and say what to do next.

    It goes into the file that `[callback] client_secret` names, for its owner alone. One that is there is not replaced
    (65): --rotate changes it, --show shows it. A kill leaves the old pair or the new one. The secret is printed with
    --show alone.
    """
    if rotate and retire:
        raise click.UsageError("--rotate and --retire exclude each other: between them the vendor changes over")
    by = who()
    examined = examine(obj["config"], os.environ)
    if examined.config is None and write is None:
        raise ConfigurationMistakes(examined.mistakes, f"{examined.hint}; or name the file with --write")
    section = None if examined.config is None else examined.config.callback
    found = places(examined.config, write)
    pair = SecretPair(found.present, found.before, found.owner)
    sealed = found.present.with_name(f"{found.present.name}.cred")
    if write is None and found.by_systemd and sealed.exists() and _tried(pair, pair.held) is None:
        hint = f"`systemd-creds decrypt --name={found.present.name} {sealed} -` prints it; see docs/callbacks.md"
        raise BadData(f"{sealed} holds the secret, encrypted; nothing was changed", hint)
    did = _done(pair, rotate=rotate, retire=retire, show=show)
    secret = _tried(pair, pair.held) if show else None
    told = _told(section, found, did, secret, rotating=_tried(pair, pair.is_rotating))
    _note(obj, by, [did, *(["shown"] if show and did != "shown" else [])])
    if as_json:
        click.echo(dumped(told))
    else:
        say(*_lines(told))


def _done(pair: SecretPair, *, rotate: bool, retire: bool, show: bool) -> str:
    """What was done. Raises BadData (65) where it may not be done."""
    try:
        if rotate:
            _tried(pair, pair.rotate)
            return "rotated"
        if retire:
            _tried(pair, pair.retire)
            return "retired"
        if show and _tried(pair, pair.held) is not None:
            return "shown"
        _tried(pair, pair.make)
        return "made"
    except Busy:
        if rotate:
            message = f"{pair.before} holds another secret: the change before this one is not over"
            hint = "if the vendor uses the present secret, remove the former one first: cdpoll callback-secret --retire"
            raise BadData(message, hint) from None
        raise BadData(
            f"{pair.present} holds a secret already; nothing was changed", "--rotate changes it, --show shows it"
        ) from None
    except Nothing:
        if rotate:
            message = f"{pair.present} holds no secret that could be changed"
            raise BadData(message, "without --rotate one is made") from None
        raise BadData(f"{pair.before} holds no former secret; nothing was changed", "") from None


def _tried(pair: SecretPair, call: Callable[[], Any]) -> Any:
    """What ``call`` returns. Raises StorageFailed (74) where a file cannot be used."""
    try:
        return call()
    except OSError as error:
        path = Path(error.filename or pair.present)
        shut = obstacle(pair.present, write=True) or obstacle(pair.before, write=True)
        if shut is not None:
            raise StorageFailed(f"{path}: {shut.words}", "run this as root, or as the owner of that folder") from None
        hint = "make the folder first" if isinstance(error, FileNotFoundError) else "name another file with --write"
        raise StorageFailed(f"{path}: {error.strerror}", hint) from None


def _note(obj: Json, by: str, done: list[str]) -> None:
    """In the table of acts and the journal; where there is no database yet, in the journal alone."""
    try:
        # As root, this gives up root: it comes last.
        here = opened(obj)
    except CdpollError:
        for one in done:
            tell_journal(acts.line_of(by, _ACTS[one], None))
        return
    with here:
        for one in done:
            audited(here.store, by, _ACTS[one], None, here.now)


def _told(section: CallbackSection | None, found: Places, did: str, secret: str | None, *, rotating: bool) -> Json:
    client_id = _client_id(section)
    set_now = {}
    if client_id is None and did == "made":
        client_id = set_now["client_id"] = f"cdpoll-{secrets.token_hex(4)}"
    for key, reference, wanted in zip(
        ("client_secret", "previous_secret"), found.references, (True, rotating), strict=True
    ):
        written = None if section is None else getattr(section, key)
        if wanted and (not written or written.shown != reference):
            set_now[key] = reference
    return {
        "did": did,
        "file": str(found.present),
        "previous_file": str(found.before) if rotating else None,
        "secret": secret,
        "configuration": [f"{key} = {value}" for key, value in set_now.items()],
        "vendor": {**_urls(section), "grant_type": "client_credentials", "client_id": client_id}
        | {"scope": None if section is None else section.scope},
        "next": [] if did == "shown" else _next(did, changed=bool(set_now), by_systemd=found.by_systemd),
    }


def _client_id(section: CallbackSection | None) -> str | None:
    if section is None or not section.client_id:
        return None
    try:
        return section.client_id.reveal()
    except BadConfiguration:
        return section.client_id.shown


def _urls(section: CallbackSection | None) -> Json:
    if section is None or section.public_url is None:
        return {"token_url": None, "callback_url": None}
    return {
        "token_url": section.public_url + section.token_path,
        "callback_url": section.public_url + section.callback_path,
    }


def _next(did: str, *, changed: bool, by_systemd: bool) -> list[str]:
    """``changed``: something is to be written into the configuration."""
    # A reload does not bring a credential; while the service restarts, its socket keeps what comes.
    again = f"systemctl {'restart' if by_systemd else 'reload'} cdpoll-callback"
    steps = ["write the lines above into the configuration"] * changed
    if did == "made":
        return [
            *steps,
            f"{again} (the first time: systemctl enable --now cdpoll-callback.socket)",
            "cdpoll callback-check",
        ]
    if did == "retired":
        return [*steps, f"{again}: tokens that came from the former secret are refused from then on"]
    return [
        *steps,
        f"{again}: both secrets are let in from then on",
        "hand the new secret to the vendor (cdpoll callback-secret --show), and wait until it says that it uses it",
        f"cdpoll callback-secret --retire, and {again} again",
    ]


def _lines(told: Json) -> list[str]:
    lines = [f"{told['file']}: {_WORDS[told['did']]}"]
    if told["previous_file"] is not None:
        lines.append(f"{told['previous_file']}: the former secret, which is let in until it is removed (--retire)")
    if told["configuration"]:
        lines += ["", "In the configuration, under [callback]:", *(f"  {line}" for line in told["configuration"])]
    if told["did"] != "retired":
        lines += ["", "For the vendor, on a way that no one else reads:", *map(_row, _for_vendor(told))]
    if told["next"]:
        lines += ["", "Next:", *(f"  {n}. {step}" for n, step in enumerate(told["next"], 1))]
    return lines


def _for_vendor(told: Json) -> list[tuple[str, str]]:
    vendor, unset = told["vendor"], "(set [callback] public_url)"
    return [
        ("token URL", vendor["token_url"] or unset),
        ("callback URL", vendor["callback_url"] or unset),
        ("grant type", vendor["grant_type"]),
        ("client id", vendor["client_id"] or "(set [callback] client_id)"),
        ("client secret", told["secret"] or "in the file; --show prints it"),
        *([("scope", vendor["scope"])] if vendor["scope"] else []),
    ]


def _row(row: tuple[str, str]) -> str:
    return f"  {row[0]:<{_NAME_LETTERS}}  {row[1]}"

"""The options of ``cdpoll sandbox`` for callbacks, and what is made of them."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.core.errors import BadConfiguration

if TYPE_CHECKING:
    from sandbox.callback.sender import Sender
    from sandbox.callback.target import Target
    from sandbox.server import Sandbox

SECRET_VARIABLE = "CDPOLL_SANDBOX_CALLBACK_SECRET"  # noqa: S105 - a name

_OPTIONS = (
    click.option(
        "--callback-url", "url", metavar="URL", help="Deliver callbacks there: https, or http on a loopback address."
    ),
    click.option(
        "--callback-token-url",
        "token_url",
        metavar="URL",
        help="Where the sandbox asks for a token. Default: /oauth2/token beside the callback URL.",
    ),
    click.option(
        "--callback-client-id", "client_id", metavar="ID", help="What it proves itself with there. Default: vendor."
    ),
    click.option(
        "--callback-secret-file",
        "secret_file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help=f"The secret of that client id. Without it {SECRET_VARIABLE} has it, or a new one is made. DIR keeps it.",
    ),
    click.option("--callback-scope", "scope", metavar="SCOPE", help="What the token is asked for with. Default: none."),
    click.option(
        "--callback-generation",
        "generation",
        type=click.Choice(("newer", "older")),
        help="The vendor's manner: newer (the default) or older, which tells of the pending task first.",
    ),
    click.option(
        "--callback-ca",
        "authority",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Certificates to trust there, in place of the machine's.",
    ),
)
_NAMES = ("url", "token_url", "client_id", "secret_file", "scope", "generation", "authority")


def callback_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command; :func:`taken` takes them out of its arguments."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def taken(given: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that were given, without ``given``'s others. Raises UsageError."""
    found = {name: given.pop(name) for name in _NAMES}
    found = {name: value for name, value in found.items() if value is not None}
    if found and "url" not in found:
        raise click.UsageError("the options of callbacks go with --callback-url")
    return found


def sender_for(vendor: "Sandbox", options: dict[str, Any]) -> "Sender | None":
    """Tell the vendor where its callbacks go, and make what sends them; ``None`` where they were not asked for.

    Raises BadConfiguration.
    """
    if not options:
        return None
    from sandbox.callback.sender import Sender

    vendor.set_callback(_target(options))
    return Sender(vendor)


def _target(options: dict[str, Any]) -> "Target":
    from sandbox.callback.caller import tls_context
    from sandbox.callback.target import Target, token_url_beside

    authority = str(options.get("authority", ""))
    try:
        tls_context(authority)
    except OSError as error:
        raise BadConfiguration(f"--callback-ca: {authority}: {error.strerror}", "name a file of certificates") from None
    try:
        return Target(
            options["url"],
            options.get("token_url") or token_url_beside(options["url"]),
            options.get("client_id", "vendor"),
            _secret(options.get("secret_file")),
            options.get("generation", "newer"),
            authority,
            options.get("scope", ""),
        )
    except ValueError as error:
        raise BadConfiguration(
            f"--callback-url, --callback-token-url: {error}", "write https://host/path, or http://127.0.0.1:PORT/path"
        ) from None


def _secret(file: Path | None) -> str:
    """From the file, the variable, or a new one."""
    if file is not None:
        try:
            found = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise BadConfiguration(f"--callback-secret-file: {file}: {why}", "name a file that you may read") from None
        if not found:
            raise BadConfiguration(f"--callback-secret-file: {file} is empty", "put the client secret into it")
        return found
    return os.environ.get(SECRET_VARIABLE) or secrets.token_urlsafe(32)


def account(vendor: "Sandbox") -> str:
    """What became of the callbacks, in words."""
    with vendor.vendor.lock:
        counts = vendor.vendor.ledger.deliveries.counts()
    return ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in counts.items() if count) or "none"

"""What keeps a daemon from starting with a configuration, as far as it can be told without trying its heavy parts."""

from contextlib import suppress

from cli.opening import Opened
from worker.config import Config, Mistake, Place
from worker.config.keys import KEYS
from worker.config.mistakes import BUILT_IN
from worker.config.secret import OutOfReach
from worker.core.errors import BadConfiguration
from worker.store.state.api import origin_of

NOTHING_TO_RUN = "[api] is missing: this installation can record, and read files that are named, but not poll"


def hindrance(here: Opened) -> str | None:
    """Why no daemon can start here, with the cure; ``None`` where this user sees no reason.

    Only what is so for every user: one that may not read a secret, or is not handed what the service is, is told of no
    mistake that is none.
    """
    if here.unread:
        return None
    found = list(here.mistakes) or _found(here)
    if not found:
        return None
    more = f" (and {len(found) - 1} more: `cdpoll config check`)" if len(found) > 1 else ""
    return f"the configuration cannot be used: {found[0]}{more}"


def _found(here: Opened) -> list[Mistake]:
    config = here.config
    found = nothing_to_run(config) + missing(config) + another_origin(config, origin_of(here.store))
    # At the start these are looked up, and a certificate file is read.
    for section, values, keys in (
        ("api", config.api, ("client_id", "client_secret", "proxy")),
        ("sftp", config.sftp, ("password", "key_passphrase")),
    ):
        for key in keys:
            secret = getattr(values, key, None)
            if not secret or secret.form in ("credential", "env"):
                continue  # the service may have what this user has not
            try:
                secret.reveal()
            except OutOfReach:
                pass
            except BadConfiguration as error:
                message = f"{error.message.removeprefix(f'[{section}] {key}: ')}; {error.hint}"
                found.append(Mistake(config.places[section, key], section, key, message))
    if config.api is not None and config.api.ca_file is not None:
        with suppress(PermissionError):
            if not config.api.ca_file.exists():
                message = f"{config.api.ca_file} is not there; name a PEM file"
                found.append(Mistake(config.places["api", "ca_file"], "api", "ca_file", message))
    return found


def nothing_to_run(config: Config) -> list[Mistake]:
    """Where a daemon is expected, and would have nothing to do."""
    if config.api is not None or not config.asks_without_fail or config.store.runs == "once":
        return []
    cure = "write [api], or [sftp] to fetch files; where no daemon is to run, write runs = once under [store]"
    return [Mistake(Place(config.source), None, None, f"{NOTHING_TO_RUN}; {cure}")]


def missing(config: Config, elsewhere: frozenset[str] = frozenset()) -> list[Mistake]:
    """The credentials that are not written under ``[api]``, nor ``elsewhere`` by mistake."""
    if config.api is None:
        return []
    absent = [k for k in ("client_id", "client_secret") if config.places["api", k] == BUILT_IN and k not in elsewhere]
    return [
        Mistake(
            config.headings["api"],
            "api",
            None,
            f"{key} is missing; write it under [api], as in {key} = {KEYS['api', key].sample}",
        )
        for key in absent
    ]


def another_origin(config: Config, known: str | None) -> list[Mistake]:
    """``known``: the origin that the database belongs to."""
    api = config.api
    if api is None or not api.base_url or known in (None, "", api.origin):
        return []
    message = (
        f"the database {config.store.place.name} belongs to {known}, and this is another API; "
        "use another database for another environment ([store] path or url), or set base_url back; where the vendor "
        "has moved to that host with all of its tasks: cdpoll db rebind"
    )
    return [Mistake(config.places["api", "base_url"], "api", "base_url", message)]

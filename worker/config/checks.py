"""Checks over several keys: contradictions between them, and what is allowed but deserves a warning."""

from collections.abc import Iterator, Mapping, Set
from ipaddress import ip_address
from typing import Any

from worker.config.mistakes import BUILT_IN, Mistake, Place
from worker.config.secret import FORMS
from worker.config.settings import AlertSection, ApiSection, CallbackSection, PollingSection, SftpSection
from worker.config.urls import read_url
from worker.core.instant import short

_PREFIX = "/rcm/eligibility/v1"
_INTERVALS = {("polling", "cadence"), ("polling", "min_interval"), ("polling", "max_interval")}


def contradictions(
    polling: Mapping[str, Any], read: Set[tuple[str, str]], places: Mapping[tuple[str, str], Place]
) -> Iterator[Mistake]:
    """Mistakes between keys that are each well-formed.

    ``polling`` holds the fields of that section, ``read`` the keys that could be read, ``places`` those written.
    """
    unread = _INTERVALS & (places.keys() - read)
    low, high = polling["min_interval_ms"], polling["max_interval_ms"]
    if unread <= {("polling", "cadence")} and _INTERVALS - {("polling", "cadence")} <= places.keys() and low > high:
        message = f"min_interval ({short(low)}) is longer than max_interval ({short(high)}); write a shorter one"
        yield Mistake(places["polling", "min_interval"], "polling", "min_interval", message)
        return
    if unread:
        return  # it was told already

    def wrong(key: str, message: str) -> Mistake:
        # Of two keys, the one that was written is to blame.
        key = key if ("polling", key) in places else "cadence"
        return Mistake(places.get(("polling", key), BUILT_IN), "polling", key, message)

    first = polling["cadence"].first
    if polling["min_interval_ms"] > first:
        yield wrong(
            "min_interval",
            f"longer than the first poll of the cadence ({short(first)}); write a shorter one, or a later first poll",
        )
    if polling["max_interval_ms"] < first:
        yield wrong(
            "max_interval",
            f"max_interval ({short(polling['max_interval_ms'])}) is shorter than the first poll of the cadence "
            f"({short(first)}); write a longer one, or an earlier first poll",
        )


def api_contradictions(api: Mapping[str, Any], places: Mapping[tuple[str, str], Place]) -> Iterator[Mistake]:
    """Mistakes between the keys of ``[api]``; ``api`` holds its fields."""
    if api["proxy"] is None:
        return
    for key in ("base_url", "token_url"):
        if (api[key] or "").startswith("http://") and ("api", key) in places:
            message = "http goes through the proxy in clear, with secret and token; write https://, or leave proxy out"
            yield Mistake(places["api", key], "api", key, message)


def sftp_contradictions(
    sftp: Mapping[str, Any], heading: Place, places: Mapping[tuple[str, str], Place]
) -> Iterator[Mistake]:
    """Mistakes between the keys of ``[sftp]``; ``sftp`` holds its fields, ``heading`` is where the section begins."""
    written = {key for section, key in places if section == "sftp"}
    if not written & {"key_file", "password"}:
        yield Mistake(heading, "sftp", None, "key_file and password are both missing; write one of them, or both")
    if "key_passphrase" in written and "key_file" not in written:
        place = places["sftp", "key_passphrase"]
        yield Mistake(
            place, "sftp", "key_passphrase", "it belongs to a key, and key_file is not set; write key_file too"
        )
    if sftp["after"] == "move" and "move_to" not in written:
        place = places.get(("sftp", "after"), heading)
        yield Mistake(place, "sftp", "after", "move_to is missing; write where to move files, as in move_to = done")
    for key in ("move_to", "archive"):
        if sftp[key] is not None and sftp[key] == sftp["drop"]:
            yield Mistake(places["sftp", key], "sftp", key, "the same folder as drop; write another one")


def callback_contradictions(callback: Mapping[str, Any], places: Mapping[tuple[str, str], Place]) -> Iterator[Mistake]:
    """Mistakes between the keys of ``[callback]``; ``callback`` holds its fields."""
    yield from _half_a_pair("callback", places)
    if ("callback", "previous_secret") in places and ("callback", "client_secret") not in places:
        place = places["callback", "previous_secret"]
        yield Mistake(place, "callback", "previous_secret", "client_secret is missing; write the present one there")
    for key in ("token_path", "callback_path"):
        if callback[key] == "/healthz":
            place = places["callback", key]
            yield Mistake(place, "callback", key, "/healthz is where the service says that it is well; write another")
    if callback["token_path"] == callback["callback_path"]:
        key = "callback_path" if ("callback", "callback_path") in places else "token_path"
        place = places.get(("callback", key), BUILT_IN)
        yield Mistake(place, "callback", key, "token_path and callback_path are the same; write two different ones")


def local_contradictions(local: Mapping[str, Any], places: Mapping[tuple[str, str], Place]) -> Iterator[Mistake]:
    """Mistakes between the keys of ``[local]``; ``local`` holds its fields. A token goes over the wire."""
    yield from _half_a_pair("local", places)
    if not local or ip_address(local["listen"].rpartition(":")[0].strip("[]")).is_loopback:
        return
    missing = [key for key in ("token", "tls_certificate", "tls_key") if ("local", key) not in places]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        message = (
            f"not an address of this machine alone, and {' and '.join(missing)} {verb} missing; write "
            f"{'it' if len(missing) == 1 else 'them'}, or listen on 127.0.0.1"
        )
        yield Mistake(places["local", "listen"], "local", "listen", message)


def _half_a_pair(section: str, places: Mapping[tuple[str, str], Place]) -> Iterator[Mistake]:
    for key, other in (("tls_certificate", "tls_key"), ("tls_key", "tls_certificate")):
        if (section, key) in places and (section, other) not in places:
            yield Mistake(places[section, key], section, key, f"{other} is missing; write both, or neither")


def callback_warnings(callback: CallbackSection, places: Mapping[tuple[str, str], Place]) -> Iterator[Mistake]:
    """What is allowed in ``[callback]``, but probably not meant."""
    for key, secret in (("client_secret", callback.client_secret), ("previous_secret", callback.previous_secret)):
        if secret.form == "literal":
            yield _literal("callback", key, places)
    host = callback.listen.rpartition(":")[0].strip("[]")
    if callback.tls_certificate is None and not ip_address(host).is_loopback:
        message = "secrets and patient data come in clear; set tls_certificate and tls_key, or listen on 127.0.0.1"
        yield Mistake(places["callback", "listen"], "callback", "listen", message)


def alert_contradictions(alert: Mapping[str, Any], places: Mapping[tuple[str, str], Place]) -> Iterator[Mistake]:
    """Mistakes between the keys of ``[alert]``; ``alert`` holds its fields."""
    ping = alert["ping"]
    if alert["proxy"] is not None and ping is not None and ping.shown.startswith("http://"):
        message = "http goes through the proxy in clear; write https://, or leave proxy out"
        yield Mistake(places["alert", "ping"], "alert", "ping", message)


def alert_warnings(alert: AlertSection, places: Mapping[tuple[str, str], Place]) -> Iterator[Mistake]:
    """What is allowed in ``[alert]``, but probably not meant."""
    if alert.proxy is not None and alert.proxy.form == "literal" and "@" in alert.proxy.shown:
        yield _literal("alert", "proxy", places)


def warnings(
    api: ApiSection | None, polling: PollingSection, sftp: SftpSection | None, places: Mapping[tuple[str, str], Place]
) -> Iterator[Mistake]:
    """What is allowed, but probably not meant."""
    if api is not None:
        url = read_url(api.base_url)
        if not url.path.endswith(_PREFIX):
            message = f"does not end with {_PREFIX}, the prefix of this API; write it so, unless a gateway changes it"
            if not url.path:
                message = f"has no path; the vendor's prefix is {_PREFIX}, write it with the host"
            yield Mistake(places["api", "base_url"], "api", "base_url", message)
        if api.client_secret.form == "literal":
            yield _literal("api", "client_secret", places)
        if api.proxy is not None and api.proxy.form == "literal" and "@" in api.proxy.shown:
            yield _literal("api", "proxy", places)
    if sftp is not None:
        yield from _sftp_warnings(sftp, places)
    if polling.alert_after_ms >= polling.give_up_after_ms:
        key = "alert_after" if ("polling", "alert_after") in places else "give_up_after"
        yield Mistake(
            places[("polling", key)],
            "polling",
            key,
            "tasks are given up before they alert; write an alert_after that is shorter than give_up_after",
        )


def _sftp_warnings(sftp: SftpSection, places: Mapping[tuple[str, str], Place]) -> Iterator[Mistake]:
    for key, secret in (("key_passphrase", sftp.key_passphrase), ("password", sftp.password)):
        if secret.form == "literal":
            yield _literal("sftp", key, places)
    if any(not pattern.strip("*") for pattern in sftp.include) and not sftp.exclude:
        message = "takes every file of a drop that may be shared; write the names that are meant for you"
        yield Mistake(places["sftp", "include"], "sftp", "include", message)


def _literal(section: str, key: str, places: Mapping[tuple[str, str], Place]) -> Mistake:
    return Mistake(places[section, key], section, key, f"a secret written out in the file; better write {FORMS}")

"""The vendor's callbacks: service, secret, certificate, and both endpoints by the way that the vendor takes.

One token is asked for, and one rehearsal is delivered, of which nothing is stored.
"""

import socket
from collections.abc import Callable, Iterator

from cli.callback.address import target_of
from cli.callback.caller import Credentials
from cli.callback.rehearsing import SOON_MS, Rehearsal
from cli.doctor.finding import Finding, fail, good, not_checked, warn
from cli.doctor.services import CALLBACK_SERVICE, CALLBACK_SOCKET
from worker.clock import Clock
from worker.config import CallbackSection, Config, Examined
from worker.config.secret import OutOfReach
from worker.core.errors import BadConfiguration, TryLater
from worker.core.instant import about
from worker.gateways.http.client import tls_context
from worker.gateways.units import SocketUnit, socket_of, time_is_kept, unit_of
from worker.web.probe import answers
from worker.web.tls import Pair, context_of

REQUEST_S = 5.0

_ENABLE = f"systemctl enable --now {CALLBACK_SOCKET}"
_LOG = "journalctl -u cdpoll-callback says why"
_NAMES = {"token_basic": "callback_token"}
_OUTSIDE = "; where a firewall keeps this machine from its own public address, run `cdpoll callback-check` elsewhere"


class Callbacks:
    """``again`` reads the configuration once more: systemd starts the service when it is first asked."""

    def __init__(self, config: Config, again: Callable[[], Examined], clock: Clock) -> None:
        assert config.callback is not None
        self._config, self._section = config, config.callback
        self._again = again
        self._clock = clock

    def checks(self) -> Iterator[Finding]:
        yield self._service()
        found, pair = self._secret()
        yield found
        if self._section.tls_certificate is not None and self._section.tls_key is not None:
            yield self._certificate(Pair(self._section.tls_certificate, self._section.tls_key))
        if self._config.api is None:  # else the vendor's clock is a better measure
            yield _clock()
        yield from self._public(pair)

    def _service(self) -> Finding:
        asked, unit = socket_of(CALLBACK_SOCKET), unit_of(CALLBACK_SERVICE)
        if asked is not None and asked.active:
            return self._listening(asked)
        if asked is not None and asked.enabled:
            return fail("callback_service", f"{CALLBACK_SOCKET} does not listen", f"systemctl start {CALLBACK_SOCKET}")
        if self._answers(self._section.listen):
            said = f"the endpoints answer at {self._section.listen}"
            if asked is None:
                return good("callback_service", f"{said}; no systemd answers here")
            return warn("callback_service", f"{said}, and systemd does not start them again", _ENABLE)
        state = "no systemd answers here"
        if asked is not None:
            state = f"{CALLBACK_SERVICE} is {unit.state if unit is not None and unit.known else 'not installed'}"
        said = f"[callback] is configured, and nothing answers at {self._section.listen} ({state})"
        return fail("callback_service", said, _ENABLE)

    def _listening(self, asked: SocketUnit) -> Finding:
        if not self._answers(asked.address):
            said = f"systemd listens at {asked.address}, and the endpoints do not answer there"
            return fail("callback_service", said, f"systemctl restart {CALLBACK_SERVICE}; {_LOG}")
        said = f"the endpoints answer at {asked.address}"
        if not asked.enabled:
            return warn("callback_service", f"{said}, and not after a restart of this machine", _ENABLE)
        return good("callback_service", said)

    def _answers(self, address: str) -> bool:
        tls = self._section.tls_certificate is not None
        if address.startswith("/"):
            return answers(socket.AF_UNIX, address, tls)
        host, _, port = address.rpartition(":")
        host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - it is asked, not listened at
        family = socket.AF_INET6 if "[" in host else socket.AF_INET
        return answers(family, (host.strip("[]"), int(port)), tls)

    def _secret(self) -> tuple[Finding, Credentials | None]:
        try:
            return self._read()
        except OutOfReach as error:
            if not error.by_systemd:
                return fail("callback_secret", error.message, error.hint), None
            said = f"systemd hands it to {CALLBACK_SERVICE}, which does not run"
            cure = f"start it (systemctl start {CALLBACK_SERVICE}), and run the doctor again as root"
            return not_checked("callback_secret", said, cure), None
        except BadConfiguration as error:
            cure = error.hint if self._section.client_secret else "`cdpoll callback-secret` makes it"
            return fail("callback_secret", error.message, cure), None

    def _read(self) -> tuple[Finding, Credentials]:
        """Raises BadConfiguration."""
        try:
            return _read(self._section)
        except OutOfReach:
            config = self._again().config
            if config is None or config.callback is None:
                raise
            return _read(config.callback)

    def _certificate(self, pair: Pair) -> Finding:
        try:
            context_of(pair)
            expires_at = _expires_at(pair)
        except TryLater as error:
            return fail("callback_certificate", error.message, error.hint)
        left = expires_at - self._clock.now()
        cure = f"renew it, and systemctl reload {CALLBACK_SERVICE.removesuffix('.service')}"
        if left <= 0:
            return fail("callback_certificate", f"{pair.certificate} has expired {about(-left)} ago", cure)
        said = f"{pair.certificate} and its key fit, and expire in {about(left)}"
        return warn("callback_certificate", said, cure) if left < SOON_MS else good("callback_certificate", said)

    def _public(self, pair: Credentials | None) -> Iterator[Finding]:
        if self._section.public_url is None:
            said = "[callback] public_url is not set, so nothing is known of the way that the vendor takes"
            yield not_checked("callback_public", said, "write there the address that the vendor is told")
            return
        target = target_of(self._section.public_url, None, self._section)
        rehearsal = Rehearsal(target, pair, tls_context(None), self._clock, REQUEST_S)
        try:
            for one in rehearsal.brief():
                check = _NAMES.get(one.check, f"callback_{one.check}")
                cure = one.cure + _OUTSIDE if (one.check, one.level) == ("tcp", "FAIL") else one.cure
                yield one._replace(check=check, cure=cure)
        finally:
            rehearsal.close()


def _read(section: CallbackSection) -> tuple[Finding, Credentials]:
    """Raises BadConfiguration."""
    pair = Credentials(section.client_id.reveal(), section.client_secret.reveal())
    former = section.previous_secret.reveal_if_there()
    said = "client id and secret can be read"
    if former is not None:
        said += "; the former secret is let in too, until `cdpoll callback-secret --retire`"
    return good("callback_secret", said), pair


def _expires_at(pair: Pair) -> int:
    """In ms, of the server's own certificate, which comes first in its file."""
    from cryptography.x509 import load_pem_x509_certificate

    found = load_pem_x509_certificate(pair.certificate.read_bytes()).not_valid_after_utc
    return round(found.timestamp() * 1000)


def _clock() -> Finding:
    kept = time_is_kept()
    if kept is None:
        return not_checked("clock", "systemd does not say whether it is kept by NTP", "compare `date -u` elsewhere")
    if kept:
        return good("clock", "it is kept by NTP")
    cure = "`timedatectl` says more; then `systemctl restart systemd-timesyncd` (or chrony): tokens live by it"
    return warn("clock", "it is not kept by NTP", cure)

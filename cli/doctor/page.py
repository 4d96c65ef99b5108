"""What the doctor asks of `cdpoll serve local`, where its socket is enabled: the status page, and the intake of ids."""

import socket

from cli.doctor.finding import Finding, fail, good, not_checked, warn
from worker.config import Config
from worker.config.secret import OutOfReach
from worker.core.errors import BadConfiguration, TryLater
from worker.gateways.units import SocketUnit, socket_of
from worker.web.probe import answers
from worker.web.tls import Pair, context_of

_UNIT = "cdpoll-local.socket"
_RESTART = f"systemctl restart {_UNIT} cdpoll-local.service; journalctl -u cdpoll-local says why"


def page(config: Config) -> list[Finding]:
    """Nothing to tell where this machine has no such socket, or does not want it."""
    unit = socket_of(_UNIT)
    if unit is None or not (unit.enabled or unit.active):
        return []
    if not unit.active:
        return [warn("page", f"{_UNIT} is enabled and does not listen", f"systemctl start {_UNIT}")]
    tls = config.local.tls_certificate is not None
    if _answers(unit.address, tls):
        asked = good("page", f"the status page and the metrics answer at {unit.address}")
    else:
        asked = fail("page", f"the status page and the metrics do not answer at {unit.address}", _RESTART)
    return [asked, _intake(config, unit)]


def _intake(config: Config, unit: SocketUnit) -> Finding:
    """Whether it takes ids: the token, the certificate, and the sockets beside the port."""
    local = config.local
    try:
        if local.token:
            local.token.reveal()
        if local.tls_certificate is not None and local.tls_key is not None:
            context_of(Pair(local.tls_certificate, local.tls_key))
    except OutOfReach as error:
        if not error.by_systemd:
            return fail("intake", error.message, error.hint)
        cure = "start it (systemctl start cdpoll-local), and run the doctor again as root"
        return not_checked("intake", "systemd hands [local] token to cdpoll-local.service, which does not run", cure)
    except (BadConfiguration, TryLater) as error:
        return fail("intake", error.message, error.hint)
    silent = [path for path in unit.more if not _answers(path, local.tls_certificate is not None)]
    if silent:
        return fail("intake", f"nothing answers at {silent[0]}, where ids are handed in", _RESTART)
    if local.socket is not None and str(local.socket) not in unit.more:
        cure = f"write ListenStream={local.socket} (systemctl edit {_UNIT}), and restart it"
        if not _answers(str(local.socket), tls=False):
            return fail("intake", f"nothing answers at {local.socket}, which [local] socket names", cure)
    how = "with the token" if local.token else "without a token"
    said = "".join(f", and at {path}" for path in unit.more)
    return good("intake", f"ids are taken at {unit.address} {how}{said}")


def _answers(address: str, tls: bool) -> bool:
    if address.startswith("/"):
        return answers(socket.AF_UNIX, address)
    host, _, port = address.rpartition(":")
    host = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - it is asked, not listened at
    return answers(socket.AF_INET6 if "[" in host else socket.AF_INET, (host.strip("[]"), int(port)), tls)

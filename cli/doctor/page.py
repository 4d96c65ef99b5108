"""What the doctor asks of `cdpoll serve local`, where its socket is enabled."""

import socket

from cli.doctor.finding import Finding, fail, good, warn
from worker.gateways.units import socket_of
from worker.web.probe import answers

_UNIT = "cdpoll-local.socket"


def page() -> list[Finding]:
    """Nothing to tell where this machine has no such socket, or does not want it."""
    unit = socket_of(_UNIT)
    if unit is None or not (unit.enabled or unit.active):
        return []
    if not unit.active:
        return [warn("page", f"{_UNIT} is enabled and does not listen", f"systemctl start {_UNIT}")]
    if _answers(unit.address):
        return [good("page", f"the status page and the metrics answer at {unit.address}")]
    cure = f"systemctl restart {_UNIT} cdpoll-local.service; journalctl -u cdpoll-local says why"
    return [fail("page", f"the status page and the metrics do not answer at {unit.address}", cure)]


def _answers(address: str) -> bool:
    if address.startswith("/"):
        return answers(socket.AF_UNIX, address)
    host, _, port = address.rpartition(":")
    return answers(socket.AF_INET6 if "[" in host else socket.AF_INET, (host.strip("[]"), int(port)))

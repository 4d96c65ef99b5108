"""What the doctor asks of `cdpoll serve local`, where its socket is enabled."""

import socket

from cli.doctor.finding import Finding, fail, good
from worker.gateways.units import listening
from worker.web.probe import answers

_UNIT = "cdpoll-local.socket"


def page() -> list[Finding]:
    """Nothing to tell where this machine has no such socket."""
    address = listening(_UNIT)
    if address is None:
        return []
    if address.startswith("/"):
        well = answers(socket.AF_UNIX, address)
    else:
        host, _, port = address.rpartition(":")
        well = answers(socket.AF_INET6 if "[" in host else socket.AF_INET, (host.strip("[]"), int(port)))
    if well:
        return [good("page", f"the status page and the metrics answer at {address}")]
    cure = f"systemctl restart {_UNIT} cdpoll-local.service; journalctl -u cdpoll-local says why"
    return [fail("page", f"the status page and the metrics do not answer at {address}", cure)]

"""What the tests of the installed service do: rehearse the vendor, configure, make checks."""

import json
from typing import Any

from tests.support.cdpoll_process import until
from tests.support.host import Host

SOURCE = "/usr/src/cdpoll"
PORT = 8765
SECRET = "/etc/cdpoll/credentials/client_secret"


def begin_vendor(host: Host) -> None:
    """The sandbox, as an own unit of the machine, where it stays until the machine ends."""
    sandbox = ["/usr/bin/cdpoll", "sandbox", "--service", f"--port={PORT}", "--speed=200", "--dir=/srv/vendor"]
    host.run("systemd-run", "--unit=vendor", *sandbox)
    until((host.root / "srv/vendor/service.ini").exists, "a configuration by the sandbox", every=0.5)


def configure(host: Host) -> None:
    """As the sandbox says: its configuration, and the secret as a credential."""
    host.run("install", "-m", "0640", "-g", "cdpoll", "/srv/vendor/service.ini", "/etc/cdpoll/cdpoll.ini")
    host.run("install", "-m", "0600", "/srv/vendor/client-secret", SECRET)


def record(host: Host, *refs: str) -> None:
    """Check a patient for each ref, as a program of the customer's would, and record what the answer names."""
    for n, ref in enumerate(refs, 1):
        check(host, ref, f"SBX-TWO-MINUTES-FOUND-{n}")


def check(host: Host, ref: str, member: str, *more: str) -> str:
    """Check one patient, and record what the answer names; the first id. ``more`` are options of `cdpoll record`."""
    origin = f"http://127.0.0.1:{PORT}"
    grant = "grant_type=client_credentials&client_id=sandbox&client_secret=sandbox-secret"
    token = json.loads(host.run("curl", "-sS", f"{origin}/apip/auth/v2/token", "-d", grant).stdout)["access_token"]
    inquiry = {
        "subscriber": {"memberId": member},
        "encounter": {"dateOfService": "20260115"},
        "provider": {"npi": "1234567893"},
    }
    headers = ("-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/json")
    address = f"{origin}/rcm/eligibility/v1/"
    answer = host.run("curl", "-sS", "-D", "-", "-o", "/dev/null", address, *headers, "-d", json.dumps(inquiry))
    done = host.run("cdpoll", "record", "--json", "--headers", "-", "--ref", ref, *more, stdin=answer.stdout)
    found = json.loads(done.stdout)
    return str([*found["recorded"], *found["known"]][0])


def status(host: Host) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(host.run("cdpoll", "status", "--json").stdout)
    return found


def problems(host: Host) -> set[str]:
    return {one["code"] for one in status(host)["problems"]}


def until_concluded(host: Host) -> None:
    """A check may start several tasks."""

    def done() -> bool:
        tasks = status(host)["tasks"]
        return bool(tasks["concluded"]) and not tasks["pending"]

    until(done, "the results", every=0.5)


def drop_in(host: Host, unit: str, text: str) -> None:
    """What an administrator writes by `systemctl edit`."""
    host.put(f"/etc/systemd/system/{unit}.service.d/override.conf", text)
    host.run("systemctl", "daemon-reload")

"""Problems under the units, and the cures of the manual page. It takes two minutes: an end is told after one."""

import contextlib
import json
import os
import shutil
from typing import Any

import pytest

from tests.support.cdpoll_process import until
from tests.support.host import Host
from tests.system.caused import CAUSED, DROP
from tests.system.service import configure, drop_in, problems, status

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="a machine of its own needs root"),
    pytest.mark.skipif(shutil.which("systemd-nspawn") is None, reason="the Debian package systemd-container"),
]

CODES = {one.code for one in CAUSED}

# Keeps what is posted to /NAME in a file, and answers what stands in status-NAME.
RECEIVER = """
import http.server, json, pathlib
HOME = pathlib.Path("/srv/receiver")
class Answers(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        name = self.path.split("/")[1]
        with (HOME / f"{name}.jsonl").open("a") as file:
            file.write(json.dumps({"path": self.path, "body": body}) + "\\n")
        wanted = HOME / f"status-{name}"
        self.send_response(int(wanted.read_text()) if wanted.exists() else 200)
        self.end_headers()
http.server.ThreadingHTTPServer(("127.0.0.1", 9999), Answers).serve_forever()
"""

CONFIGURATION = f"""
[polling]
alert_after = 1h
[alert]
ping = {{credential alert_ping}}
command = /usr/local/bin/page-me
min_severity = warning
[deliver.gone]
kind = webhook
url = http://127.0.0.1:9999/gone
secret = {{credential webhook_secret}}
[sftp]
host = 127.0.0.1
port = 2222
username = drop
key_file = /etc/cdpoll/drop_key
known_hosts = /etc/cdpoll/known_hosts
drop = {DROP}
include = *.x12
settle = 1s
every = 10s
"""

SSHD = """
Port 2222
ListenAddress 127.0.0.1
HostKey /srv/ssh/host
AuthorizedKeysFile /srv/ssh/key.pub
StrictModes no
UsePAM no
PidFile none
Subsystem sftp internal-sftp
"""

SERVER = f"""
mkdir -p /run/sshd /srv/ssh /srv/receiver {DROP}
ssh-keygen -q -t ed25519 -N "" -f /srv/ssh/host
ssh-keygen -q -t ed25519 -N "" -f /srv/ssh/key
id drop 2>/dev/null || useradd -p '*' -s /bin/sh drop
printf "[127.0.0.1]:2222 %s\\n" "$(cut -d" " -f1,2 /srv/ssh/host.pub)" > /etc/cdpoll/known_hosts
install -m 0640 -g cdpoll /srv/ssh/key /etc/cdpoll/drop_key
"""


def installed(host: Host) -> None:
    """Everything beside the vendor: the SFTP server, a receiver of pings and webhooks, the program of alerts."""
    configure(host)
    host.run("sh", "-ec", SERVER)
    host.put("/srv/ssh/sshd_config", SSHD)
    host.put("/srv/receiver.py", RECEIVER)
    host.put("/usr/local/bin/page-me", "#!/bin/sh\ncat >> /var/lib/cdpoll/told.jsonl\n", 0o755)
    host.put("/etc/cdpoll/conf.d/all.ini", CONFIGURATION)
    credentials = {"alert_ping": "http://127.0.0.1:9999/ping", "webhook_secret": "whsec_" + "c2VjcmV0" * 4}
    for name, text in credentials.items():
        host.put(f"/etc/cdpoll/credentials/{name}", text, 0o600)
    for unit, name in (("cdpoll", "alert_ping"), ("cdpoll-deliver", "webhook_secret")):
        drop_in(host, unit, f"[Service]\nLoadCredential={name}:/etc/cdpoll/credentials/{name}\n")
    host.run("systemd-run", "--quiet", "--unit=drop", "/usr/sbin/sshd", "-D", "-f", "/srv/ssh/sshd_config")
    host.run("systemd-run", "--quiet", "--unit=receiver", "/usr/bin/python3", "/srv/receiver.py")
    host.run("systemctl", "enable", "--now", "cdpoll", "cdpoll-deliver", "cdpoll-local.socket")


def lines(host: Host, path: str) -> list[dict[str, Any]]:
    place = host.root / path
    return [json.loads(line) for line in place.read_text().splitlines()] if place.exists() else []


def commanded(host: Host, event: str) -> dict[str, str]:
    """What the command was told, by code."""
    told = lines(host, "var/lib/cdpoll/told.jsonl")
    return {one["code"]: one["hint"] for one in told if one["event"] == event}


def logged(host: Host, event: str) -> dict[str, str]:
    """Of these problems: other tests have left lines, too."""
    found = [json.loads(line) for line in host.journal("cdpoll").splitlines() if line.startswith("{")]
    return {one["code"]: one.get("hint", "") for one in found if one["event"] == event and one["code"] in CODES}


def pinged(host: Host) -> tuple[set[str], str]:
    """What the last ping of an alert names, and its body."""
    bodies = [one["body"] for one in lines(host, "srv/receiver/ping.jsonl") if one["path"] == "/ping/fail"]
    body = str(bodies[-1]) if bodies else ""
    return {line.split(": ")[1].partition(" ")[0] for line in body.splitlines()}, body


def doctor(host: Host) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(host.run("cdpoll", "doctor", "--json", check=False).stdout)["findings"]
    return found


def served(host: Host, path: str) -> str:
    return host.run("curl", "-sS", f"http://127.0.0.1:9271{path}").stdout


def metrics(host: Host) -> set[str]:
    numbers = [line for line in served(host, "/metrics").splitlines() if line.startswith("cdpoll_problems{")]
    return {line.split('"')[1] for line in numbers if not line.endswith(" 0.0")}


def named(host: Host) -> dict[str, dict[str, str]]:
    """By mouth, the problems that it names at present, each with what it says."""
    page = served(host, "/")
    checked = [one["words"].split(": ", 1) for one in doctor(host) if one["check"] == "problem"]
    return {
        "status": {one["code"]: one["hint"] for one in status(host)["problems"]},
        "check": dict.fromkeys(CODES & set(host.run("cdpoll", "status", "--check", check=False).stdout.split()), "…"),
        "doctor": {one[0]: one[1] for one in checked if len(one) == 2},
        "metrics": dict.fromkeys(metrics(host), "a number"),
        "page": {code: "…" for code in CODES if f"<b>{code}</b>" in page},
    }


def test_each_is_named_by_every_mouth_and_is_over_when_it_was_cured(host: Host) -> None:
    installed(host)
    assert metrics(host) == set(), "it is started by the first request, which needs a right configuration"
    for one in CAUSED:
        one.cause(host)
    until(lambda: commanded(host, "problem").keys() >= CODES, "a word to the command of each", every=0.5)
    until(lambda: metrics(host) >= CODES, "the summary for all", every=0.5)
    said = {**named(host), "command": commanded(host, "problem"), "journal": logged(host, "problem begins")}
    for mouth, told in said.items():
        assert told.keys() == CODES, mouth
        assert all(told.values()), mouth
    until(lambda: pinged(host)[0] == CODES, "a ping that names each", every=1)
    assert "MUELLER" not in str([said[mouth] for mouth in ("page", "command", "journal")]) + pinged(host)[1]
    assert "MUELLER" not in host.run("systemctl", "status", "cdpoll").stdout
    assert {one["level"] for one in doctor(host) if one["check"].startswith("alert_")} == {"OK"}

    for one in reversed(CAUSED):
        one.cure(host)
    over = CODES - {"abandoned"}  # that one is hidden, not over
    until(lambda: not problems(host), "a status without problems", every=1)
    with contextlib.suppress(AssertionError):  # an end is told after a minute, which is as long as this waits
        until(lambda: commanded(host, "recovery"), "the end of one", every=1)
    until(lambda: commanded(host, "recovery").keys() >= over, "the end of each", every=1)
    assert {mouth: set(told) for mouth, told in named(host).items()} == {mouth: set() for mouth in named(host)}
    assert logged(host, "problem is over").keys() == over
    until(lambda: lines(host, "srv/receiver/ping.jsonl")[-1]["path"] == "/ping", "a ping that all is well", every=1)

    # It stops with the daemon, and starts with it.
    host.run("systemctl", "stop", "cdpoll")
    assert host.shown("cdpoll-deliver", "ActiveState") == "inactive"
    assert problems(host) == metrics(host) == {"daemon_down"}
    assert "start it (systemctl start cdpoll" in str(doctor(host))
    host.run("systemctl", "start", "cdpoll")
    until(lambda: host.shown("cdpoll-deliver", "ActiveState") == "active", "the deliveries", every=0.5)
    assert problems(host) == set()
    host.run("systemctl", "disable", "cdpoll", "cdpoll-deliver")
    host.run("systemctl", "stop", "cdpoll-local.socket", "cdpoll-local.service", "drop", "receiver")

"""The socket of `cdpoll serve local` under systemd: a member of cdpoll-spool hands ids in and reads nothing; others do
not reach it; the token is a credential."""

import json
import os
import shutil

import pytest

from tests.support.cdpoll_process import until
from tests.support.host import Done, Host
from tests.system.service import configure

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="a machine of its own needs root"),
    pytest.mark.skipif(shutil.which("systemd-nspawn") is None, reason="the Debian package systemd-container"),
]

SOCKET = "/run/cdpoll-local/intake.sock"
PORT = "http://127.0.0.1:9271/v1/tasks"


def asked(host: Host, user: str, *more: str) -> Done:
    """What curl says to a user."""
    line = ["runuser", "-u", user, "--", "curl", "-sS", "-m", "20", "-w", "\n%{http_code}", *more]
    return host.run(*line, check=False)


def by_socket(host: Host, user: str, path: str, *more: str) -> Done:
    return asked(host, user, "--unix-socket", SOCKET, f"http://localhost{path}", *more)


def test_a_member_of_the_group_hands_in_and_reads_nothing(host: Host) -> None:
    for name, group in (("handsin", "cdpoll-spool"), ("outsider", "nogroup")):
        host.run("useradd", "--system", "--no-user-group", "--gid", "nogroup", "--groups", group, name)
    configure(host)
    host.run("systemctl", "start", "cdpoll", "cdpoll-local.socket")
    until(lambda: by_socket(host, "handsin", "/healthz").stdout.endswith("200"), "a service that answers", every=0.5)
    done = by_socket(host, "handsin", "/v1/tasks", "--json", '{"id": "a", "ref": "R"}')
    assert done.stdout.endswith("201"), done
    for path in ("/", "/metrics", "/readyz", "/tasks/a"):
        assert by_socket(host, "handsin", path).stdout.endswith("404")
    assert host.run("runuser", "-u", "handsin", "--", "cdpoll", "show", "a", check=False).returncode != 0
    refused = by_socket(host, "outsider", "/v1/tasks", "--json", '{"id": "b"}')
    assert (refused.returncode, refused.stdout.endswith("000")) == (7, True), refused
    shown = json.loads(host.run("cdpoll", "tasks", "--json").stdout)["tasks"]
    assert [(one["id"], one["refs"]) for one in shown] == [("a", ["R"])]

    host.put("/etc/cdpoll/credentials/intake-token", "the-token\n", 0o600)
    host.put("/etc/cdpoll/conf.d/token.ini", "[local]\ntoken = {credential intake-token}\n")
    host.run("systemctl", "restart", "cdpoll-local.service")
    until(lambda: asked(host, "outsider", PORT, "--json", "{}").stdout.endswith("401"), "a token asked for", every=0.5)
    done = asked(host, "outsider", PORT, "--json", '{"id": "c"}', "--header", "Authorization: Bearer the-token")
    assert done.stdout.endswith("201"), done
    assert by_socket(host, "handsin", "/v1/tasks", "--json", '{"id": "c"}').stdout.endswith("200")
    told = json.loads(host.run("cdpoll", "doctor", "--json", check=False).stdout)["findings"]
    (intake,) = [one for one in told if one["check"] == "intake"]
    assert (intake["level"], intake["words"].endswith(f"with the token, and at {SOCKET}")) == ("OK", True), intake
    host.run("systemctl", "stop", "cdpoll-local.socket", "cdpoll-local.service")
    host.run("rm", "/etc/cdpoll/credentials/intake-token")

"""The unit of the callbacks under a real systemd: its socket, certificate and secrets, and how it is begun anew."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.cdpoll_process import DEADLINE, until
from tests.support.host import Host
from tests.support.rehearsing import commands, section
from tests.system.service import SECRET, configure, drop_in

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="a machine of its own needs root"),
    pytest.mark.skipif(shutil.which("systemd-nspawn") is None, reason="the Debian package systemd-container"),
]

TLS = "/etc/cdpoll/tls"
URL = "https://127.0.0.1:9272"
CONFIG = f"""\
[callback]
client_id = vendor
client_secret = {{credential callback-secret}}
previous_secret = {{credential callback-secret-before}}
tls_certificate = {TLS}/fullchain.pem
tls_key = {TLS}/privkey.pem
"""
# What an unfriendly process could try, as the service's user and in its place: the folder of credentials, and the view
# that other processes of the user have.
LOOK = """
echo "I am $(id -un) and see $(ls /run/credentials )"
cat /run/credentials/*/* /etc/cdpoll/credentials/*
for process in /proc/[0-9]*; do cat $process/root/run/credentials/*/* $process/environ; done
true
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def calling(host: Host, authority: Authority) -> Host:
    """With the daemon running, and the socket of the callbacks; its certificate is the first."""
    configure(host)
    host.put("/etc/cdpoll/credentials/callback-secret", "secret-of-callbacks\n", 0o600)
    host.put("/etc/cdpoll/conf.d/callback.ini", CONFIG)
    host.put("/srv/authority.pem", authority.file.read_text())
    renew(host, authority, "first")
    host.run("systemctl", "start", "cdpoll", "cdpoll-callback.socket")
    return host


def renew(host: Host, authority: Authority, name: str) -> None:
    """As certbot does: new files of its own, then the hook of the page."""
    made = authority.certificate(name)
    host.put("/root/renewed/fullchain.pem", made.cert.read_text(), 0o600)
    host.put("/root/renewed/privkey.pem", made.key.read_text(), 0o600)
    [hook] = [one for one in commands(section("docs/callbacks.md", "## TLS")) if one.startswith("#!")]
    host.put("/root/hook", hook, 0o755)
    host.run("env", "RENEWED_LINEAGE=/root/renewed", "/root/hook")


def half(host: Host, authority: Authority) -> None:
    """A renewed certificate, and the key not yet."""
    host.put("/root/half.pem", authority.certificate("half").cert.read_text())
    host.run("install", "-m", "0640", "-g", "cdpoll", "/root/half.pem", f"{TLS}/fullchain.pem")


def curl(host: Host, *more: str, check: bool = True) -> str:
    return host.run("curl", "-sS", "--cacert", "/srv/authority.pem", *more, check=check).stdout


def token(host: Host) -> str:
    told = curl(host, f"{URL}/oauth2/token", "-u", "vendor:secret-of-callbacks", "-d", "grant_type=client_credentials")
    return str(json.loads(told)["access_token"])


def shown(host: Host) -> str:
    """The name in the certificate that is shown."""
    told = host.run(
        "sh", "-c", "openssl s_client -connect 127.0.0.1:9272 </dev/null 2>/dev/null | grep ^subject"
    ).stdout
    return told.rpartition("=")[2].strip()


def main_pid(host: Host) -> str:
    return host.shown("cdpoll-callback", "MainPID")


def test_a_delivery_is_taken_by_the_socket_and_a_renewed_certificate_by_a_reload(
    calling: Host, authority: Authority
) -> None:
    assert main_pid(calling) == "0"
    bearer = f"Authorization: Bearer {token(calling)}"
    body = json.dumps({"id": "from-the-vendor", "status": "pending"})
    sent = ["-o", "/dev/null", "-w", "%{http_code}", "-H", bearer, "-H", "Content-Type: application/json", "-d", body]
    assert curl(calling, f"{URL}/coverage-discovery/callback", *sent) == "204"
    before = main_pid(calling)
    half(calling, authority)
    calling.run("systemctl", "reload", "cdpoll-callback")
    until(lambda: "certificate and key refused" in calling.journal("cdpoll-callback"), "a refusal", every=0.2)
    assert shown(calling) == "first"
    renew(calling, authority, "third")
    until(lambda: shown(calling) == "third", "the third certificate", every=0.2)
    assert main_pid(calling) == before
    assert "from-the-vendor" in calling.run("cdpoll", "tasks", "--json").stdout
    assert "secret-of-callbacks" not in calling.journal("cdpoll-callback")


def test_it_is_handed_its_own_secrets_and_sees_no_others(calling: Host) -> None:
    calling.run("systemctl", "restart", "cdpoll")
    calling.put("/usr/local/bin/look", f"#!/bin/sh\n{LOOK}", 0o755)
    drop_in(calling, "cdpoll-callback", "[Service]\nExecStartPre=/usr/local/bin/look\nExecPaths=/usr/local/bin\n")
    token(calling)
    seen = calling.journal("cdpoll-callback")
    assert "I am cdpoll and see cdpoll-callback.service\n" in seen
    assert "secret-of-callbacks" in seen
    assert calling.run("cat", SECRET).stdout.strip() == "sandbox-secret"
    assert "sandbox-secret" not in seen


def test_without_secrets_it_says_so_and_a_pair_that_is_mended_later_is_taken(
    calling: Host, authority: Authority
) -> None:
    calling.run("rm", "/etc/cdpoll/credentials/callback-secret")

    def given_up() -> bool:
        curl(calling, "--max-time", "1", f"{URL}/healthz", check=False)
        return calling.shown("cdpoll-callback.socket", "ActiveState") == "failed"

    until(given_up, "a socket that systemd has given up", every=0.2)
    assert calling.shown("cdpoll-callback", "ExecMainStatus") == "78"
    assert "[callback] client_secret: {credential callback-secret}: is empty" in calling.journal("cdpoll-callback")
    calling.put("/etc/cdpoll/credentials/callback-secret", "secret-of-callbacks\n", 0o600)
    calling.run("systemctl", "restart", "cdpoll-callback.socket")
    drop_in(calling, "cdpoll-callback", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=200ms\n")
    half(calling, authority)
    calling.run("systemctl", "start", "--no-block", "cdpoll-callback")
    until(lambda: "is not the key of" in calling.journal("cdpoll-callback"), "what is wrong", every=0.2)
    renew(calling, authority, "third")
    until(lambda: shown(calling) == "third", "the third certificate", every=0.5)


def test_one_that_is_killed_or_stands_still_is_begun_anew_and_a_stop_ends_in_time(calling: Host) -> None:
    drop_in(calling, "cdpoll-callback", "[Service]\nWatchdogSec=3\nRestartSec=0\n")
    token(calling)
    for signal in ("-KILL", "-STOP"):
        before = main_pid(calling)
        calling.run("kill", signal, before)
        until(lambda before=before: main_pid(calling) not in ("0", before), "a new process", every=0.5)  # type: ignore[misc]
        assert token(calling)
    assert "watchdog" in calling.journal("cdpoll-callback").lower()
    calling.run("timeout", str(DEADLINE), "systemctl", "stop", "cdpoll-callback.socket", "cdpoll-callback")
    assert calling.shown("cdpoll-callback", "Result") == "success"

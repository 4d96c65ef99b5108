"""The units under a real systemd: start, reload, watchdog, kill, credentials, an unusable disk, stop."""

import json
import os
import re
import shutil

import pytest

from tests.support.cdpoll_process import DEADLINE, until
from tests.support.host import Host
from tests.support.x12_samples import ACTIVE, a_file, a_set, subscriber
from tests.system.service import SECRET, check, configure, drop_in, problems, record, status, until_concluded

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="a machine of its own needs root"),
    pytest.mark.skipif(shutil.which("systemd-nspawn") is None, reason="the Debian package systemd-container"),
]


def main_pid(host: Host) -> int:
    return int(host.shown("cdpoll", "MainPID"))


def restarted(host: Host, before: int) -> bool:
    return host.shown("cdpoll", "ActiveState") == "active" and main_pid(host) not in (0, before)


def test_results_arrive_in_the_installed_service(host: Host) -> None:
    configure(host)
    host.run("cdpoll", "config", "check")
    host.run("systemctl", "enable", "--now", "cdpoll")
    record(host, "A1", "A2")
    until_concluded(host)
    found = json.loads(host.run("cdpoll", "found", "--json").stdout)["found"]
    assert {one["ref"] for one in found} == {"A1", "A2"}
    # The secret is the one that systemd has handed to the service.
    swept = json.loads(host.run("cdpoll", "backfill", "--from", "1h", "--dry-run", "--json").stdout)
    assert swept["received"] >= swept["known"] >= len(found) > 0  # the vendor has tasks of other tests, too
    host.run("systemctl", "disable", "cdpoll")


def test_a_reload_brings_the_new_configuration_to_the_process_that_runs(host: Host) -> None:
    configure(host)
    host.run("systemctl", "start", "cdpoll")
    before = main_pid(host)
    host.put("/etc/cdpoll/conf.d/more.ini", "[polling]\nrequests_per_second = 7\n")
    host.run("systemctl", "reload", "cdpoll")
    until(lambda: "reloaded" in host.journal("cdpoll"), "a word of the reload", every=0.5)
    assert main_pid(host) == before


def test_a_reload_of_a_wrong_configuration_fails_and_nothing_changes(host: Host) -> None:
    configure(host)
    host.run("systemctl", "start", "cdpoll")
    before = main_pid(host)
    host.put("/etc/cdpoll/conf.d/more.ini", "[polling]\nrequests_per_second = many\n")
    assert host.run("systemctl", "reload", "cdpoll", check=False).returncode != 0
    assert "requests_per_second" in host.journal("cdpoll")
    assert main_pid(host) == before
    assert host.shown("cdpoll", "ActiveState") == "active"


def test_a_process_that_stands_still_is_begun_anew_by_the_watchdog(host: Host) -> None:
    configure(host)
    drop_in(host, "cdpoll", "[Service]\nWatchdogSec=3\nRestartSec=0\n")
    host.run("systemctl", "start", "cdpoll")
    before = main_pid(host)
    host.run("kill", "-STOP", str(before))
    until(lambda: restarted(host, before), "a new process", every=0.5)
    assert "watchdog" in host.journal("cdpoll").lower()
    assert not list(host.root.glob("var/lib/systemd/coredump/*"))


def test_a_killed_process_is_begun_anew_and_loses_nothing(host: Host) -> None:
    configure(host)
    drop_in(host, "cdpoll", "[Service]\nRestartSec=0\n")
    host.run("systemctl", "start", "cdpoll")
    record(host, "A1", "A2", "A3")
    before = main_pid(host)
    host.run("kill", "-KILL", str(before))
    until(lambda: restarted(host, before), "a new process", every=0.5)
    until_concluded(host)


def test_a_wrong_secret_is_told_and_does_not_end_the_service(host: Host) -> None:
    configure(host)
    host.run("sh", "-c", f"echo wrong > {SECRET}")
    host.run("systemctl", "start", "cdpoll")
    record(host, "A1")
    until(lambda: "api_credentials" in problems(host), "the problem of the credentials", every=0.5)
    assert host.shown("cdpoll", "NRestarts") == "0"
    configure(host)
    host.run("systemctl", "restart", "cdpoll")
    until_concluded(host)


def test_a_secret_that_only_this_machine_can_decrypt(host: Host) -> None:
    configure(host)
    cipher = f"{SECRET}.cred"
    host.run("systemd-creds", "encrypt", "--with-key=host", "--name=client_secret", SECRET, cipher)
    host.run("rm", SECRET)
    drop_in(host, "cdpoll", f"[Service]\nLoadCredentialEncrypted=client_secret:{cipher}\n")
    host.run("systemctl", "start", "cdpoll")
    record(host, "A1")
    until_concluded(host)


def test_a_wrong_configuration_is_no_reason_to_start_again(host: Host) -> None:
    host.put("/etc/cdpoll/cdpoll.ini", "[api]\nbase_url = https://vendor.example/rcm/eligibility/v1\nclient = x\n")
    assert host.run("systemctl", "start", "cdpoll", check=False).returncode != 0
    assert host.shown("cdpoll", "ExecMainStatus") == "78"
    assert host.shown("cdpoll", "NRestarts") == "0"
    assert "client" in host.journal("cdpoll")


def test_a_state_folder_that_cannot_be_written_is_told_in_the_journal(host: Host) -> None:
    configure(host)
    drop_in(host, "cdpoll", "[Service]\nReadOnlyPaths=/var/lib/cdpoll\nTimeoutStartSec=5\n")
    host.run("systemctl", "start", "--no-block", "cdpoll")
    until(lambda: "/var/lib/cdpoll" in host.journal("cdpoll"), "a word on the folder", every=0.5)
    assert "Traceback" not in host.journal("cdpoll")


def test_a_stop_ends_in_time_with_a_request_under_way(host: Host) -> None:
    configure(host)
    host.run("systemctl", "start", "cdpoll")
    record(host, "A1", "A2")
    host.run("timeout", str(DEADLINE), "systemctl", "stop", "cdpoll")
    assert host.shown("cdpoll", "Result") == "success"
    assert host.shown("cdpoll", "ActiveState") == "inactive"
    assert status(host)["daemon"]["alive"] is False


def test_results_go_out_under_the_unit_of_the_deliveries(host: Host) -> None:
    configure(host)
    host.run("install", "-d", "-o", "cdpoll", "/srv/mirth/in", "/srv/mirth/aside")
    host.put("/usr/local/bin/take", "#!/bin/sh\ncat > /var/lib/cdpoll/taken\n", 0o755)
    host.put(
        "/etc/cdpoll/conf.d/ways.ini",
        "[deliver.folder]\nkind = directory\npath = /srv/mirth/in\naside = /srv/mirth/aside\n"
        "[deliver.program]\nkind = command\ncommand = /usr/local/bin/take\n",
    )
    drop_in(host, "cdpoll-deliver", "[Service]\nReadWritePaths=/srv/mirth\n")
    host.run("systemctl", "start", "cdpoll", "cdpoll-deliver")
    record(host, "A1")
    until_concluded(host)
    until(lambda: list((host.root / "srv/mirth/in").glob("*.json")), "a file in the folder", every=0.5)
    until((host.root / "var/lib/cdpoll/taken").exists, "what the program took", every=0.5)


def test_no_secret_and_no_patient_stands_where_others_look(host: Host) -> None:
    configure(host)
    host.put("/usr/local/bin/refuse", "#!/bin/sh\ncat; exit 1\n", 0o755)
    host.put("/etc/cdpoll/conf.d/ways.ini", "[deliver.program]\nkind = command\ncommand = /usr/local/bin/refuse\n")
    host.run("systemctl", "start", "cdpoll", "cdpoll-deliver", "cdpoll-local.socket")
    check(host, "PLANTED-REF-1", "SBX-TWO-MINUTES-FOUND-1", "--correlation-id", "PLANTED-CORRELATION")
    host.put("/srv/given-file.x12", a_file(a_set(subscriber(ACTIVE, last="PLANTED-NAME"))))
    host.put("/srv/given-junk.x12", "PLANTED-TEXT\n")
    for name in ("given-file", "given-junk"):  # the journal keeps the command line of who writes to it
        host.run("cdpoll", "ingest", f"/srv/{name}.x12", check=False)
    unreadable = 'HTTP/1.1 200 OK\nLink: coverage-discovery/PLANTED-RAW; rel="related"\n\n'
    host.run("cdpoll", "record", "--headers", "-", stdin=unreadable, check=False)
    until_concluded(host)
    until(lambda: "a letter failed" in host.journal("cdpoll-deliver"), "a failed delivery", every=0.5)
    served = [host.run("curl", "-sS", f"http://127.0.0.1:9271{path}").stdout for path in ("/", "/metrics")]
    pids = [host.shown(unit, "MainPID") for unit in ("cdpoll", "cdpoll-deliver", "cdpoll-local")]
    assert "0" not in pids
    seen = "".join(
        [
            *served,
            host.run("journalctl", "--no-pager", "--output=export").stdout,
            host.run("ps", "axww").stdout,
            *(host.run("cat", f"/proc/{pid}/environ").stdout for pid in pids),
            host.run("systemctl", "show", "cdpoll", "cdpoll-deliver").stdout,
            host.run("cdpoll", "status").stdout,
        ]
    )
    for marker in ("sandbox-secret", "PLANTED", "TWO-MINUTES-FOUND"):
        assert not re.search(marker, seen), marker
    found = host.run("sh", "-c", "grep -rl -e PLANTED -e sandbox-secret /tmp /var/tmp /run /var/log", check=False)
    assert [line for line in found.stdout.splitlines() if not line.startswith("/run/credentials/")] == []
    cores = host.run("find", "/", "/var/lib/cdpoll", "-maxdepth", "1", "-type", "f", "-name", "core*").stdout
    assert cores == ""
    assert not list(host.root.glob("var/lib/systemd/coredump/*"))
    host.run("systemctl", "stop", "cdpoll-local.socket", "cdpoll-local.service")


def test_metrics_are_served_by_a_socket_without_the_right_to_more(host: Host) -> None:
    configure(host)
    host.run("systemctl", "start", "cdpoll", "cdpoll-local.socket")
    record(host, "PLANTED-REF-1")
    until_concluded(host)
    told = host.run("curl", "-sS", "http://127.0.0.1:9271/metrics").stdout
    assert "cdpoll_daemon_up 1.0" in told
    assert "PLANTED" not in told
    assert host.run("curl", "-sS", "http://127.0.0.1:9271/readyz").stdout == "ready\n"
    assert "What a person must do" in host.run("curl", "-sS", "http://127.0.0.1:9271/").stdout
    host.run("systemctl", "stop", "cdpoll")
    until(
        lambda: host.run("curl", "-sS", "http://127.0.0.1:9271/readyz").stdout.startswith("no daemon"),
        "not ready",
        every=0.5,
    )
    host.run("systemctl", "stop", "cdpoll-local.socket", "cdpoll-local.service")


def test_what_serves_and_answers_nothing_is_begun_anew(host: Host) -> None:
    configure(host)
    drop_in(host, "cdpoll-local", "[Service]\nWatchdogSec=9\nRestartSec=0\n")
    host.run("systemctl", "start", "cdpoll", "cdpoll-local.socket", "cdpoll-local.service")
    before = host.shown("cdpoll-local", "MainPID")
    host.run("pkill", "-STOP", "--parent", before)  # the process that answers
    assert "do not answer at 127.0.0.1:9271" in host.run("cdpoll", "doctor", check=False).stdout
    until(lambda: host.shown("cdpoll-local", "MainPID") not in ("0", before), "a new process", every=0.5)
    assert "watchdog" in host.journal("cdpoll-local").lower()
    assert host.run("curl", "-sS", "http://127.0.0.1:9271/healthz").stdout == "ok\n"
    host.run("systemctl", "stop", "cdpoll-local.socket", "cdpoll-local.service")
    host.run("systemctl", "revert", "cdpoll-local.service")


def test_who_may_not_read_the_database_sees_the_summary(host: Host) -> None:
    configure(host)
    host.run("systemctl", "start", "cdpoll")
    host.run("useradd", "--create-home", "ann")
    told = host.run("su", "ann", "-c", "cdpoll status")
    assert "running for" in told.stdout
    assert "what the daemon tells all users" in told.stderr

"""Who may record, and nothing else: a member of the group `cdpoll-spool` on a machine with the installed service."""

import json
import os
import shutil
from collections.abc import Iterator

import pytest

from tests.support.cdpoll_process import until
from tests.support.host import Done, Host
from tests.system.service import configure, drop_in

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="a machine of its own needs root"),
    pytest.mark.skipif(shutil.which("systemd-nspawn") is None, reason="the Debian package systemd-container"),
]

A, B, C = (f"{n}716e3e8-87ee-11ee-b9d1-0242ac120002" for n in range(3))
SPOOL, OWN = "/var/spool/cdpoll", "/srv/spool"
HELD = f"{SPOOL}/in/.held"


@pytest.fixture
def site(host: Host) -> Iterator[Host]:
    """Two members of the group of the spool, a user in no group, and the daemon, which looks into the spool."""
    add = "useradd --no-create-home"
    host.run("sh", "-ec", f"{add} -G cdpoll-spool mirth; {add} -G cdpoll-spool other; {add} stranger")
    configure(host)
    host.put("/etc/cdpoll/conf.d/spool.ini", "[spool]\nevery = 100ms\n")
    host.run("systemctl", "start", "cdpoll")
    until((host.root / f"{SPOOL}/in/.lane".lstrip("/")).exists, "a daemon that looks into the spool")
    yield host
    host.run(
        "sh", "-c", f"for user in mirth other stranger; do userdel $user; done; rm -rf {SPOOL}/*/* {SPOOL}/in/.lane"
    )


def as_user(host: Host, user: str, *command: str) -> Done:
    line = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--inh-caps=-all", *command]
    return host.run(*line, check=False)


def succeeded(host: Host, user: str, *commands: str) -> list[str]:
    """Those of the shell's commands that this user may do."""
    script = "\n".join(f"({one}) >/dev/null 2>&1 && echo '{one}'" for one in commands)
    return as_user(host, user, "sh", "-c", script).stdout.splitlines()


def until_recorded(host: Host, *ids: str) -> None:
    def all_there() -> bool:
        return {*ids} <= {one["id"] for one in json.loads(host.run("cdpoll", "tasks", "--json").stdout)["tasks"]}

    until(all_there, "the ids in the database", every=0.3)


def test_a_member_hands_in_ids_and_can_do_nothing_else(site: Host) -> None:
    said = as_user(site, "mirth", "cdpoll", "record", "--json", A, "--ref", "MRN-1")
    assert said.returncode == 0, said.stderr
    assert (json.loads(said.stdout)["recorded"], json.loads(said.stdout)["spooled"]) == ([], 1)
    assert "this user may not read the configuration" in said.stderr
    # By hand, under two umasks. The daemon reads both.
    leave = "; ".join(f"umask 0{mask}; echo {one} > {HELD}{mask}" for mask, one in (("22", B), ("77", C)))
    assert as_user(site, "mirth", "sh", "-c", leave).returncode == 0

    until_recorded(site, A)
    assert json.loads(site.run("cdpoll", "show", A, "--json").stdout)["refs"] == ["MRN-1"]
    [done] = (site.root / f"{SPOOL}/done".lstrip("/")).iterdir()
    refused = (
        f"cdpoll show {A}",
        f"cdpoll abandon {A}",
        "cat /var/lib/cdpoll/cdpoll.db",
        "ls /var/lib/cdpoll",
        "cat /etc/cdpoll/cdpoll.ini",
        f"ls {SPOOL}/in",
        f"ls {SPOOL}/done",
        f"ls {SPOOL}/bad",
        f"ls {SPOOL}/taken",
        f"cat {SPOOL}/done/{done.name}",
        f"rm -f {SPOOL}/in/.lane",
        f"touch {SPOOL}/in/.lane",
        "systemctl stop cdpoll",
        f"kill {site.shown('cdpoll', 'MainPID')}",
    )
    assert succeeded(site, "mirth", *refused) == []
    assert site.shown("cdpoll", "ActiveState") == "active"

    # What one has left is no one else's, also where its name is known.
    for held in (f"{HELD}22", f"{HELD}77"):
        tried = (
            f"cat {held}",
            f"echo x >> {held}",
            f"rm -f {held}",
            f"mv {held} {SPOOL}/in/.mine",
            f"echo x > {SPOOL}/in/.x && mv -f {SPOOL}/in/.x {held}",
            f"ln {held} {SPOOL}/in/.mine",
        )
        assert succeeded(site, "other", *tried) == succeeded(site, "stranger", *tried) == []
        assert succeeded(site, "mirth", f"mv {held} {SPOOL}/in/ids{held[-2:]}")
    until_recorded(site, B, C)


def test_who_may_leave_nothing_is_told_why_and_nothing_is_lost_while_the_daemon_is_down(site: Host) -> None:
    said = as_user(site, "stranger", "cdpoll", "record", A)
    assert said.returncode == 75
    assert "usermod -aG cdpoll-spool stranger" in said.stderr
    site.run("systemctl", "stop", "cdpoll")
    assert as_user(site, "mirth", "cdpoll", "record", B).stdout == f"spooled {B}\n"
    site.run("touch", "-d", "25 hours ago", f"{SPOOL}/in/.lane")
    said = as_user(site, "mirth", "cdpoll", "record", A)
    assert said.returncode == 75
    assert "no daemon has taken files" in said.stderr

    # In another place, made by lines like those of the package.
    lines = (site.root / "etc/tmpfiles.d/cdpoll.conf").read_text().splitlines()
    site.put("/etc/tmpfiles.d/own.conf", "\n".join(one.replace(SPOOL, OWN) for one in lines if SPOOL in one) + "\n")
    site.run("systemd-tmpfiles", "--create", "own.conf")
    site.run("sh", "-c", f"mv {SPOOL}/in/record-* {OWN}/in/; rm /etc/tmpfiles.d/own.conf")
    site.put("/etc/cdpoll/conf.d/spool.ini", f"[spool]\npath = {OWN}\nevery = 100ms\n")
    drop_in(site, "cdpoll", f"[Service]\nReadWritePaths={OWN}\n")
    site.run("systemctl", "start", "cdpoll")
    until((site.root / f"{OWN}/in/.lane".lstrip("/")).exists, "a daemon that looks into the spool")
    assert as_user(site, "mirth", "env", f"CDPOLL_SPOOL_PATH={OWN}", "cdpoll", "record", C).returncode == 0
    until_recorded(site, B, C)

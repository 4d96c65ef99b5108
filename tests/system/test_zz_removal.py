"""What `make uninstall` leaves. It is the last of the folder, for nothing is installed behind it."""

import os
import shutil

import pytest

from tests.support.host import Host
from tests.system.service import SOURCE, configure, record

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="a machine of its own needs root"),
    pytest.mark.skipif(shutil.which("systemd-nspawn") is None, reason="the Debian package systemd-container"),
]

MADE = ("/opt/cdpoll", "/usr/bin/cdpoll", "/etc/systemd/system/cdpoll.service", "/usr/local/share/man/man1/cdpoll.1")
LEFT = ("/etc/cdpoll/cdpoll.ini", "/etc/cdpoll/credentials/client_secret", "/var/lib/cdpoll/cdpoll.db")


def test_what_was_installed_goes_and_what_is_the_customers_stays(booted: Host) -> None:
    configure(booted)
    booted.run("systemctl", "enable", "--now", "cdpoll")
    record(booted, "A1")
    for path in (*MADE, *LEFT):
        booted.run("test", "-e", path)
    # As after an upgrade to another Debian.
    [python] = (booted.root / "opt/cdpoll").glob("*/bin/python")
    python.rename(python.with_name("away"))
    done = booted.run("cdpoll", "--version", check=False)
    assert done.returncode == 78
    assert "run make install again" in done.stderr
    booted.run("make", "-C", SOURCE, "uninstall")
    assert booted.shown("cdpoll", "ActiveState") == "inactive"
    assert [path for path in MADE if booted.run("test", "-e", path, check=False).returncode == 0] == []
    for path in LEFT:
        booted.run("test", "-e", path)

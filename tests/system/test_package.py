"""The Debian package, on a machine of its own: installed, upgraded while it runs, removed, purged."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cdpoll_process import ROOT
from tests.support.host import Host, mounted
from tests.system.service import begin_vendor, configure, record, status, until_concluded

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="a machine of its own needs root"),
    pytest.mark.skipif(shutil.which("systemd-nspawn") is None, reason="the Debian package systemd-container"),
]

LIMIT_BYTES = 10_000_000
RUNNING_WITHIN_SECONDS = 30
IN_IT = "/root/cdpoll.deb"


@pytest.fixture(scope="module")
def package() -> Path:
    subprocess.run(["make", "deb"], cwd=ROOT, check=True, capture_output=True)
    [made] = (ROOT / "dist").glob("cdpoll_*.deb")
    return made


@pytest.fixture(scope="module")
def bare(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with mounted(Path(tmp_path_factory.mktemp("bare")) / "here") as found:
        shutil.copy(package, found.root / IN_IT.lstrip("/"))
        found.boot()
        yield found


def bytecode(host: Host) -> list[Path]:
    return list((host.root / "usr/lib/cdpoll").rglob("*.pyc"))


def test_the_package_is_small_and_has_no_bytecode(package: Path) -> None:
    assert package.stat().st_size <= LIMIT_BYTES
    listed = subprocess.run(["dpkg-deb", "-c", package], check=True, capture_output=True, text=True).stdout
    assert "/usr/lib/cdpoll/worker/build.txt" in listed
    assert ".pyc" not in listed


def test_the_life_of_an_installed_package(bare: Host) -> None:
    begun = time.monotonic()
    said = bare.run("apt-get", "install", "-y", IN_IT).stdout
    assert "systemctl enable --now cdpoll" in said
    assert bare.run("systemctl", "is-enabled", "cdpoll", check=False).stdout.strip() == "disabled"
    assert bare.run("stat", "-c", "%a %U %G", "/etc/cdpoll/cdpoll.ini").stdout.split() == ["640", "root", "cdpoll"]
    assert bytecode(bare)
    bare.run("gzip", "-t", "/usr/share/man/man1/cdpoll-record.1.gz")
    # The caller's own packages do not come between.
    bare.put("/tmp/own/click.py", "raise SystemExit('not this one')\n")
    assert "+" in bare.run("env", "PYTHONPATH=/tmp/own", "cdpoll", "--version").stdout

    begin_vendor(bare)
    configure(bare)
    bare.run("systemctl", "enable", "--now", "cdpoll")
    took = time.monotonic() - begun
    print(f"running after {took:.1f} s")
    assert took < RUNNING_WITHIN_SECONDS
    record(bare, "A1")
    until_concluded(bare)
    before = bare.shown("cdpoll", "MainPID")
    concluded = status(bare)["tasks"]["concluded"]

    # An upgrade runs the same scripts; a configuration that was changed stays.
    bare.run("dpkg", "-i", IN_IT)
    assert bare.shown("cdpoll", "ActiveState") == "active"
    assert bare.shown("cdpoll", "MainPID") != before
    assert status(bare)["tasks"]["concluded"] == concluded
    assert "127.0.0.1" in bare.run("cat", "/etc/cdpoll/cdpoll.ini").stdout

    bare.run("systemctl", "stop", "vendor")
    bare.run("apt-get", "remove", "-y", "cdpoll")
    assert bare.shown("cdpoll", "ActiveState") == "inactive"
    assert not (bare.root / "usr/lib/cdpoll").exists()
    bare.run("test", "-e", "/etc/cdpoll/cdpoll.ini")
    said = bare.run("apt-get", "purge", "-y", "cdpoll").stdout
    assert "rm -rf /var/lib/cdpoll" in said
    assert not (bare.root / "etc/cdpoll").exists()
    bare.run("test", "-e", "/var/lib/cdpoll/cdpoll.db")

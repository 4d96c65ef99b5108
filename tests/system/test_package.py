"""The Debian package, on a machine of its own: installed, upgraded while it runs, removed, purged."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cdpoll_process import ROOT
from tests.support.host import Host, mounted
from tests.system.service import SOURCE, begin_vendor, configure, record, status, until_concluded
from worker.store.opening import SCHEMA_VERSION

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.geteuid() != 0, reason="a machine of its own needs root"),
    pytest.mark.skipif(shutil.which("systemd-nspawn") is None, reason="the Debian package systemd-container"),
]

LIMIT_BYTES = 10_000_000
IN_IT = "/root/cdpoll.deb"
LATER = "/root/later.deb"
DATABASE = "/var/lib/cdpoll/cdpoll.db"
FOLDER_OUT = "/var/lib/cdpoll/out"


@pytest.fixture(scope="module")
def package() -> Path:
    subprocess.run(["make", "deb"], cwd=ROOT, check=True, capture_output=True)
    [made] = (ROOT / "dist").glob("cdpoll_*.deb")
    return made


@pytest.fixture(scope="module")
def later(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of a later release, with another schema."""
    folder = tmp_path_factory.mktemp("later")
    subprocess.run(["dpkg-deb", "-R", package, folder / "files"], check=True)
    change(folder / "files/DEBIAN/control", r"^Version: .*", "Version: 999")
    store = folder / "files/usr/lib/cdpoll/worker/store"
    change(store / "opening.py", r"^SCHEMA_VERSION = .*", f"SCHEMA_VERSION = {SCHEMA_VERSION + 1}")
    change(
        store / "schema/migrations.py", r"^STEPS: Steps = {", f"STEPS: Steps = {{{SCHEMA_VERSION + 1}: lambda _: None,"
    )
    made = folder / "later.deb"
    subprocess.run(["dpkg-deb", "-Znone", "-b", folder / "files", made], check=True, capture_output=True)
    return made


def change(file: Path, pattern: str, by: str) -> None:
    text, times = re.subn(pattern, by, file.read_text(), flags=re.MULTILINE)
    assert times == 1
    file.write_text(text)


@pytest.fixture(scope="module")
def bare(package: Path, later: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with mounted(Path(tmp_path_factory.mktemp("bare")) / "here") as found:
        shutil.copy(package, found.root / IN_IT.lstrip("/"))
        shutil.copy(later, found.root / LATER.lstrip("/"))
        found.copy(ROOT, SOURCE)
        # Debian's index of manual pages, which takes longer than all the rest.
        (found.root / "var/lib/man-db/auto-update").unlink(missing_ok=True)
        found.boot()
        yield found


def bytecode(host: Host) -> list[Path]:
    return list((host.root / "usr/lib/cdpoll").rglob("*.pyc"))


def states(host: Host) -> dict[str, list[str]]:
    units = ("cdpoll", "cdpoll-deliver", "cdpoll-callback.socket", "cdpoll-local.socket")
    return {unit: [host.shown(unit, name) for name in ("ActiveState", "UnitFileState")] for unit in units}


def test_the_package_is_small_and_depends_on_neither_time_nor_place(package: Path) -> None:
    assert package.stat().st_size <= LIMIT_BYTES
    listed = subprocess.run(
        ["dpkg-deb", "-c", package], check=True, capture_output=True, text=True, env={"TZ": "UTC", "PATH": "/usr/bin"}
    ).stdout
    assert "/usr/lib/cdpoll/worker/build.txt" in listed
    assert ".pyc" not in listed
    # pip's notes hold the hash of paths of this machine.
    assert "/RECORD" not in listed
    rows = [line.split(maxsplit=5) for line in listed.splitlines()]
    assert {(mode, owner) for mode, owner, *_ in rows} == {
        ("drwxr-xr-x", "root/root"),
        ("-rw-r--r--", "root/root"),
        ("-rwxr-xr-x", "root/root"),
    }
    assert [name for mode, *_, name in rows if mode == "-rwxr-xr-x"] == ["./usr/bin/cdpoll"]
    assert len({(day, time) for _, _, _, day, time, _ in rows}) == 1


def test_it_is_not_installed_over_a_checkout(bare: Host) -> None:
    (bare.root / "opt/cdpoll").mkdir(parents=True)
    done = bare.run("dpkg", "-i", IN_IT, check=False)
    (bare.root / "opt/cdpoll").rmdir()
    assert done.returncode
    assert "Run 'make uninstall' in its checkout" in done.stderr
    assert not (bare.root / "usr/lib/cdpoll").exists()


def test_an_installed_package_runs(bare: Host) -> None:
    begun = time.monotonic()
    said = bare.run("apt-get", "install", "-y", IN_IT).stdout
    assert "systemctl enable --now cdpoll" in said
    assert bare.run("systemctl", "is-enabled", "cdpoll", check=False).stdout.strip() == "disabled"
    assert bare.run("stat", "-c", "%a %U %G", "/etc/cdpoll/cdpoll.ini").stdout.split() == ["640", "root", "cdpoll"]
    assert "\n[spool]\n" in bare.run("cat", "/etc/cdpoll/cdpoll.ini").stdout
    folder = bare.run("stat", "-c", "%a %U %G", "/var/spool/cdpoll/in").stdout.split()
    assert folder == ["3730", "cdpoll", "cdpoll-spool"]
    assert bytecode(bare)
    bare.run("gzip", "-t", "/usr/share/man/man1/cdpoll-record.1.gz")
    # The caller's own packages do not come between.
    bare.put("/tmp/own/click.py", "raise SystemExit('not this one')\n")
    assert "+" in bare.run("env", "PYTHONPATH=/tmp/own", "cdpoll", "--version").stdout

    # A small disk, which can be filled.
    bare.run("mount", "-t", "tmpfs", "-o", "size=6M,mode=2770,uid=cdpoll,gid=cdpoll", "tmpfs", "/var/lib/cdpoll")
    begin_vendor(bare)
    configure(bare)
    bare.run("systemctl", "enable", "--now", "cdpoll")
    # Other tests run beside this one, so it is told and not judged.
    print(f"running after {time.monotonic() - begun:.1f} s")
    record(bare, "A1")
    until_concluded(bare)


def test_an_upgrade_finds_the_services_as_they_were_also_after_a_failed_migration(bare: Host) -> None:
    bare.run("install", "-d", "-o", "cdpoll", "-g", "cdpoll", FOLDER_OUT)
    bare.put("/etc/cdpoll/conf.d/out.ini", f"[deliver.out]\nkind = directory\npath = {FOLDER_OUT}\n")
    bare.run("chmod", "0600", "/etc/cdpoll/cdpoll.ini")
    bare.run("chown", "cdpoll", "/etc/cdpoll/cdpoll.ini")
    bare.run("systemctl", "start", "cdpoll-deliver")
    bare.run("systemctl", "enable", "--now", "cdpoll-callback.socket")
    before, process = states(bare), bare.shown("cdpoll", "MainPID")
    assert before == {
        "cdpoll": ["active", "enabled"],
        "cdpoll-deliver": ["active", "disabled"],
        "cdpoll-callback.socket": ["active", "enabled"],
        "cdpoll-local.socket": ["inactive", "disabled"],
    }
    config = bare.run("cat", "/etc/cdpoll/cdpoll.ini").stdout
    concluded = status(bare)["tasks"]["concluded"]

    bare.run("sh", "-c", "cat /dev/zero >/var/lib/cdpoll/fill", check=False)
    done = bare.run("dpkg", "-i", LATER, check=False)
    assert done.returncode
    assert "dpkg --configure -a" in done.stderr
    assert "disk is full" in done.stderr
    assert {state for state, _ in states(bare).values()} == {"inactive"}
    bare.run("rm", "/var/lib/cdpoll/fill")
    said = bare.run("dpkg", "--configure", "-a").stdout
    assert f"{DATABASE}.schema-{SCHEMA_VERSION}" in said
    bare.run("test", "-e", f"{DATABASE}.schema-{SCHEMA_VERSION}")
    assert states(bare) == before
    assert bare.shown("cdpoll", "MainPID") != process
    assert status(bare)["tasks"]["concluded"] == concluded
    assert bare.run("cat", "/etc/cdpoll/cdpoll.ini").stdout == config
    assert bare.run("stat", "-c", "%a %U", "/etc/cdpoll/cdpoll.ini").stdout.split() == ["600", "cdpoll"]


def test_the_way_back_is_the_copy_and_the_older_package(bare: Host) -> None:
    bare.run("systemctl", "stop", "cdpoll", "cdpoll-deliver")
    bare.run(
        "sh",
        "-c",
        f"cd /var/lib/cdpoll && mkdir newer && mv cdpoll.db cdpoll.db-* newer && "
        f"cp --preserve=all {DATABASE}.schema-{SCHEMA_VERSION} {DATABASE}",
    )
    bare.run("apt-get", "install", "-y", "--allow-downgrades", IN_IT)
    bare.run("systemctl", "start", "cdpoll")
    assert status(bare)["tasks"]["concluded"]


def test_what_make_does_is_refused_where_the_package_is(bare: Host) -> None:
    for target in ("install", "uninstall"):
        done = bare.run("make", "-C", SOURCE, target, check=False)
        assert done.returncode
        assert "the Debian package cdpoll is installed here" in done.stderr
    assert bare.shown("cdpoll", "ActiveState") == "active"


def test_what_was_enabled_runs_again_after_a_removal_and_a_purge_leaves_the_database(bare: Host) -> None:
    bare.run("apt-get", "remove", "-y", "cdpoll")
    assert bare.shown("cdpoll", "ActiveState") == "inactive"
    assert not (bare.root / "usr/lib/cdpoll").exists()
    bare.run("test", "-e", "/etc/cdpoll/cdpoll.ini")
    bare.run("dpkg", "-i", IN_IT)
    assert states(bare)["cdpoll"] == states(bare)["cdpoll-callback.socket"] == ["active", "enabled"]

    bare.run("systemctl", "stop", "vendor")
    said = bare.run("apt-get", "purge", "-y", "cdpoll").stdout
    assert bare.shown("cdpoll", "ActiveState") == "inactive"
    assert "rm -rf /var/lib/cdpoll /var/spool/cdpoll" in said
    bare.run("test", "-e", "/var/spool/cdpoll/in")
    assert not (bare.root / "etc/cdpoll").exists()
    assert not (bare.root / "etc/systemd/system/multi-user.target.wants/cdpoll.service").is_symlink()
    assert not (bare.root / "etc/systemd/system/sockets.target.wants/cdpoll-callback.socket").is_symlink()
    bare.run("test", "-e", DATABASE)

"""The drop-ins of packaging/two-hosts: with them the units are well-formed, and reach a PostgreSQL server."""

import shutil
import subprocess
from pathlib import Path

import pytest

from worker import config

ROOT = Path(__file__).parents[2]
DROP_INS = ROOT / "packaging" / "two-hosts"
SERVICES = sorted((ROOT / "systemd").glob("*.service"))
URL = "LoadCredential=url:/etc/cdpoll/credentials/url"

SERVICE = pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)


def folders(unit: Path) -> list[Path]:
    """Where systemd looks for drop-ins of a unit: by its name, and by each part of it that ends with a dash."""
    parts = unit.stem.split("-")
    names = [unit.stem, *("-".join(parts[:count]) + "-" for count in range(1, len(parts)))]
    return [DROP_INS / f"{name}.service.d" for name in names]


def dropped(unit: Path) -> list[str]:
    return [
        line for folder in folders(unit) for file in folder.glob("*.conf") for line in file.read_text().splitlines()
    ]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="the Debian package systemd is not installed")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    copies = [tmp_path / path.name for path in (ROOT / "systemd").iterdir() if path.is_file()]
    for copy in copies:
        copy.write_text((ROOT / "systemd" / copy.name).read_text().replace("/usr/bin/cdpoll", "/bin/true"))
    for folder in DROP_INS.iterdir():
        shutil.copytree(folder, tmp_path / folder.name)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *copies],
        capture_output=True,
        text=True,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:", "PATH": "/usr/bin:/bin"},
    )
    assert [line for line in (done.stdout + done.stderr).splitlines() if "cdpoll" in line] == []


@SERVICE
def test_each_service_is_handed_the_url_and_starts_after_a_server_on_its_host(unit: Path) -> None:
    lines = dropped(unit)
    assert URL in lines
    assert "After=postgresql.service" in lines


@SERVICE
def test_each_service_may_reach_a_server(unit: Path) -> None:
    """By a Unix socket, IPv4 or IPv6; where a unit shuts out other addresses, a drop-in names that of the server."""
    lines = unit.read_text().splitlines()
    assert "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX" in lines
    shut = "IPAddressDeny=any" in lines
    assert shut == any(line.startswith("IPAddressAllow=") for line in dropped(unit))


def test_each_drop_in_belongs_to_a_service() -> None:
    assert {*DROP_INS.iterdir()} <= {folder for unit in SERVICES for folder in folders(unit)}


def test_the_configuration_takes_the_credential(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://cdpoll:secret@db.example/cdpoll\n")
    file = tmp_path / "cdpoll.ini"
    file.write_text(f"[store]\npath = {tmp_path}/cdpoll.db\nurl = {{credential url}}\ndaemon = east\n")
    server = config.load(str(file), {"CREDENTIALS_DIRECTORY": str(tmp_path)}).store.place.server
    assert server is not None
    assert server.url() == "postgresql://cdpoll:secret@db.example/cdpoll"
    assert URL.startswith("LoadCredential=url:")

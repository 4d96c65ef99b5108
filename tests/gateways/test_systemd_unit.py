"""The systemd unit: it is well-formed, and says what the README and the daemon rely on."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "cdpoll.service"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="the Debian package systemd is not installed")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    # `verify` exits 0 on unknown keys, so any word of it counts; the program is not where the unit wants it.
    copy = tmp_path / "cdpoll.service"
    copy.write_text(UNIT.read_text().replace("/opt/cdpoll/.venv/bin/cdpoll", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "cdpoll" in line]
    assert said == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Type", "notify"),
        ("ExecReload", "kill -HUP $MAINPID"),
        ("User", "cdpoll"),
        ("LoadCredential", "client_secret:/etc/cdpoll/credentials/client_secret"),
        ("SetCredential", "client_secret:\\n"),
        ("LimitCORE", "0"),
        ("Restart", "always"),
        ("SuccessExitStatus", "143"),
        ("NoNewPrivileges", "yes"),
    ],
)
def test_what_is_relied_on(key: str, value: str) -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    assert unit["Service"][key] == value


def test_the_configuration_is_checked_before_the_daemon_is_told_to_reload() -> None:
    """systemd runs the commands in this order, and none behind one that fails."""
    lines = [line for line in UNIT.read_text().splitlines() if line.startswith(("ExecStart=", "ExecReload="))]
    start, check, tell = (line.partition("=")[2] for line in lines)
    assert check == start.removesuffix(" run") + " config check"
    assert tell == "kill -HUP $MAINPID"


def test_the_example_configuration_takes_the_credential_of_the_unit() -> None:
    assert "{credential client_secret}" in (ROOT / "config.example.ini").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stands_in_the_readme(command: str) -> None:
    assert f"`cdpoll {command}" in (ROOT / "README.md").read_text()

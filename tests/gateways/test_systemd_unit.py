"""The systemd unit: it is well-formed, and says what the README and the daemon rely on."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

from cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "cdpoll.service"
UNITS = [UNIT, ROOT / "systemd" / "cdpoll-deliver.service"]
LOCAL = ROOT / "systemd" / "cdpoll-local.service"
CALLBACK = ROOT / "systemd" / "cdpoll-callback.service"

BY_NAME = pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="the Debian package systemd is not installed")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    # `verify` exits 0 on unknown keys, so any word of it counts; the program is not where the units want it.
    sockets = [path.with_suffix(".socket") for path in (LOCAL, CALLBACK)]
    copies = [tmp_path / path.name for path in (*UNITS, LOCAL, CALLBACK, *sockets)]
    for copy in copies:
        copy.write_text((LOCAL.parent / copy.name).read_text().replace("/usr/bin/cdpoll", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *copies], capture_output=True, text=True)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "cdpoll" in line]
    assert said == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="the Debian package systemd is not installed")
@pytest.mark.parametrize(
    ("path", "most"),
    [(UNITS[0], 1.2), (UNITS[1], 1.6), (LOCAL, 1.2), (CALLBACK, 1.2)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_little_is_exposed(path: Path, most: float) -> None:
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={round(most * 10)}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


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
@BY_NAME
def test_what_is_relied_on(path: Path, key: str, value: str) -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(path)
    assert unit["Service"][key] == value


@BY_NAME
def test_the_configuration_is_checked_before_the_daemon_is_told_to_reload(path: Path) -> None:
    """systemd runs the commands in this order, and none behind one that fails."""
    lines = [line for line in path.read_text().splitlines() if line.startswith(("ExecStart=", "ExecReload="))]
    start, check, tell = (line.partition("=")[2] for line in lines)
    assert check == start.rpartition(" ")[0] + " config check"
    assert tell == "kill -HUP $MAINPID"


def test_what_serves_the_callbacks_is_handed_none_of_the_vendors_credentials() -> None:
    lines = CALLBACK.read_text().splitlines()
    handed = [line.partition("=")[2].partition(":")[0] for line in lines if line.startswith("LoadCredential=")]
    assert handed == ["callback-secret", "callback-secret-before"]
    example = (ROOT / "config.example.ini").read_text()
    for name in handed:
        assert f"SetCredential={name}:\\n" in lines
        assert f"{{credential {name}}}" in example


def test_the_example_configuration_takes_the_credential_of_the_unit() -> None:
    assert "{credential client_secret}" in (ROOT / "config.example.ini").read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stands_in_the_readme(command: str) -> None:
    assert f"`cdpoll {command}" in (ROOT / "README.md").read_text()


def test_a_program_of_the_customers_may_make_machine_code_where_results_are_delivered() -> None:
    """Java and Node are killed under the daemon's unit."""
    held = ("MemoryDenyWriteExecute", "NoExecPaths", "MemoryMax")
    keys = {line.partition("=")[0] for line in UNITS[1].read_text().splitlines()}
    assert not keys & {*held}

"""What `cdpoll doctor` finds of owners and modes, as the service's user; only root can work as several users."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.users import User, call_as, let_all_run

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can work as several users")

SERVICE = User(61_001, 61_000)
MEMBER = User(61_002, 61_002, (61_000,))
ROOT = User(0, 0)


class ServiceHost:
    """A state folder of the service's, with a database in it, and a configuration of root's."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state, self.ini = folder, folder / "state", folder / "etc" / "cdpoll.ini"
        folder.chmod(0o755)
        self.ini.parent.mkdir()
        self.ini.write_text(f"[store]\npath = {self.state / 'cdpoll.db'}\nruns = once\n")
        self.ini.chmod(0o640)
        os.chown(self.ini, 0, SERVICE.gid)
        self.state.mkdir()
        os.chown(self.state, SERVICE.uid, SERVICE.gid)
        self.state.chmod(0o2770)
        assert call_as(SERVICE, ["--config", str(self.ini), "record", "a"], folder / "errors") == 0

    def doctor(self, user: User, *words: str) -> list[dict[str, Any]]:
        out, errors = self.folder / "out", self.folder / "errors"
        for path in (out, errors):
            path.unlink(missing_ok=True)
            path.touch()
            path.chmod(0o666)
        code = call_as(user, ["--config", str(self.ini), "doctor", "--json", *words], errors, out)
        assert errors.read_text() == ""
        told = json.loads(out.read_text())
        assert code == (0 if told["ok"] else 1)
        return told["findings"]  # type: ignore[no-any-return]

    def of(self, check: str, user: User = SERVICE) -> list[dict[str, Any]]:
        return [one for one in self.doctor(user) if one["check"] == check]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[ServiceHost]:
    """Below /tmp, for the folders of pytest are root's alone."""
    made = Path(tempfile.mkdtemp())
    let_all_run(made, monkeypatch)
    yield ServiceHost(made)
    shutil.rmtree(made)


def test_what_is_right_for_the_service_and_for_root_who_becomes_it(machine: ServiceHost) -> None:
    for user in (SERVICE, ROOT):
        (told,) = machine.of("files", user)
        assert told["level"] == "OK"
        assert "right for uid 61001: " in told["words"]


def test_a_member_of_the_group_is_told_to_look_as_the_service(machine: ServiceHost) -> None:
    first = machine.of("configuration", MEMBER)[0]
    assert first["level"] == "WARN"
    assert "read as uid 61002, and the service runs as uid 61001" in first["words"]
    assert first["cure"].startswith("run it as root")


@pytest.mark.parametrize("name", ["cdpoll.db", "cdpoll.db.lock", "cdpoll.db-journal", "quarantine", "quarantine/x"])
def test_a_file_of_root_in_the_state_folder(machine: ServiceHost, name: str) -> None:
    path = machine.state / name
    if name.startswith("quarantine"):
        path.parent.mkdir(exist_ok=True)
        os.chown(path.parent, SERVICE.uid, SERVICE.gid)
        path.parent.chmod(0o2770)
    if name == "quarantine":
        path.mkdir(mode=0o700)
    else:
        path.touch()
    os.chown(path, 0, 0)
    path.chmod(0o700 if name == "quarantine" else 0o600)
    told = machine.of("files", ROOT)
    assert [one["level"] for one in told] == ["FAIL"]
    assert f"{path} belongs to root:root" in told[0]["words"]
    assert f"chown --reference={path.parent} {path}" in told[0]["cure"]
    assert machine.doctor(SERVICE)


def test_a_configuration_that_the_service_may_not_read(machine: ServiceHost) -> None:
    machine.ini.chmod(0o600)
    told = machine.of("configuration")
    assert [one["level"] for one in told] == ["FAIL"]
    assert "cannot be read (permission denied)" in told[0]["words"]


def test_a_state_folder_that_is_shut(machine: ServiceHost) -> None:
    os.chown(machine.state, 0, 0)
    machine.state.chmod(0o700)
    assert {one["check"] for one in machine.doctor(SERVICE) if one["level"] == "FAIL"} >= {"files", "database"}


def test_a_state_folder_in_which_nothing_can_be_made(machine: ServiceHost) -> None:
    machine.state.chmod(0o2550)
    (told,) = machine.of("files")
    assert told["level"] == "FAIL"
    assert told["cure"] == f"as root: chmod ug+rwX {machine.state}"


@pytest.mark.parametrize("key", ["client_secret", "key_file"])
def test_what_every_user_may_read(machine: ServiceHost, key: str) -> None:
    secret = machine.ini.parent / "secret"
    secret.write_text("s")
    os.chown(secret, 0, SERVICE.gid)
    section = (
        f"[api]\nbase_url = https://127.0.0.1:9/rcm/eligibility/v1\nclient_id = c\nclient_secret = {{file {secret}}}\n"
    )
    if key == "key_file":
        section = f"[sftp]\nhost = 127.0.0.1\nport = 9\nusername = u\ninclude = *.x12\nkey_file = {secret}\n"
    with machine.ini.open("a") as file:
        file.write(section)
    secret.chmod(0o640)
    assert [one["level"] for one in machine.of("files")] == ["OK"]
    secret.chmod(0o644)
    (told,) = machine.of("files")
    assert (told["level"], told["cure"]) == ("FAIL", f"chmod o-rwx {secret}")
    # Where others cannot come to it, its mode lets none in.
    machine.ini.parent.chmod(0o750)
    os.chown(machine.ini.parent, 0, SERVICE.gid)
    assert [one["level"] for one in machine.of("files")] == ["OK"]


def test_a_database_that_every_user_may_read(machine: ServiceHost) -> None:
    (machine.state / "cdpoll.db").chmod(0o664)
    assert [one["level"] for one in machine.of("files")] == ["OK"]
    machine.state.chmod(0o2775)
    (told,) = machine.of("files")
    assert (told["level"], "every user of this machine may read" in told["words"]) == ("FAIL", True)


def test_what_every_user_may_write(machine: ServiceHost) -> None:
    machine.ini.chmod(0o646)
    (told,) = machine.of("files")
    assert (told["level"], told["cure"]) == ("FAIL", f"chmod o-w {machine.ini}")


def test_a_configuration_of_another_user(machine: ServiceHost) -> None:
    os.chown(machine.ini, MEMBER.uid, SERVICE.gid)
    (told,) = machine.of("files")
    assert (told["level"], "uid 61002, who can change what the service does" in told["words"]) == ("WARN", True)


def test_many_files_are_not_many_lines(machine: ServiceHost) -> None:
    for n in range(9):
        path = machine.state / f"cdpoll.db.cursor-{n}"
        path.touch(0o600)
        os.chown(path, 0, 0)
    told = machine.of("files")
    assert len(told) == 6
    assert told[-1]["words"].startswith("4 further files")


def test_a_state_folder_that_its_owner_cannot_enter(machine: ServiceHost) -> None:
    machine.state.chmod(0)
    told = machine.doctor(SERVICE)
    assert not [one for one in told if "a fault in cdpoll" in one["words"]]
    cures = {one["cure"] for one in told if one["check"] in ("configuration", "files") and one["level"] == "FAIL"}
    assert cures == {f"as root: chmod ug+rwX {machine.state}"}
    (said,) = [one for one in told if one["check"] == "database"]
    assert f"chmod ug+rwX {machine.state}" in said["cure"]

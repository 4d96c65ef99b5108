"""The service, a member of its group and root use one state folder, each of them first.

Who comes first makes the files. With a narrow umask he would lock out the others, for good.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.users import User, call_as, let_all_run

SHARED_GID = 61_000
USERS = {
    "service": User(61_001, SHARED_GID, (), 0o022),
    "member": User(61_002, 61_002, (SHARED_GID,), 0o077),
    "root": User(0, 0, (), 0o022),
}

# The third finds what the second found.
ORDERS = [("service", "member", "root"), ("member", "root", "service"), ("root", "service", "member")]

# The command, and the exit codes of one that has done its work: the vendor cannot be reached, the file is no batch.
COMMANDS = {
    "record": (("record", "id-{number}"), {0}),
    "run": (("run", "--once"), {0, 69}),
    "ingest": (("ingest", "{bad}"), {1}),
    "status": (("status", "--json"), {0}),
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can work as several users")


class Office:
    """A state folder as the unit makes it, with a configuration that all may read."""

    def __init__(self, folder: Path, mode: int) -> None:
        self.state, self.ini, self.errors = folder / "state", folder / "cdpoll.ini", folder / "errors"
        self._numbers = itertools.count()
        self.state.mkdir()
        os.chown(self.state, USERS["service"].uid, SHARED_GID)
        self.state.chmod(mode)
        self.ini.write_text(
            f"[store]\npath = {self.state}/cdpoll.db\n"
            "[api]\nbase_url = http://127.0.0.1:9/v1\nclient_id = c\nclient_secret = {env CDPOLL_TEST_SECRET}\n"
        )
        self.ini.chmod(0o644)
        folder.chmod(0o755)

    def call(self, name: str, command: str) -> int:
        """Run a command as a user; its exit code."""
        words, _ = COMMANDS[command]
        bad = self.ini.with_name(f"bad-{name}.x12")
        number = next(self._numbers)
        bad.write_text(f"no batch: {number}")
        bad.chmod(0o644)
        arguments = ["--config", str(self.ini), *(word.format(number=number, bad=bad) for word in words)]
        return call_as(USERS[name], arguments, self.errors, CDPOLL_TEST_SECRET="s")


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Below /tmp, for the folders of pytest are root's alone, and so may be the one that holds the program."""
    made = Path(tempfile.mkdtemp())
    let_all_run(made, monkeypatch)
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("first", COMMANDS)
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_in_a_shared_folder_each_can_come_first_with_anything(folder: Path, order: tuple[str, ...], first: str) -> None:
    office = Office(folder, 0o2770)
    office.call(order[0], first)
    codes = {(name, command): office.call(name, command) for name in order for command in COMMANDS}
    assert [key for key, code in codes.items() if code not in COMMANDS[key[1]][1]] == []
    for found in office.state.rglob("*"):
        about = found.stat()
        assert about.st_gid == SHARED_GID, found.name
        assert about.st_mode & 0o007 == 0, found.name
        assert about.st_mode & 0o060 == 0o060, found.name


def test_in_a_private_folder_root_works_as_its_owner_and_no_one_else_gets_in(folder: Path) -> None:
    office = Office(folder, 0o700)
    assert office.call("root", "record") == 0
    assert office.call("root", "ingest") == 1
    assert office.call("service", "record") == 0
    assert office.call("service", "ingest") == 1
    assert office.call("member", "record") == 74
    assert {found.stat().st_uid for found in office.state.rglob("*")} == {USERS["service"].uid}
    assert {found.stat().st_mode & 0o077 for found in office.state.rglob("*")} == {0}


# What was made by root with a narrow umask, and the commands that cannot do without it.
LOCKED = {
    "cdpoll.db": {"record", "run", "ingest", "status"},
    "cdpoll.db-journal": {"record", "run", "ingest"},
    "cdpoll.db.marker": {"record", "run", "ingest", "status"},
    "cdpoll.db.lock": {"run"},
    "cdpoll.db.ingest-file": {"ingest"},
    "cdpoll.db.queue": set(),
    "cdpoll.db.writer": set(),
    "quarantine": {"ingest"},
}


@pytest.mark.parametrize("name", LOCKED)
def test_what_cannot_be_used_is_named_with_owner_mode_and_cure_and_stops_only_what_needs_it(
    folder: Path, name: str
) -> None:
    office = Office(folder, 0o2770)
    for command in COMMANDS:
        assert office.call("service", command) in COMMANDS[command][1]
    locked = office.state / name
    mode = 0o700 if locked.is_dir() else 0o600
    os.chown(locked, 0, 0)
    locked.chmod(mode)
    stopped = set()
    for command in COMMANDS:
        code = office.call("service", command)
        if code in COMMANDS[command][1]:
            continue
        stopped.add(command)
        said = office.errors.read_text()
        assert (code, f"{locked} belongs to root:" in said, f"with mode {mode:04o}" in said) == (74, True, True), said
        assert f"chown --reference={office.state} {locked}" in said
    assert stopped == LOCKED[name]
    shutil.chown(locked, USERS["service"].uid, SHARED_GID)
    locked.chmod(mode | 0o60)
    assert all(office.call("service", command) in codes for command, (_, codes) in COMMANDS.items())

"""What `cdpoll doctor` finds at an SFTP server: a real one, with each failure made there."""

import os
import pwd
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.doctor.drop import DropChecks
from cli.doctor.finding import Finding
from tests.cli.doctor.looking import doctor
from tests.cli.test_ingest_command import configure
from tests.support.bent_sftp import Bend, BentDrop
from tests.support.cdpoll_process import House
from tests.support.sshd import IS_ROOT, ME, Account, Sshd, account_with_password, keygen, known_line, sshd
from worker.clock import Clock
from worker.config import load
from worker.gateways.sftp.inspection import ENTER, READ, WRITE, inspecting, may
from worker.gateways.sftp.packets import Attributes

BEHIND_LOGIN = {"sftp_list", "sftp_read"}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def once(house: House, server: Sshd, **keys: str) -> None:
    configure(house, server, **keys)
    house.config.write_text(house.config.read_text().replace("[store]", "[store]\nruns = once"))


def test_a_server_that_is_well(house: House, server: Sshd) -> None:
    server.put("a.x12")
    server.put("b.835")
    once(house, server)
    found = doctor(house)
    assert (found.failed, found.not_checked) == (set(), set())
    assert "curve25519" in found.one("sftp_algorithms")["words"] or "mlkem" in found.one("sftp_algorithms")["words"]
    assert "aes" in found.one("sftp_algorithms")["words"]
    assert "ssh-ed25519 SHA256:" in found.one("sftp_host_key")["words"]
    assert found.one("sftp_login")["words"] == f"{ME} is let in"
    assert found.one("sftp_list")["words"] == f"1 file for us in {server.drop}, 1 of others"
    assert (found.picture["requests"], found.picture["logins"]) == (0, 1)
    assert sorted(path.name for path in server.drop.iterdir()) == ["a.x12", "b.835"]


@pytest.mark.parametrize("after", ["leave", "delete", "move"])
def test_no_file_is_opened_moved_or_removed(tmp_path: Path, bend: Bend, after: str) -> None:
    drop = BentDrop({"a.x12": b"ISA*", "b.835": b"ISA*"})
    keys = bend(drop).keys() | {"sftp_after": after, "sftp_move_to": "/done" if after == "move" else ""}
    found = doctor(House(tmp_path, store_runs="once", **keys))
    assert found.one("sftp_list")["level"] == "OK"
    assert {what for what, _ in drop.asked} <= {"opendir", "readdir", "close", "lstat", "stat"}
    # Of what is not meant for us nothing is asked.
    assert "b.835" not in {name for _, name in drop.asked}
    assert (drop.files["a.x12"].opens, drop.logins) == (0, 1)


def test_a_host_that_is_not_known(house: House, server: Sshd) -> None:
    once(house, server, host="sftp.invalid")
    found = doctor(house)
    assert found.failed == {"sftp_dns"}
    told = found.one("sftp_dns")
    # Which of them it is depends on the name servers of the machine that runs the test.
    assert (told["words"], told["cure"]) in (
        ("sftp.invalid: the host name is not known", "check host under [sftp], and this machine's name servers"),
        (
            "sftp.invalid: no name server answers this machine",
            "check /etc/resolv.conf and the network of this machine",
        ),
    )
    assert {"sftp_connect", "sftp_login", *BEHIND_LOGIN} <= found.not_checked
    assert found.picture["logins"] == 0


def test_a_port_on_which_no_server_listens(house: House, server: Sshd) -> None:
    once(house, server, port="9")
    (house.folder / "hosts").write_text(known_line("127.0.0.1", 9, server.host_key.with_suffix(".pub")))
    found = doctor(house)
    assert found.failed == {"sftp_connect"}
    assert "refuses connections" in found.one("sftp_connect")["words"]
    assert {"sftp_algorithms", "sftp_host_key", "sftp_login", *BEHIND_LOGIN} == found.not_checked


@pytest.mark.parametrize("on_file", ["none", "another", "revoked"])
def test_the_host_key(house: House, server: Sshd, on_file: str) -> None:
    other = keygen(house.folder / "other").with_suffix(".pub")
    own = known_line("127.0.0.1", server.port, server.host_key.with_suffix(".pub"))
    lines = {"none": "", "another": known_line("127.0.0.1", server.port, other), "revoked": f"@revoked {own}"}
    (house.folder / "hosts").write_text(lines[on_file])
    once(house, server, known_hosts=str(house.folder / "hosts"))
    found = doctor(house)
    assert found.failed == {"sftp_host_key"}
    assert found.one("sftp_algorithms")["level"] == "OK"
    assert found.not_checked == {"sftp_login", *BEHIND_LOGIN}
    assert ("ssh-keyscan" in found.one("sftp_host_key")["cure"]) == (on_file != "revoked")


def test_no_algorithm_in_common(house: House, tmp_path: Path) -> None:
    with sshd(tmp_path / "server", "Ciphers aes128-cbc") as server:
        once(house, server)
        found = doctor(house)
    assert found.failed == {"sftp_algorithms"}
    assert "which offers aes128-cbc" in found.one("sftp_algorithms")["words"]
    assert "algorithms under [sftp]" in found.one("sftp_algorithms")["cure"]
    assert found.one("sftp_connect")["level"] == "OK"


def test_a_key_that_the_server_does_not_know(house: House, server: Sshd) -> None:
    once(house, server, key_file=str(keygen(house.folder / "stranger")))
    found = doctor(house)
    assert found.failed == {"sftp_login"}
    assert "is this key registered there: SHA256:" in found.one("sftp_login")["cure"]
    assert found.not_checked == BEHIND_LOGIN


def test_files_of_ours_that_cannot_be_used(house: House, server: Sshd) -> None:
    once(house, server, key_file=str(house.folder / "nowhere"))
    found = doctor(house)
    assert found.failed == {"configuration", "sftp_login"}
    assert found.not_checked == {"sftp_connect", "sftp_algorithms", "sftp_host_key", *BEHIND_LOGIN}
    assert found.picture["logins"] == 0
    once(house, server, known_hosts=str(house.folder / "nowhere"))
    assert doctor(house).failed == {"configuration", "sftp_host_key"}


def test_folders_that_are_not_there(house: House, server: Sshd) -> None:
    once(house, server, drop=str(server.folder / "nowhere"))
    found = doctor(house)
    assert found.failed == {"sftp_list"}
    assert "has no folder" in found.one("sftp_list")["words"]
    once(house, server, after="move", move_to="nowhere", archive="nowhere-either")
    found = doctor(house)
    assert found.failed == {"sftp_move", "sftp_archive"}
    assert "move_to" in found.one("sftp_move")["cure"]
    assert "nowhere-either" in found.one("sftp_archive")["words"]


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    if not IS_ROOT:
        pytest.skip("only root can make a user for the server")
    with account_with_password() as made:
        yield made


@pytest.fixture
def shared(tmp_path: Path, account: Account) -> Iterator[Sshd]:
    """A server whose logins begin in a folder that belongs to the user."""
    begin = Path(tempfile.mkdtemp(prefix="cdpoll-test-", dir="/run"))
    try:
        os.chown(begin, pwd.getpwnam(account.name).pw_uid, -1)
        begin.chmod(0o755)
        (begin / "outbound").mkdir()
        options = ("PasswordAuthentication yes",)
        with sshd(tmp_path / "server", *options, drop=begin / "outbound", begin=begin) as server:
            (tmp_path / "password").write_text(account.password)
            (tmp_path / "password").chmod(0o600)
            yield server
    finally:
        shutil.rmtree(begin)


def test_rights_that_the_server_does_not_give(house: House, shared: Sshd, account: Account, tmp_path: Path) -> None:
    keys = {
        "username": account.name,
        "password": f"{{file {tmp_path / 'password'}}}",
        "key_file": "",
        "drop": "outbound",
        "after": "delete",
    }

    def look() -> tuple[set[str], set[str]]:
        once(house, shared, **keys)
        text = "\n".join(line for line in house.config.read_text().splitlines() if not line.endswith("= "))
        house.config.write_text(text + "\n")
        found = doctor(house)
        return found.failed, found.not_checked

    file = shared.put("a.x12")
    for mode in (0o777, 0o775):
        shared.drop.chmod(mode)
        # The folder is root's: of its group it cannot be told whether the user is in it.
        assert look() == (set(), set() if mode == 0o777 else {"sftp_delete"})
    shared.drop.chmod(0o755)
    assert look() == ({"sftp_delete"}, set())
    file.chmod(0o600)
    assert look() == ({"sftp_read", "sftp_delete"}, set())
    file.chmod(0o640)
    assert look() == ({"sftp_delete"}, {"sftp_read"})
    shared.drop.chmod(0o700)
    assert look()[0] == {"sftp_list"}


def test_what_a_mode_tells() -> None:
    def told(mode: int | None, owner: int | None = 0) -> Attributes:
        return Attributes(None, mode, None, owner)

    assert may(told(0o000), 0, READ) is True
    assert may(told(None), 7, READ) is None
    assert may(told(0o444), None, READ) is True
    assert may(told(0o000), None, READ) is False
    assert may(told(0o400, 7), 7, READ) is True
    assert may(told(0o044, 7), 7, READ) is False
    assert may(told(0o400, 7), 8, READ) is False
    assert may(told(0o440, 7), 8, READ) is None
    assert may(told(0o755, 7), 7, WRITE | ENTER) is True
    assert may(told(0o766, 7), 8, WRITE | ENTER) is False


def test_a_refused_login_is_not_tried_again_by_a_script(house: House, server: Sshd) -> None:
    once(house, server, key_file=str(keygen(house.folder / "stranger")))
    house.cdpoll("ingest", check=77)
    found = doctor(house)
    assert found.picture["logins"] == 0
    assert {"sftp_connect", "sftp_login", *BEHIND_LOGIN} <= found.not_checked
    assert "the next attempt is at 2" in found.one("sftp_login")["words"]


def checked(house: House, server: Sshd, monkeypatch: pytest.MonkeyPatch, step_ms: int = 300) -> dict[str, Finding]:
    monkeypatch.setattr("cli.doctor.drop.STEP_MS", step_ms)
    config = load(str(house.config), {})
    assert config.sftp is not None
    return {one.check: one for one in DropChecks(config, config.sftp, Clock(), store_known=True).checks()}


def test_a_server_that_says_nothing(house: House, server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        once(house, server, port=str(port))
        with server.known_hosts.open("a") as file:
            file.write(known_line("127.0.0.1", port, server.host_key.with_suffix(".pub")))
        found = checked(house, server, monkeypatch)
    assert (found["sftp_connect"].level, "was silent" in found["sftp_connect"].words) == ("FAIL", True)
    assert found["sftp_list"].words.startswith("not checked: ")


def test_a_connection_is_ended_whatever_comes(server: Sshd) -> None:
    before = threading.active_count()
    with inspecting(server.settings(), Clock(), threading.Event(), 5_000) as there:
        assert there.folder(str(server.drop)) is not None
        assert there.folder(str(server.drop / "nowhere")) is None
        assert there.our_number() in (0, os.geteuid())
    assert threading.active_count() <= before

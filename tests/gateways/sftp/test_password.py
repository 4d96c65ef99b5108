"""Logging in with a password, or with a key and then a password, and no other question answered.

OpenSSH asks questions (keyboard-interactive) only through PAM, and takes passwords only from the machine's own file,
which root alone can write: for those tests the server is paramiko's, for passwords OpenSSH too where root runs them.
"""

import base64
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import paramiko
import pytest

from tests.support.sshd import (
    IS_ROOT,
    PASSWORD,
    Account,
    account_with_password,
    failure,
    keygen,
    known_line,
    names,
    sshd,
)
from worker.gateways.sftp.drop import Server, SftpFailed


class Taking(paramiko.ServerInterface):
    """One connection to a server that takes a password, or a key and then a password."""

    def __init__(self, account: Account, key: bytes, *, both: bool) -> None:
        self._account, self._key, self._both = account, key, both
        self._proved = not both

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password" if not self._both else "password" if self._proved else "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        if not self._both or key.asbytes() != self._key:
            return paramiko.common.AUTH_FAILED
        self._proved = True
        return paramiko.common.AUTH_PARTIALLY_SUCCESSFUL

    def check_auth_password(self, username: str, password: str) -> int:
        good = self._proved and (username, password) == (self._account.name, self._account.password)
        return paramiko.common.AUTH_SUCCESSFUL if good else paramiko.common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED


class NoFiles(paramiko.SFTPServerInterface):
    """A folder without files."""

    def list_folder(self, path: str) -> list[paramiko.SFTPAttributes]:
        return []


@dataclass(frozen=True)
class Login:
    """A server that takes passwords, how to log in there with everything that is right, and who that is."""

    server: Server
    account: Account


@contextmanager
def openssh(folder: Path, *, both: bool) -> Iterator[Login]:
    with account_with_password() as account:
        # The other user may not look into the folders of the tests.
        keys = f"AuthorizedKeysCommand /bin/cat {folder}/sshd/authorized_keys"
        options = ["AuthenticationMethods publickey,password", keys, "AuthorizedKeysCommandUser root"]
        with sshd(folder / "sshd", *(options if both else ["PasswordAuthentication yes"])) as server:
            password = account.password
            key = server.key if both else None
            yield Login(server.server(username=account.name, password=lambda: password, key_file=key), account)


@contextmanager
def in_paramiko(folder: Path, *, both: bool) -> Iterator[Login]:
    account = Account("me", "battery staple")
    key = keygen(folder / "key")
    public = base64.b64decode(key.with_suffix(".pub").read_text().split()[1])
    with asking_server(lambda: Taking(account, public, both=both), folder, NoFiles) as server:
        proofs = replace(server, password=lambda: account.password, key_file=key if both else None)
        yield Login(proofs, account)


# OpenSSH takes a password only from the system's own file, which only root can write.
SERVERS = [in_paramiko] + [openssh] * IS_ROOT


@pytest.mark.parametrize("taking", SERVERS)
def test_a_password(tmp_path: Path, taking: Callable[..., AbstractContextManager[Login]]) -> None:
    with taking(tmp_path, both=False) as login:
        server, account = login.server, login.account
        assert names(server) == []
        failed = failure(replace(server, password=lambda: PASSWORD))
        assert (failed.code, failed.as_error().exit_code) == ("auth", 77)
        assert f"refused {account.name} with the password" in failed.message
        # A key that is refused does not keep the password from being tried.
        assert names(replace(server, key_file=keygen(tmp_path / "other"))) == []


@pytest.mark.parametrize("taking", SERVERS)
def test_a_key_and_a_password_in_sequence(tmp_path: Path, taking: Callable[..., AbstractContextManager[Login]]) -> None:
    with taking(tmp_path, both=True) as login:
        server = login.server
        assert names(server) == []
        failed = failure(replace(server, password=None))
        assert (failed.code, failed.as_error().exit_code) == ("auth_partial", 77)
        assert "accepted the key, and also wants: password" in failed.message
        assert "set password under [sftp]" in failed.hint
        failed = failure(replace(server, password=lambda: PASSWORD))
        assert failed.code == "auth"
        assert "accepted the key, but refused" in failed.message
        failed = failure(replace(server, key_file=None))
        assert "takes publickey; configured is a password" in failed.message


class Asking(paramiko.ServerInterface):
    """Asks this many questions, one after the other, in place of taking a password."""

    def __init__(self, questions: list[tuple[str, bool]]) -> None:
        self._questions = questions
        self.answers: list[str] = []

    def get_allowed_auths(self, username: str) -> str:
        return "keyboard-interactive"

    def check_auth_interactive(self, username: str, submethods: str) -> paramiko.server.InteractiveQuery:
        return self._ask()

    def check_auth_interactive_response(self, responses: list[str]) -> int | paramiko.server.InteractiveQuery:
        self.answers += responses
        if len(self.answers) < len(self._questions):
            return self._ask()
        return paramiko.common.AUTH_SUCCESSFUL if set(self.answers) == {PASSWORD} else paramiko.common.AUTH_FAILED

    def _ask(self) -> paramiko.server.InteractiveQuery:
        query = paramiko.server.InteractiveQuery("", "")
        query.add_prompt(*self._questions[len(self.answers)])
        return query

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED


@contextmanager
def asking_server(
    make: Callable[[], paramiko.ServerInterface],
    tmp_path: Path,
    files: type[paramiko.SFTPServerInterface] = paramiko.SFTPServerInterface,
) -> Iterator[Server]:
    """paramiko's server; ``make`` makes the part that decides, anew for each connection."""
    host_key = keygen(tmp_path / "asking")
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    transports = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                transport = paramiko.Transport(client)
                transports.append(transport)
                transport.add_server_key(paramiko.Ed25519Key.from_private_key_file(str(host_key)))
                transport.set_subsystem_handler("sftp", paramiko.SFTPServer, files)
                transport.start_server(threading.Event(), make())

    thread = threading.Thread(target=serve)
    thread.start()
    known = tmp_path / "known_hosts"
    known.write_text(known_line("127.0.0.1", port, host_key.with_suffix(".pub")))
    try:
        yield Server("127.0.0.1", port, "me", known, password=lambda: PASSWORD)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()
        for transport in transports:
            transport.close()
            transport.packetizer.complete_handshake()
            transport.join()


@pytest.mark.parametrize("takes", ["password", "keyboard-interactive", "password,keyboard-interactive"])
def test_a_password_is_sent_once(tmp_path: Path, takes: str) -> None:
    sent: list[str] = []

    class Counting(Asking):
        def get_allowed_auths(self, username: str) -> str:
            return takes

        def check_auth_password(self, username: str, password: str) -> int:
            sent.append("password")
            return paramiko.common.AUTH_FAILED

        def check_auth_interactive_response(self, responses: list[str]) -> int | paramiko.server.InteractiveQuery:
            sent.append("answer")
            return paramiko.common.AUTH_FAILED

    with asking_server(lambda: Counting([("Password: ", False)]), tmp_path) as server:
        found = failure(server)
    assert (found.code, found.after_proof) == ("auth", True)
    assert sent == ["answer" if takes == "keyboard-interactive" else "password"]


def test_a_server_that_asks_for_the_password_as_a_question(tmp_path: Path) -> None:
    with asking_server(lambda: Asking([("Password: ", False)]), tmp_path) as server:
        with pytest.raises(SftpFailed) as caught:
            names(server)
        assert caught.value.code == "refused"  # logged in: there is no folder behind it


@pytest.mark.parametrize(
    ("questions", "answers"),
    [
        ([("Password: ", False), ("One-time code: ", False)], [PASSWORD, ""]),
        ([("Your name: ", True)], [""]),
    ],
)
def test_the_password_answers_no_other_question(
    tmp_path: Path, questions: list[tuple[str, bool]], answers: list[str]
) -> None:
    asking = Asking(questions)
    with asking_server(lambda: asking, tmp_path) as server:
        with pytest.raises(SftpFailed) as caught:
            names(server)
        assert caught.value.code == "auth"
        assert "for more than a password" in caught.value.message
    assert asking.answers == answers

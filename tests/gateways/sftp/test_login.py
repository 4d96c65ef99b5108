"""Logging in at a real OpenSSH server, and every way in which that fails: each its own code, line and hint."""

import base64
import contextlib
import logging
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
import pytest

from tests.support.sshd import ME, PASSWORD, Sshd, failure, keygen, known_line, names, sshd
from worker.core import ssh
from worker.gateways.sftp.drop import Server
from worker.gateways.sftp.known_hosts import on_file


@pytest.fixture(autouse=True)
def _with_a_file(server: Sshd) -> None:
    server.put("a.x12")


def fingerprint_of(public: Path) -> str:
    told = subprocess.run(["ssh-keygen", "-l", "-f", str(public)], capture_output=True, text=True, check=True).stdout
    return told.split()[1]


# --- our key ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "more", "passphrase"),
    [
        ("ed25519", [], ""),
        ("ed25519", [], "open sesame"),
        ("ecdsa", ["-b", "384"], ""),
        ("rsa", ["-b", "2048"], ""),
        ("rsa", ["-b", "2048", "-m", "PEM"], "open sesame"),
        ("ecdsa", ["-b", "256", "-m", "PKCS8"], "open sesame"),
        ("rsa", ["-b", "2048", "-m", "PKCS8"], ""),
    ],
)
def test_keys_of_every_usual_form(server: Sshd, tmp_path: Path, kind: str, more: list[str], passphrase: str) -> None:
    key = keygen(tmp_path / "key", kind, *more, passphrase=passphrase)
    authorized = server.folder / "authorized_keys"
    before = authorized.read_text()
    authorized.write_text(before + key.with_suffix(".pub").read_text())
    try:
        login = server.server(key_file=key, passphrase=(lambda: passphrase) if passphrase else None)
        assert names(login, str(server.drop)) == [b"a.x12"]
    finally:
        authorized.write_text(before)


def test_a_passphrase_that_is_not_needed_is_not_asked_for(server: Sshd) -> None:
    def never() -> str:
        raise AssertionError

    assert names(server.server(passphrase=never), str(server.drop)) == [b"a.x12"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "cannot be read (no such file or directory)"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\n", "is a key of PuTTY's"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me\n", "is the public half of a key"),
        ("hello\n", "is not a private key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "holds a damaged key"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "holds a damaged key"),
    ],
)
def test_a_key_that_cannot_be_used(server: Sshd, tmp_path: Path, content: str | None, what: str) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.write_text(content)
    failed = failure(server.server(key_file=key))
    assert failed.code == "key_file"
    assert failed.message.startswith(f"the key {key} {what}")
    assert failed.as_error().exit_code == 78


@pytest.mark.parametrize("form", [[], ["-m", "PEM"]])
def test_a_passphrase_that_is_missing_or_wrong(server: Sshd, tmp_path: Path, form: list[str]) -> None:
    key = keygen(tmp_path / "key", "rsa", "-b", "2048", *form, passphrase="open sesame")
    assert "has a passphrase" in failure(server.server(key_file=key)).message
    failed = failure(server.server(key_file=key, passphrase=lambda: PASSWORD))
    assert "cannot be decrypted" in failed.message
    assert "key_passphrase" in failed.hint


def test_a_key_that_is_not_registered(server: Sshd, tmp_path: Path) -> None:
    key = keygen(tmp_path / "key", "rsa", "-b", "2048")
    failed = failure(server.server(key_file=key))
    assert (failed.code, failed.as_error().exit_code) == ("auth", 77)
    assert f"refused {ME} with the key" in failed.message
    assert fingerprint_of(key.with_suffix(".pub")) in failed.hint
    assert "SHA-1" in failed.hint


# --- the server's key ------------------------------------------------------------------------------------------------


def test_an_unknown_host_is_refused_with_its_fingerprint_and_the_cure(server: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(known_line("127.0.0.1", server.port + 1, server.host_key.with_suffix(".pub")))
    failed = failure(server.server(known_hosts=known))
    assert (failed.code, failed.as_error().exit_code) == ("host_key_unknown", 78)
    assert fingerprint_of(server.host_key.with_suffix(".pub")) in failed.message
    assert f"ssh-keyscan -p {server.port} 127.0.0.1 >> {known}" in failed.hint


def test_the_command_of_the_hint_is_the_cure(server: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.touch()
    command = failure(server.server(known_hosts=known)).hint.partition("then: ")[2]
    subprocess.run(command, shell=True, check=True, stderr=subprocess.DEVNULL)
    assert names(server.server(known_hosts=known), str(server.drop)) == [b"a.x12"]
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    assert "127.0.0.1" not in known.read_text()
    assert names(server.server(known_hosts=known), str(server.drop)) == [b"a.x12"]


def test_a_changed_key_is_refused_and_a_rotation_is_not(server: Sshd, tmp_path: Path) -> None:
    other = keygen(tmp_path / "other").with_suffix(".pub")
    known = tmp_path / "known_hosts"
    known.write_text(known_line("127.0.0.1", server.port, other))
    failed = failure(server.server(known_hosts=known))
    assert failed.code == "host_key_changed"
    assert fingerprint_of(server.host_key.with_suffix(".pub")) in failed.message
    assert fingerprint_of(other) in failed.message
    with known.open("a") as file:
        file.write(known_line("127.0.0.1", server.port, server.host_key.with_suffix(".pub")))
    assert names(server.server(known_hosts=known), str(server.drop)) == [b"a.x12"]


def test_a_revoked_key_is_refused(server: Sshd, tmp_path: Path) -> None:
    line = known_line("127.0.0.1", server.port, server.host_key.with_suffix(".pub"))
    known = tmp_path / "known_hosts"
    known.write_text(line + "@revoked " + line)
    failed = failure(server.server(known_hosts=known))
    assert failed.code == "host_key_revoked"
    assert "do not connect" in failed.hint


def test_known_hosts_that_is_not_there(server: Sshd, tmp_path: Path) -> None:
    failed = failure(server.server(known_hosts=tmp_path / "none"))
    assert (failed.code, failed.as_error().exit_code) == ("known_hosts", 78)
    assert "ssh-keyscan" in failed.hint


def test_of_several_host_keys_the_server_shows_the_one_on_file(tmp_path: Path) -> None:
    rsa = keygen(tmp_path / "rsa", "rsa", "-b", "2048")
    ecdsa = keygen(tmp_path / "ecdsa", "ecdsa")
    with sshd(tmp_path / "sshd", f"HostKey {rsa}", f"HostKey {ecdsa}") as server:
        for public in (rsa.with_suffix(".pub"), ecdsa.with_suffix(".pub"), server.host_key.with_suffix(".pub")):
            known = tmp_path / f"known-{public.name}"
            known.write_text(known_line("127.0.0.1", server.port, public))
            assert names(server.server(known_hosts=known)) is not None


def test_a_server_that_signs_with_sha1_alone(tmp_path: Path) -> None:
    rsa = keygen(tmp_path / "rsa", "rsa", "-b", "2048")
    with sshd(tmp_path / "sshd", "HostKeyAlgorithms ssh-rsa", host_key=rsa) as server:
        failed = failure(server.server())
    assert failed.code == "algorithms"
    assert "SHA-1 signatures alone (ssh-rsa)" in failed.message
    assert "Ed25519" in failed.hint


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["KexAlgorithms diffie-hellman-group14-sha1"], "no key exchange in common"),
        (["HostKeyAlgorithms ssh-ed25519"], "no host key in common"),
        (["Ciphers aes128-cbc"], "no cipher in common"),
        (["MACs hmac-sha1", "Ciphers aes128-ctr"], "no MAC in common"),
    ],
)
def test_nothing_in_common_is_told_by_kind(tmp_path: Path, options: list[str], what: str) -> None:
    with sshd(tmp_path / "sshd", *options) as server:
        left_out = ("-ssh-ed25519",) * ("host key" in what)
        failed = failure(server.server(algorithms=ssh.changed(left_out)))
        assert failed.code == "algorithms"
        assert what in failed.message
        assert options[0].split()[1] in failed.message


# --- before SSH ------------------------------------------------------------------------------------------------------


@contextmanager
def saying(say: Callable[[socket.socket], None]) -> Iterator[int]:
    """Something that is not SSH, on a port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                with client:
                    say(client)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def at(port: int, tmp_path: Path, host: str = "127.0.0.1") -> Server:
    (tmp_path / "known").touch()
    return Server(host, port, "me", tmp_path / "known", password=lambda: PASSWORD)


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        failed = failure(at(probe.getsockname()[1], tmp_path))
    assert (failed.code, failed.as_error().exit_code) == ("connect", 69)
    assert "refuses connections" in failed.message
    assert "allow list" in failed.hint


def test_a_host_without_an_address(tmp_path: Path) -> None:
    failed = failure(at(22, tmp_path, "no-such-host.invalid"))
    assert (failed.code, failed.as_error().exit_code) == ("dns", 69)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"", "cut"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "protocol"),
        (b"SSH-1.5-old\r\n", "protocol"),
        (b"\xff\xfe\r\n", "protocol"),
        (b"SSH-2.0-x\r\n", "cut"),
        (b"SSH-2.0-x\r\n" + bytes(100), "protocol"),
        (b"SSH-2.0-x\r\n\x00\x00\x00\x0c\x0a\x14" + bytes(10), "protocol"),
    ],
    ids=repr,
)
def test_something_else_than_ssh(tmp_path: Path, said: bytes, code: str) -> None:
    def say(client: socket.socket) -> None:
        client.sendall(said)
        client.shutdown(socket.SHUT_WR)
        while client.recv(4096):
            pass

    with saying(say) as port:
        failed = failure(at(port, tmp_path))
    assert (failed.code, failed.as_error().exit_code) == (code, 69)


def test_paramiko_says_nothing_of_its_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with saying(lambda client: client.sendall(b"SSH-2.0-x\r\n" + bytes(100))) as port:
        failure(at(port, tmp_path))
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert logging.getLogger("paramiko.transport").getEffectiveLevel() == logging.WARNING


# --- known_hosts, line by line ---------------------------------------------------------------------------------------

KEY = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)
OTHER = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"\1" * 32
TEXT = f"ssh-ed25519 {base64.b64encode(KEY).decode()}"


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (f"h.example {TEXT}", "trusted"),
        (f"H.Example {TEXT} a comment", "trusted"),
        (f"\th.example\t{TEXT}", "trusted"),
        (f"a.example,h.example,10.0.0.1 {TEXT}", "trusted"),
        (f"*.example {TEXT}", "trusted"),
        (f"?.example {TEXT}", "trusted"),
        (f"*.example,!h.example {TEXT}", "unknown"),
        (f"[h.example]:22 {TEXT}", "unknown"),
        (f"h.example:22 {TEXT}", "unknown"),
        (f"[abh].example {TEXT}", "unknown"),
        (f"xh.example {TEXT}", "unknown"),
        (f"#h.example {TEXT}", "unknown"),
        (f"@cert-authority h.example {TEXT}", "unknown"),
        (f"@revoked h.example {TEXT}", "revoked"),
        (f"@revoked * {TEXT}", "revoked"),
        (f"@else h.example {TEXT}", "unknown"),
        (f"h.example ssh-rsa {TEXT.split()[1]}", "unknown"),
        ("h.example ssh-ed25519 !!!!", "unknown"),
        ("h.example ssh-ed25519", "unknown"),
        (f"|1|AAAA|BBBB {TEXT}", "unknown"),
        (f"|1|{'A' * 27}=|!! {TEXT}", "unknown"),
        (f"|2|x|y {TEXT}", "unknown"),
        (f"h.example ssh-ed25519 {base64.b64encode(OTHER).decode()}", "changed"),
    ],
)
def test_lines_of_known_hosts(line: str, verdict: str) -> None:
    assert on_file(f"broken line\n\n{line}\n", "h.example", 22).judge(KEY) == verdict
    # A good line elsewhere is not harmed by this one, and a revocation is not outweighed.
    beside = on_file(f"{line}\nh.example {TEXT}\n", "h.example", 22).judge(KEY)
    assert beside == ("revoked" if verdict == "revoked" else "trusted")


def test_a_port_of_its_own_has_lines_of_its_own() -> None:
    text = f"h.example {TEXT}\n"
    assert on_file(text, "h.example", 2222).judge(KEY) == "unknown"
    assert on_file(f"[H.example]:2222 {TEXT}\n", "h.example", 2222).judge(KEY) == "trusted"
    assert on_file(f"[::1]:2222 {TEXT}\n", "::1", 2222).judge(KEY) == "trusted"


def test_the_algorithms_are_those_that_paramiko_knows() -> None:
    near, far = socket.socketpair()
    with near, far:
        options = paramiko.Transport(near).get_security_options()
        for kind, known in (("kex", options.kex), ("ciphers", options.ciphers), ("macs", options.digests)):
            assert set(getattr(ssh.MODERN, kind)) | set(getattr(ssh.OLD, kind)) == set(known), kind
        assert set(ssh.MODERN.keys) == {name for name in options.key_types if "cert" not in name}

"""A real OpenSSH server on loopback, started by the tests as an ordinary process with keys made for them.

It runs as the user who runs the tests, and lets that user in. Root can also have a chrooted server, and a user with a
password, who is made for the tests and removed after them. Other users test the same promises with what takes no
rights: a server that begins in a folder of its own, and paramiko's server for passwords. Where the Debian package
openssh-server is missing, the tests that need it say so and are skipped.
"""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
import pytest

from worker.clock import Clock
from worker.gateways.sftp.drop import DropSettings, Server, SftpFailed, connect

ME = pwd.getpwuid(os.geteuid()).pw_name
IS_ROOT = os.geteuid() == 0


def keygen(path: Path, kind: str = "ed25519", *more: str, passphrase: str = "") -> Path:
    """Make a key pair; the path of its private half."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path), *more]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def known_line(host: str, port: int, public: Path) -> str:
    """A line of known_hosts."""
    kind, key = public.read_text().split()[:2]
    return f"[{host}]:{port} {kind} {key}\n"


@dataclass
class Sshd:
    """A server that runs. ``drop`` is the folder that it serves the files of; ``log`` what it said so far."""

    folder: Path
    port: int
    host_key: Path
    key: Path
    drop: Path
    log: list[str] = field(default_factory=list)
    folder_name: str = ""  # of the drop, as a client calls it

    @property
    def known_hosts(self) -> Path:
        path = self.folder / "known_hosts"
        if not path.exists():
            path.write_text(known_line("127.0.0.1", self.port, self.host_key.with_suffix(".pub")))
        return path

    def server(self, port: int | None = None, **changes: object) -> Server:
        """How to log in; ``port`` is that of a proxy in front, whose key is this server's."""
        known = self.known_hosts
        if port is not None:
            known = self.folder / f"known_hosts-{port}"
            known.write_text(known_line("127.0.0.1", port, self.host_key.with_suffix(".pub")))
        usual: dict[str, object] = {
            "host": "127.0.0.1",
            "port": port or self.port,
            "username": ME,
            "known_hosts": known,
            "key_file": self.key,
        }
        return Server(**(usual | changes))  # type: ignore[arg-type]

    def settings(self, *include: str, port: int | None = None, **changes: object) -> DropSettings:
        return DropSettings(self.server(port, **changes), self.folder_name or str(self.drop), include or ("*.x12",))

    def put(self, name: str, content: bytes = b"ISA*") -> Path:
        path = self.drop / name
        path.write_bytes(content)
        return path


def _program() -> str:
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("the Debian package openssh-server is missing")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def sshd(
    folder: Path,
    *options: str,
    host_key: Path | None = None,
    drop: Path | None = None,
    chroot: Path | None = None,
    begin: Path | None = None,
) -> Iterator[Sshd]:
    """Run a server with some more lines of configuration; ``folder`` is for its files. ``begin`` is where a login ends
    up, which is else the user's home."""
    program = _program()
    if IS_ROOT:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "key"
    if not key.exists():
        keygen(key)
    drop = drop or folder / "drop"
    drop.mkdir(exist_ok=True)
    running = Sshd(folder, _free_port(), host_key or keygen(folder / "host"), key, drop)
    lines = [
        f"Port {running.port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {running.host_key}",
        f"AuthorizedKeysFile {folder}/authorized_keys",
        "StrictModes no",
        "UsePAM no",
        "PermitRootLogin yes",
        "PidFile none",
        "MaxStartups 200",
        "Subsystem sftp internal-sftp" + ("" if begin is None else f" -d {begin}"),
        *options,
    ]
    if begin is not None:
        running.folder_name = str(drop.relative_to(begin))
    if chroot is not None:
        lines += [f"ChrootDirectory {chroot}", "ForceCommand internal-sftp"]
        running.folder_name = "/" + str(drop.relative_to(chroot))
    shutil.copy(key.with_suffix(".pub"), folder / "authorized_keys")
    config = folder / "sshd_config"
    # Newer servers punish an address for the failures that these tests are about.
    for extra in (["PerSourcePenalties no"], []):
        config.write_text("\n".join(lines + extra) + "\n")
        if subprocess.run([program, "-t", "-f", str(config)], capture_output=True).returncode == 0:
            break
    process = subprocess.Popen(
        [program, "-D", "-e", "-f", str(config)], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        running.log.append(line)
        if "Server listening on" in line:
            break
    else:
        process.wait()
        pytest.fail("sshd did not start: " + "".join(running.log))
    drain = threading.Thread(target=lambda: running.log.extend(process.stderr or ()), daemon=True)
    drain.start()
    try:
        yield running
    finally:
        process.terminate()
        process.wait()
        drain.join(10)
        if not drain.is_alive():
            process.stderr.close()


@contextmanager
def emptied(server: Sshd) -> Iterator[None]:
    """What a test has put into the drop is taken away after it."""
    yield
    for path in sorted(server.drop.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


@contextmanager
def elsewhere(folder: Path) -> Iterator[Sshd]:
    """A server whose logins end up in a folder of its own, so that its drop has a relative name."""
    begin = folder / "begin"
    (begin / "outbound").mkdir(parents=True)
    with sshd(folder, drop=begin / "outbound", begin=begin) as running:
        yield running


@contextmanager
def chrooted(folder: Path) -> Iterator[Sshd]:
    """A server that shows nothing but one folder; for root alone. OpenSSH wants all above it to be root's, and /tmp is
    everybody's."""
    # Not under /tmp, and nowhere that outlives a restart of the machine.
    jail = Path(tempfile.mkdtemp(prefix="cdpoll-test-", dir="/run"))
    try:
        jail.chmod(0o755)
        (jail / "outbound").mkdir()
        with sshd(folder, drop=jail / "outbound", chroot=jail) as running:
            yield running
    finally:
        shutil.rmtree(jail)


LAYOUTS = {"plain": sshd, "elsewhere": elsewhere} | ({"chrooted": chrooted} if IS_ROOT else {})
"""The ways in which a server shows its files that can be had here."""


@dataclass(frozen=True)
class Account:
    name: str
    password: str


@contextmanager
def account_with_password() -> Iterator[Account]:
    """A system user that exists for a moment; for root alone. OpenSSH takes passwords from the system's own file."""
    _program()
    account = Account(f"cdpoll{secrets.token_hex(4)}", secrets.token_urlsafe(12))
    hashed = subprocess.run(
        ["openssl", "passwd", "-6", "-stdin"], input=account.password, capture_output=True, text=True, check=True
    ).stdout.strip()
    subprocess.run(
        ["useradd", "--no-create-home", "--home-dir", "/", "--shell", "/bin/sh", "--password", hashed, account.name],
        check=True,
        capture_output=True,
    )
    try:
        yield account
    finally:
        subprocess.run(["userdel", "--force", account.name], check=True, capture_output=True)


# A password that is right nowhere, and must be seen nowhere.
PASSWORD = "correct horse"


def names(server: Server, folder: str = ".") -> list[bytes]:
    """What lies in a drop there."""
    with connect(DropSettings(server, folder, ("*.x12",)), Clock(), threading.Event()) as drop:
        return [remote.name for remote in drop.list()]


def left_threads(before: list[threading.Thread]) -> list[threading.Thread]:
    """The threads of this process that live and did not ``before``, but for those of a server of paramiko's in it.

    Those end when they like, as do threads of earlier tests: so no count is compared.
    """
    return [
        thread
        for thread in threading.enumerate()
        if thread not in before
        and not getattr(thread, "server_mode", False)
        and not isinstance(thread, paramiko.SubsystemHandler)
    ]


def failure(server: Server) -> SftpFailed:
    """How a login there fails: in words for people, with no thread left behind and no password shown."""
    before = threading.enumerate()
    with pytest.raises(SftpFailed) as caught:
        names(server)
    assert left_threads(before) == []
    assert PASSWORD not in f"{caught.value} {caught.value.hint}"
    assert "\n" not in caught.value.message + caught.value.hint
    assert caught.value.hint
    return caught.value

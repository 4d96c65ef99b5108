"""Connects and logs in over SSH: socket, handshake, the server's key, then our proofs."""

import contextlib
import errno
import logging
import socket
import threading

import paramiko
from paramiko.message import Message
from paramiko.packet import Packetizer

from worker.core.ssh import MODERN, SHA1_SIGNATURES, Algorithms
from worker.gateways.sftp.failure import SftpFailed
from worker.gateways.sftp.guard import Guard
from worker.gateways.sftp.known_hosts import OnFile, fingerprint, key_type, read_known_hosts, scan_command
from worker.gateways.sftp.private_key import read_private_key
from worker.gateways.sftp.proofs import Proofs
from worker.gateways.sftp.server import Server, cut_or

_FOR_EVER_S = 3600.0  # paramiko's own timeouts must not end a step before the guard does
_KEXINIT = 20


class _Listening(Packetizer):
    """paramiko's reader of packets, which also keeps what the server offered: its errors do not tell."""

    offer: bytes | None = None
    spoke = False

    def start_handshake(self, timeout: float) -> None:
        """Does nothing. paramiko's timer is a thread that outlives a failed handshake."""

    def readline(self, timeout: float) -> str:
        try:
            line = super().readline(timeout)
        except UnicodeDecodeError:
            self.spoke = True
            raise
        self.spoke = True
        return line

    def read_message(self) -> tuple[int, Message]:
        kind, message = super().read_message()
        if kind == _KEXINIT and self.offer is None:
            self.offer = message.asbytes()
        return kind, message

    def offered(self) -> dict[str, list[str]]:
        """The server's lists by their name in :class:`Algorithms`; empty when it offered nothing readable."""
        if self.offer is None:
            return {}
        message = Message(self.offer)
        message.get_bytes(16)
        try:
            kex, keys, _, ciphers, _, macs = (message.get_list() for _ in range(6))
        except ValueError:
            return {}
        return {"kex": kex, "keys": keys, "ciphers": ciphers, "macs": macs}


def log_in(server: Server, guard: Guard, step: int) -> paramiko.Transport:
    """Connect, check the server's key, log in; each of the two steps within ``step`` ms. Raises SftpFailed."""
    _quiet()
    # Find mistakes in our own files before the server is asked.
    on_file = read_known_hosts(server.known_hosts, server.host, server.port)
    key = None if server.key_file is None else read_private_key(server.key_file, server.passphrase)
    password = None if server.password is None else server.password()
    with guard.within(step):
        connection = _connect(server, guard, step)
    transport = paramiko.Transport(
        connection,
        packetizer_class=_Listening,
        disabled_algorithms={"pubkeys": [name for name in MODERN.keys if name not in server.algorithms.keys]},
    )
    try:
        transport.banner_timeout = transport.auth_timeout = _FOR_EVER_S
        _restrict(transport, server.algorithms, on_file)
        with guard.within(step):
            _shake_hands(transport, server, guard)
            _check_host_key(transport, server, on_file)
            Proofs(transport, server, guard).offer(key, password)
    except BaseException:
        hang_up(transport, guard)
        raise
    return transport


def agreed_kex(transport: paramiko.Transport) -> str:
    """The key exchange of a connection: the first of ours that the server offered. paramiko forgets it."""
    packets = transport.packetizer
    assert isinstance(packets, _Listening)
    theirs = packets.offered().get("kex", [])
    return next((name for name in transport.get_security_options().kex if name in theirs), "")


def hang_up(transport: paramiko.Transport, guard: Guard) -> None:
    """End a connection without waiting for the peer, and its thread with it."""
    guard.release()
    transport.close()
    if transport.is_alive():
        transport.join(5.0)
    transport.sock.close()


def _quiet() -> None:
    """paramiko logs the texts of servers. Without a handler they would be written to standard error."""
    log = logging.getLogger("paramiko")
    log.setLevel(logging.WARNING)
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())


def _connect(server: Server, guard: Guard, step: int) -> socket.socket:
    addresses = _resolve(server, guard)
    failure: OSError | None = None
    for family, kind, protocol, _, address in addresses:
        connection = socket.socket(family, kind, protocol)
        try:
            guard.hold(connection)
            # Without it every small request waits for an acknowledgement: a twentieth of the speed.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(step / 1000 / len(addresses))
            connection.connect(address)
        except OSError as error:
            failure = error
            connection.close()
            if guard.cause is not None:
                break
        else:
            if guard.cause is None:
                return connection
            connection.close()
            break
    guard.release()
    if guard.cause is not None or isinstance(failure, TimeoutError):
        raise cut_or(TimeoutError(), guard, server, "connecting") from None
    if failure is not None and failure.errno == errno.ECONNRESET:
        raise _no_greeting(server, False)
    refused = failure is not None and failure.errno == errno.ECONNREFUSED
    what = "refuses connections" if refused else "cannot be reached"
    hint = "check host and port; is this machine's address on the server's allow list, and does a firewall let it out?"
    raise SftpFailed("connect", f"{server.name} {what}", hint) from None


def _resolve(server: Server, guard: Guard) -> list[tuple[int, int, int, str, tuple[str | int, ...]]]:
    """The addresses of the host; in a thread of its own, because nothing else bounds how long that takes."""
    found: list[tuple[int, int, int, str, tuple[str | int, ...]]] = []
    done = threading.Event()

    def resolve() -> None:
        with contextlib.suppress(OSError, UnicodeError):
            found.extend(socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM))  # type: ignore[arg-type]
        done.set()

    threading.Thread(target=resolve, name="sftp-resolve", daemon=True).start()
    guard.wait(done)
    if not done.is_set():
        raise cut_or(TimeoutError(), guard, server, "looking up its address")
    if not found:
        raise SftpFailed("dns", f"{server.host} has no address", "check host under [sftp], and this machine's DNS")
    return found


def _restrict(transport: paramiko.Transport, algorithms: Algorithms, on_file: OnFile) -> None:
    """Offer what is configured and known to this paramiko, host keys of the types on file first."""
    options = transport.get_security_options()
    options.kex = tuple(name for name in algorithms.kex if name in options.kex)
    options.ciphers = algorithms.ciphers
    options.digests = algorithms.macs
    # An RSA key is one type on file, however it signs.
    known = [name for name in algorithms.keys if ("ssh-rsa" if name.startswith("rsa-") else name) in on_file.types]
    options.key_types = tuple(known + [name for name in algorithms.keys if name not in known])


def _shake_hands(transport: paramiko.Transport, server: Server, guard: Guard) -> None:
    packets = transport.packetizer
    assert isinstance(packets, _Listening)
    try:
        transport.start_client()
    except paramiko.ssh_exception.IncompatiblePeer as error:
        raise _no_agreement(str(error), packets.offered(), server) from None
    except Exception as error:
        if guard.cause is None and not transport.remote_version:
            raise _no_greeting(server, packets.spoke) from None
        raise cut_or(error, guard, server, "agreeing on keys") from None
    if guard.cause is not None:
        raise cut_or(TimeoutError(), guard, server, "agreeing on keys")


def _no_greeting(server: Server, spoke: bool) -> SftpFailed:
    if spoke:
        return SftpFailed("protocol", f"{server.name} does not speak SSH", "check host and port under [sftp]")
    hint = "is this machine's address on the server's allow list? some servers also do this when they are busy"
    return SftpFailed("cut", f"{server.name} took the connection and ended it without a word", hint)


def _no_agreement(said: str, offered: dict[str, list[str]], server: Server) -> SftpFailed:
    words = {"kex": ("kex", "key exchange"), "host key": ("keys", "host key"), "ciphers": ("ciphers", "cipher")}
    words["macs"] = ("macs", "MAC")
    kind, called = next((pair for word, pair in words.items() if word in said), ("", "algorithm"))
    names = [name for name in offered.get(kind, []) if name and name.isascii() and name.isprintable()][:12]
    if not names:
        return SftpFailed("protocol", f"{server.name} speaks no SSH that is spoken today", "ask its side to update it")
    listed = ", ".join(name[:64] for name in names)
    if kind == "keys" and set(names) <= set(SHA1_SIGNATURES):
        return SftpFailed(
            "algorithms",
            f"{server.name} proves itself with SHA-1 signatures alone ({listed}), which are not accepted any more",
            "ask its side for an Ed25519 or ECDSA host key, or for rsa-sha2-256 with the RSA key it has",
        )
    hint = "see algorithms under [sftp] for what can be added for an old peer; or ask its side for newer ones"
    return SftpFailed("algorithms", f"no {called} in common with {server.name}, which offers {listed}", hint)


def _check_host_key(transport: paramiko.Transport, server: Server, on_file: OnFile) -> None:
    key = transport.get_remote_server_key().asbytes()
    shown = f"{key_type(key)} {fingerprint(key)}"
    scan = scan_command(server.host, server.port, server.known_hosts)
    match on_file.judge(key):
        case "unknown":
            raise SftpFailed(
                "host_key_unknown",
                f"{server.name} is not in {server.known_hosts}; it showed {shown}",
                f"compare that with what the vendor says, then: {scan}",
            )
        case "changed":
            listed = ", ".join(sorted(fingerprint(trusted) for trusted in on_file.trusted))
            raise SftpFailed(
                "host_key_changed",
                f"{server.name} showed {shown}, which is none of its keys in {server.known_hosts} ({listed})",
                f"ask the vendor whether the key was changed; if it was: {scan}",
            )
        case "revoked":
            raise SftpFailed(
                "host_key_revoked",
                f"{server.name} showed {shown}, which {server.known_hosts} marks as revoked",
                "do not connect; ask the vendor",
            )

"""Which host keys are on file for a server. Reads OpenSSH's known_hosts; writes nothing.

paramiko's own reader keeps one key of a type for each host. But while a server changes its key, the file holds the old
one and the new one. This reader keeps all of them, understands markers, and passes over broken lines.
"""

import base64
import binascii
import fnmatch
import hashlib
import hmac
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from worker.files import open_regular
from worker.gateways.sftp.failure import SftpFailed
from worker.ownership import obstacle

_LARGEST_BYTES = 4 * 1024 * 1024
Verdict = Literal["trusted", "unknown", "changed", "revoked"]


@dataclass(frozen=True, slots=True)
class OnFile:
    """The keys on file for one server, as the bytes they are on the wire."""

    trusted: frozenset[bytes]
    revoked: frozenset[bytes]

    @property
    def types(self) -> frozenset[str]:
        """The types of the trusted keys, as ``ssh-ed25519``."""
        return frozenset(key_type(key) for key in self.trusted)

    def judge(self, key: bytes) -> Verdict:
        """What to think of the key that a server showed."""
        if key in self.revoked:
            return "revoked"
        if key in self.trusted:
            return "trusted"
        return "changed" if self.trusted else "unknown"


def read_known_hosts(path: Path, host: str, port: int) -> OnFile:
    """What is on file for ``host`` at ``port``. Raises SftpFailed when the file cannot be read."""
    try:
        with open_regular(path) as file:
            text = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        found = obstacle(path, write=False)
        hint = found.words if found else f"fill it with: {scan_command(host, port, path)}"
        raise SftpFailed("known_hosts", f"{path} cannot be read ({reason})", hint) from None
    if len(text) > _LARGEST_BYTES:
        raise SftpFailed("known_hosts", f"{path} is larger than 4 MiB", "name the right file under known_hosts")
    return on_file(text.decode("utf-8", errors="replace"), host, port)


def on_file(text: str, host: str, port: int) -> OnFile:
    """What the text of a known_hosts file says of ``host`` at ``port``."""
    name = (host if port == 22 else f"[{host}]:{port}").lower()
    trusted: set[bytes] = set()
    revoked: set[bytes] = set()
    for line in text.splitlines():
        marker, names, key = _fields(line)
        if key is None or marker == "@cert-authority" or not _names(names, name):
            continue
        (revoked if marker == "@revoked" else trusted).add(key)
    return OnFile(frozenset(trusted - revoked), frozenset(revoked))


def key_type(key: bytes) -> str:
    """The type that a key's bytes begin with; empty when they are no key."""
    length = int.from_bytes(key[:4], "big")
    found = key[4 : 4 + length].decode("ascii", errors="replace")
    return found if re.fullmatch(r"[a-z0-9@.-]{1,64}", found) and len(found) == length else ""


def fingerprint(key: bytes) -> str:
    """As ``ssh-keygen -l`` prints it: ``SHA256:…``."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def scan_command(host: str, port: int, path: Path) -> str:
    """The command that asks the server for its keys and puts them on file."""
    return f"ssh-keyscan {f'-p {port} ' * (port != 22)}{host} >> {path}"


def _fields(line: str) -> tuple[str, str, bytes | None]:
    """Marker, names and key of a line; no key for a line without one."""
    parts = line.split()
    marker = parts.pop(0) if parts and parts[0].startswith("@") else ""
    if len(parts) < 3 or parts[0].startswith("#") or marker not in ("", "@revoked", "@cert-authority"):
        return "", "", None
    try:
        key = base64.b64decode(parts[2], validate=True)
    except (binascii.Error, ValueError):
        return "", "", None
    return marker, parts[0], key if key_type(key) == parts[1] else None


def _names(field: str, name: str) -> bool:
    """Whether a names field is about ``name`` (``host``, or ``[host]:port`` where the port is not 22)."""
    if field.startswith("|"):
        return _is_hash_of(field, name)
    found = False
    for pattern in field.lower().split(","):
        refused = pattern.startswith("!")
        # Only * and ? are wild here; [ begins a host with a port.
        wild = pattern.removeprefix("!").replace("[", "[[]")
        if fnmatch.fnmatchcase(name, wild):
            if refused:
                return False
            found = True
    return found


def _is_hash_of(field: str, name: str) -> bool:
    parts = field.split("|")
    if len(parts) != 4 or parts[1] != "1":
        return False
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in parts[2:])
    except (binascii.Error, ValueError):
        return False
    # SHA-1 is the file format's own, and hides the name only.
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)

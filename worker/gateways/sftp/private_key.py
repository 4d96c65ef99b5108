"""Our private key from its file, in any of the usual forms."""

import io
from collections.abc import Callable
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from worker.files import open_regular
from worker.gateways.sftp.failure import SftpFailed
from worker.ownership import obstacle

_LARGEST_BYTES = 256 * 1024


def read_private_key(path: Path, passphrase: Callable[[], str] | None) -> paramiko.PKey:
    """Read an Ed25519, ECDSA or RSA key, in OpenSSH's form or in PEM (PKCS #1, SEC 1, PKCS #8).

    ``passphrase`` is asked only when the key needs one. Raises SftpFailed (``key_file``).
    """
    data = _content(path)
    try:
        try:
            key = _load(data, None)
        except TypeError:  # what cryptography raises for an encrypted key without a password
            if passphrase is None:
                raise _unusable(
                    path, "has a passphrase", "set key_passphrase under [sftp], or use a key without"
                ) from None
            key = _load(data, passphrase().encode())
    except (ValueError, UnsupportedAlgorithm):
        raise _doubtful(path, data, passphrase is not None) from None
    for kind, wrapper in (
        (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key),
        (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey),
        (rsa.RSAPrivateKey, paramiko.RSAKey),
    ):
        if isinstance(key, kind):
            plain = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
            try:
                return wrapper.from_private_key(io.StringIO(plain.decode()))
            except (paramiko.SSHException, ValueError):
                break
    raise _unusable(path, "holds a key of a kind that is not used any more", "make a new one: ssh-keygen -t ed25519")


def _content(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(_LARGEST_BYTES)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        found = obstacle(path, write=False)
        hint = found.words if found else "name a file that this user may read"
        raise _unusable(path, f"cannot be read ({reason})", hint) from None


def _load(data: bytes, password: bytes | None) -> object:
    if b"BEGIN OPENSSH PRIVATE KEY" in data:
        return load_ssh_private_key(data, password)
    return load_pem_private_key(data, password)


def _doubtful(path: Path, data: bytes, has_passphrase: bool) -> SftpFailed:
    if data.startswith(b"PuTTY-User-Key-File"):
        return _unusable(path, "is a key of PuTTY's", "convert it: puttygen KEY.ppk -O private-openssh -o KEY")
    if data.startswith((b"ssh-", b"ecdsa-", b"---- BEGIN SSH2 PUBLIC KEY")):
        return _unusable(path, "is the public half of a key", "name the private one, usually the same without .pub")
    if b"PRIVATE KEY" not in data:
        return _unusable(path, "is not a private key", "name the file that ssh-keygen made")
    if has_passphrase:
        return _unusable(path, "cannot be decrypted", "check key_passphrase under [sftp]")
    return _unusable(path, "holds a damaged key, or one of a kind not known here", "make one: ssh-keygen -t ed25519")


def _unusable(path: Path, what: str, hint: str) -> SftpFailed:
    return SftpFailed("key_file", f"the key {path} {what}", hint)

"""The certificate and the key by which a server proves who it is, read from their files as one pair."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from worker.core.errors import TryLater


@dataclass(frozen=True, slots=True)
class Pair:
    """``certificate``: PEM, with those between it and the authority behind it. ``key``: PEM, without a passphrase."""

    certificate: Path
    key: Path


def pair_of(certificate: Path | None, key: Path | None) -> Pair | None:
    """The pair, where both are configured."""
    return Pair(certificate, key) if certificate is not None and key is not None else None


def context_of(pair: Pair) -> ssl.SSLContext:
    """What serves TLS 1.2 and later with a pair. It reads the files now, and never again.

    Raises TryLater where they cannot be read or do not belong together, as between two steps of a renewal.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    held = b""
    for path in (pair.certificate, pair.key):
        try:
            held = path.read_bytes()
        except OSError as error:
            why = (error.strerror or type(error).__name__).lower()
            raise TryLater(f"{path}: {why}", "the user of the service has to be able to read it") from None
    if b"ENCRYPTED" in held:
        raise TryLater(f"{pair.key} has a passphrase", "write it without one: openssl pkey -in OLD -out NEW")
    try:
        # Without a password OpenSSL would ask the terminal for one.
        context.load_cert_chain(pair.certificate, pair.key, password="")
    except (OSError, ValueError) as error:
        raise TryLater(*_told(pair, error)) from None
    return context


def _told(pair: Pair, error: Exception) -> tuple[str, str]:
    reason = getattr(error, "reason", None)
    if reason == "KEY_VALUES_MISMATCH":
        return f"{pair.key} is not the key of {pair.certificate}", "put both files of one renewal there, and reload"
    why = f" ({reason.lower().replace('_', ' ')})" if reason else ""
    return (
        f"{pair.certificate} and {pair.key} cannot be used as certificate and key{why}",
        "both are PEM; in the first the server's own certificate comes first, then those between it and the authority",
    )

"""Which SSH algorithms are used, and how a person changes that for an old peer.

The lists are in order of preference and hold what paramiko knows. Those in ``OLD`` are known to it and not used unless
asked for. Signatures over SHA-1 (``ssh-rsa``, ``ssh-dss``) are in neither: no setting brings them back.
"""

from typing import NamedTuple

SHA1_SIGNATURES = ("ssh-rsa", "ssh-dss")


class Algorithms(NamedTuple):
    """Names as SSH spells them; ``keys`` are host keys and the signatures of one's own key."""

    kex: tuple[str, ...]
    keys: tuple[str, ...]
    ciphers: tuple[str, ...]
    macs: tuple[str, ...]


# GCM first: it is encrypted and authenticated in one pass, which is what a download spends its time on.
MODERN = Algorithms(
    kex=(
        "mlkem768x25519-sha256",
        "curve25519-sha256@libssh.org",
        "ecdh-sha2-nistp256",
        "ecdh-sha2-nistp384",
        "ecdh-sha2-nistp521",
        "diffie-hellman-group16-sha512",
        "diffie-hellman-group-exchange-sha256",
        "diffie-hellman-group14-sha256",
    ),
    keys=(
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "rsa-sha2-512",
        "rsa-sha2-256",
    ),
    ciphers=("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr"),
    macs=("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"),
)
OLD = Algorithms(
    kex=(),
    keys=(),
    ciphers=("aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"),
    macs=("hmac-sha1", "hmac-sha1-96", "hmac-md5", "hmac-md5-96"),
)

KINDS = Algorithms._fields
NAMES = frozenset(name for table in (MODERN, OLD) for kind in KINDS for name in getattr(table, kind))


def changed(words: tuple[str, ...]) -> Algorithms:
    """``MODERN`` after ``+name`` (use it too, last) and ``-name`` (do not use it), in the order given.

    Raises ValueError, "what is wrong; what to write", also when nothing of a kind would be left.
    """
    lists = {kind: list(getattr(MODERN, kind)) for kind in KINDS}
    for word in words:
        sign, name = word[:1], word[1:]
        if sign not in ("+", "-") or not name:
            raise ValueError("a word has no sign; write +name to use an algorithm too, -name to leave it out")
        if name in SHA1_SIGNATURES:
            raise ValueError(f"{name} signs with SHA-1, which is not accepted any more; leave it out")
        kind = next((k for k in KINDS if name in getattr(MODERN, k) + getattr(OLD, k)), None)
        if kind is None:
            raise LookupError(name)
        if name in lists[kind]:
            lists[kind].remove(name)
        if sign == "+":
            lists[kind].append(name)
    empty = [kind for kind in KINDS if not lists[kind]]
    if empty:
        raise ValueError(f"leaves nothing of {', '.join(empty)} to agree on; take one back")
    return Algorithms(**{kind: tuple(names) for kind, names in lists.items()})


def words_of(algorithms: Algorithms) -> str:
    """The words that :func:`changed` reads back to the same lists; empty for ``MODERN``."""
    words = []
    for kind in KINDS:
        usual, used = getattr(MODERN, kind), getattr(algorithms, kind)
        # Algorithms that the setting added come last; the others keep the usual order.
        ranks = [usual.index(name) if name in usual else -1 for name in used]
        kept = next((n for n in range(len(used)) if ranks[n] < 0 or (n and ranks[n] < ranks[n - 1])), len(used))
        words += [f"-{name}" for name in usual if name not in used] + [f"+{name}" for name in used[kept:]]
    return " ".join(words)

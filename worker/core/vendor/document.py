"""The body of a task as the vendor sends it, read tolerantly: what it names, and when two of them are the same.

Nothing in a body is marked as required, and samples misspell, repeat and leave out; so what is not there is ``None``,
what is odd stays as it came, and nothing here raises. The body itself is stored byte for byte: all of this is derived.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

# A customer sets up some ten. The body is kept whole, whatever it holds.
MOST_PATHS = 1000

LISTS = ("successful", "unsuccessful", "pending", "skipped")

Json = dict[str, Any]


# One encoder for all: json.dumps with options makes a new one at every call.
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Path:
    """One place the vendor looked; ``list`` is the list of ``discoveryPaths`` it stood in."""

    list: str
    position: int
    path_id: str | None
    name: str | None
    status: str | None
    payer_id: str | None
    transaction_id: str | None
    reason: str | None
    timestamp: str | None
    x12: str | None


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What decides whether two bodies of one task differ.

    ``body`` is the SHA-256 of the canonical JSON without ``traceId``, ``tenantName`` and ``realTime``; ``real_time``
    that of ``realTime``, or ``None`` where it is absent, null or empty.
    """

    body: str
    real_time: str | None

    def same_as(self, other: "Fingerprint") -> bool:
        """Bodies that differ only by one lacking ``realTime`` are the same."""
        known = self.real_time is not None and other.real_time is not None
        return self.body == other.body and (not known or self.real_time == other.real_time)


def text(value: object) -> str | None:
    """A JSON scalar as text; ``None`` for what is empty or no scalar. Half a surrogate pair becomes ``?``."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def read_paths(document: Json) -> tuple[Path, ...]:
    """The paths of every list, in the order of the body; of each list no more than any real one has."""
    lists = document.get("discoveryPaths")
    if not isinstance(lists, dict):
        return ()
    return tuple(
        _path(name, position, entry)
        for name in LISTS
        for position, entry in enumerate(lists[name][:MOST_PATHS] if isinstance(lists.get(name), list) else [])
        if isinstance(entry, dict)
    )


def pending_names(document: Json) -> tuple[str, ...]:
    """The names of the paths that are still pending, in the order of the body; one without a name is left out."""
    lists = document.get("discoveryPaths")
    pending = lists.get("pending") if isinstance(lists, dict) else None
    if not isinstance(pending, list):
        return ()
    names = (text(entry.get("name")) for entry in pending[:MOST_PATHS] if isinstance(entry, dict))
    return tuple(name for name in names if name is not None)


def _path(name: str, position: int, entry: Json) -> Path:
    transaction = entry.get("transaction")
    transaction = transaction if isinstance(transaction, dict) else {}
    # The samples spell the payer's key in ways of their own (payerid…, payerIdCHANGE…).
    other_payer = next((v for k, v in transaction.items() if k.lower().startswith("payerid")), None)
    return Path(
        list=name,
        position=position,
        path_id=text(entry.get("id")),
        name=text(entry.get("name")),
        status=text(transaction.get("status")),
        payer_id=text(transaction.get("chcPayerId")) or text(other_payer),
        transaction_id=text(transaction.get("id")),
        reason=text(entry.get("reason")),
        timestamp=text(entry.get("timestamp")),
        x12=text(transaction.get("x12-271")),
    )


def fingerprint(document: Json) -> Fingerprint:
    """See :class:`Fingerprint`. Lists of paths are compared as bags, everything else as it stands."""
    rest = {k: v for k, v in document.items() if k not in ("traceId", "tenantName", "realTime")}
    lists = rest.get("discoveryPaths")
    if isinstance(lists, dict):
        rest["discoveryPaths"] = {k: sorted(v, key=_canonical) if isinstance(v, list) else v for k, v in lists.items()}
    return Fingerprint(_sha256(rest), _sha256(document["realTime"]) if document.get("realTime") else None)


def _sha256(value: object) -> str:
    return hashlib.sha256(_canonical(value).encode()).hexdigest()

"""The body of a task as the vendor sends it, read tolerantly: what it says, and when two of them are the same.

A poll's answer and a callback have the same body; nothing here knows of HTTP. Nothing in a body is marked as required,
and samples misspell, repeat and leave out; so what is not there is ``None``, what is odd stays as it came, and nothing
here raises. The body itself is stored byte for byte: all of this is derived.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from worker.core.instant import from_iso

# A customer sets up some ten. The body is kept whole in any case.
MOST_PATHS = 1000

LISTS = ("successful", "unsuccessful", "pending", "skipped")

# In place of a path's name and list: the check that began the discovery.
REAL_TIME = "realTime"

Json = dict[str, Any]
Status = Literal["pending", "success", "failure"]
Outcome = Literal["success", "failure"]


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


@dataclass(frozen=True, slots=True)
class Document:
    """What one body says of its task.

    ``body`` is as received, after the transfer's own encoding; instants are in ms UTC; ``pending`` holds the names of
    the unfinished paths. ``paths`` and ``fingerprint`` are read from a concluded document only: to read them takes
    ten times as long as all the rest, and most documents are pending ones. ``finished`` is what :func:`finished_paths`
    makes of a pending one.
    """

    status: Status
    body: bytes = field(default=b"", repr=False)
    id: str = ""  # where the body has none, the id that was asked for
    name: str | None = None
    started_at: int | None = None  # startDateTime
    ended_at: int | None = None  # endDateTime
    correlation_id: str | None = None
    trace_id: str | None = None
    pending: tuple[str, ...] = ()
    paths: tuple[Path, ...] = field(default=(), repr=False)
    fingerprint: Fingerprint = Fingerprint("", None)
    finished: bytes = field(default=b"", repr=False)

    @property
    def outcome(self) -> Outcome | None:
        """``None`` while the task is pending."""
        return None if self.status == "pending" else self.status


@dataclass(frozen=True, slots=True)
class NoDocument:
    """The body says nothing certain of the task; ``code`` says why, in a stable word that holds nothing of the body.

    ``html`` and ``not_json``: it is no JSON. ``no_task``: it is JSON, but of no task. ``wrong_id``: it is of another
    task. ``no_status`` and ``unknown_status``: the root status is missing, or one that the contract does not name, in
    whatever case and between whatever blanks.
    """

    code: str


def read_document(body: bytes, asked_id: str | None) -> Document | NoDocument:
    """Read ``body`` as the document of task ``asked_id``; with ``None``, of whichever task it names. Never raises.

    A body without an id is taken for the task asked for only where it has ``discoveryPaths``.
    """
    content = parse_json(body)
    if content is None:
        return NoDocument(not_json(body))
    if not isinstance(content, dict):
        return NoDocument("no_task")
    found_id = content.get("id")
    task_id = asked_id if found_id in (None, "") else text(found_id)
    if asked_id is not None and task_id != asked_id:
        return NoDocument("wrong_id")
    if task_id is None or not (found_id or isinstance(content.get("discoveryPaths"), dict)):
        # {"status": "success"} from some box in between is not a task.
        return NoDocument("no_task")
    try:
        return _read(content, body, task_id)
    except RecursionError:
        return NoDocument("not_json")


def _read(content: Json, body: bytes, task_id: str) -> Document | NoDocument:
    word = content.get("status")
    match word.strip().lower() if isinstance(word, str) else word:
        case "pending" | "success" | "failure" as status:
            concluded = status != "pending"
        case None | "":
            return NoDocument("no_status")
        case _:
            return NoDocument("unknown_status")
    return Document(
        status=status,
        body=body,
        id=task_id,
        name=text(content.get("name")),
        started_at=from_iso(content.get("startDateTime")),
        # The vendor spells it in two ways.
        ended_at=from_iso(content.get("endDateTime")) or from_iso(content.get("endDatetime")),
        correlation_id=text(content.get("correlationId")),
        trace_id=text(content.get("traceId")),
        pending=pending_names(content),
        paths=read_paths(content) if concluded else (),
        fingerprint=fingerprint(content) if concluded else Fingerprint("", None),
        finished=b"" if concluded else finished_paths(content),
    )


def not_json(body: bytes) -> str:
    """The code for a body of which :func:`parse_json` could make nothing."""
    return "html" if is_html(body) else "not_json"


def is_html(body: bytes) -> bool:
    """Whether it is a page for people, or XML: no answer of the vendor's API is, but those of machines in between."""
    return body.lstrip()[:1] == b"<"


def parse_json(body: bytes) -> object | None:
    """The JSON value, or ``None``. One byte of Latin-1 in a name must not cost a result."""
    try:
        return json.loads(body)  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        pass
    except (ValueError, RecursionError):
        return None
    try:
        return json.loads(body.decode("latin-1"))  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        return None


def text(value: object) -> str | None:
    """A JSON scalar as text; ``None`` for what is empty or no scalar. Half a surrogate pair becomes ``?``."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode() or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def read_paths(content: Json) -> tuple[Path, ...]:
    """The paths of every list, in the order of the body; of each list no more than any real one has."""
    lists = content.get("discoveryPaths")
    if not isinstance(lists, dict):
        return ()
    return tuple(
        _path(name, position, entry)
        for name in LISTS
        for position, entry in enumerate(lists[name][:MOST_PATHS] if isinstance(lists.get(name), list) else [])
        if isinstance(entry, dict)
    )


def read_real_time(content: Json) -> Path | None:
    """The real-time check that began the task, which has the form of a path; ``None`` where nothing is said of it."""
    paths = read_paths({"discoveryPaths": {LISTS[0]: [content.get("realTime") or None]}})
    return paths[0] if paths else None


# A 271 without a benefit tells of no coverage: most paths that found none say that the patient is not known.
_BENEFIT = re.compile(r"EB[^A-Z0-9\s]")


def finished_paths(content: Json) -> bytes:
    """A body of those paths of a pending task alone that may have found coverage; empty where there is none.

    They are the successful ones, and the unsuccessful ones whose 271 has benefits. Equal ones make equal bytes, in
    any order, and beside any other parts of the body.
    """
    lists = content.get("discoveryPaths")
    if not isinstance(lists, dict):
        return b""
    try:
        # Each is written once: most of the time of reading such a body goes into it.
        found = {
            name: sorted([_canonical(entry) for entry in _entries(lists, name) if may_have_found(entry)])
            for name, may_have_found in _MAY_HAVE_FOUND.items()
        }
    except RecursionError:  # such a path is read when the task has concluded
        return b""
    if not any(found.values()):
        return b""
    written = ",".join(f'"{name}":[{",".join(entries)}]' for name, entries in found.items())
    return f'{{"discoveryPaths":{{{written}}}}}'.encode()


def _has_benefits(entry: Json) -> bool:
    transaction = entry.get("transaction")
    x12 = transaction.get("x12-271") if isinstance(transaction, dict) else None
    return isinstance(x12, str) and _BENEFIT.search(x12.upper()) is not None


_MAY_HAVE_FOUND: dict[str, Callable[[Json], bool]] = {"successful": lambda _: True, "unsuccessful": _has_benefits}


def _entries(lists: Json, name: str) -> list[Json]:
    """The paths of one list, no more of them than any real one has."""
    entries = lists.get(name)
    return [one for one in entries[:MOST_PATHS] if isinstance(one, dict)] if isinstance(entries, list) else []


def pending_names(content: Json) -> tuple[str, ...]:
    """The names of the paths that are still pending, in the order of the body; one without a name is left out."""
    lists = content.get("discoveryPaths")
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


def fingerprint(content: Json) -> Fingerprint:
    """See :class:`Fingerprint`. Lists of paths are compared as bags, everything else as it stands."""
    rest = {k: v for k, v in content.items() if k not in ("traceId", "tenantName", "realTime")}
    lists = rest.get("discoveryPaths")
    if isinstance(lists, dict):
        rest["discoveryPaths"] = {k: sorted(v, key=_canonical) if isinstance(v, list) else v for k, v in lists.items()}
    return Fingerprint(_sha256(rest), _sha256(content["realTime"]) if content.get("realTime") else None)


def _sha256(value: object) -> str:
    return hashlib.sha256(_canonical(value).encode()).hexdigest()

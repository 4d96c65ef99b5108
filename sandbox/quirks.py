"""What can be odd in the body of a task: each function spoils one body, as the vendor's own samples are spoiled.

A function gets the body, which it changes, and a :class:`Poll`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.tasks import Task
from worker.core.instant import from_iso, iso

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Poll:
    """One poll of a task. ``count`` numbers the polls of it from 1, ``concluded`` those since it is concluded (0
    before); ``argument`` is the fault's, and ``other`` the body of some other task, ``{}`` if there is none."""

    task: Task
    count: int
    concluded: int
    argument: str
    other: Body


def _paths(body: Body, *lists: str) -> Iterator[Body]:
    everything = body.get("discoveryPaths") or {}
    for name in lists or ("successful", "unsuccessful", "pending", "skipped"):
        yield from everything.get(name, [])


def _transactions(body: Body) -> Iterator[Body]:
    for path in _paths(body, "successful", "unsuccessful"):
        yield path["transaction"]
    if (body.get("realTime") or {}).get("transaction"):
        yield body["realTime"]["transaction"]


def _rewrite(body: Body, change: Callable[[str], str]) -> None:
    """Change every 271."""
    for inner in _transactions(body):
        if "x12-271" in inner:
            inner["x12-271"] = change(inner["x12-271"])


def _rename(record: Body, old: str, new: str) -> None:
    if old in record:
        record[new] = record.pop(old)


def _end_spelling(body: Body, _poll: Poll) -> None:
    _rename(body, "endDateTime", "endDatetime")


def _end_empty(body: Body, _poll: Poll) -> None:
    body.setdefault("endDateTime", "")


def _end_null(body: Body, _poll: Poll) -> None:
    body.setdefault("endDateTime", None)


def _nine_digits(body: Body, _poll: Poll) -> None:
    def nine(text: str) -> str:
        whole, _, fraction = text.rstrip("Z").partition(".")
        return f"{whole}.{fraction:0<9}Z"

    for name in ("startDateTime", "endDateTime"):
        if body.get(name):
            body[name] = nine(body[name])
    for path in _paths(body):
        path["timestamp"] = nine(path["timestamp"])


def _eligibile(body: Body, _poll: Poll) -> None:
    for inner in _transactions(body):
        if inner["status"] == "eligible":
            inner["status"] = "eligibile"


def _payerid_change(body: Body, _poll: Poll) -> None:
    for inner in _transactions(body):
        _rename(inner, "chcPayerId", "payeridCHANGEME")


def _isa_103(body: Body, _poll: Poll) -> None:
    def short(text: str) -> str:
        row = text.split("*", 9)
        row[8] = row[8][:12]
        return "*".join(row)

    _rewrite(body, short)


def _se01(body: Body, _poll: Poll) -> None:
    _rewrite(body, lambda text: re.sub(r"~SE\*(\d+)\*", lambda m: f"~SE*{int(m[1]) + 9}*", text))


def _iea_newline(body: Body, _poll: Poll) -> None:
    _rewrite(body, lambda text: text + "\n")


def _literal_string(body: Body, _poll: Poll) -> None:
    _rewrite(body, lambda _text: "string")


def _isa04(body: Body, _poll: Poll) -> None:
    _rewrite(body, lambda text: re.sub(r"^ISA\*00\*(.{10})\*00\*.{10}", r"ISA*00*\1*01*NOTSECRET ", text))


def _same_path_id(body: Body, poll: Poll) -> None:
    for path in _paths(body):
        path["id"] = poll.task.paths[0].id


def _same_path_name(body: Body, poll: Poll) -> None:
    for path in _paths(body):
        path |= {"name": poll.task.paths[0].name, "timestamp": body["startDateTime"]}


def _revised(body: Body, poll: Poll) -> None:
    if poll.concluded < 2:
        return
    for path in _paths(body, "successful", "unsuccessful", "skipped"):
        path["description"] = "read again by the payer"
        path["timestamp"] = iso((from_iso(path["timestamp"]) or 0) + 1000)


def _realtime(body: Body, poll: Poll) -> None:
    body["realTime"] = poll.task.real_time()


def _realtime_empty(body: Body, _poll: Poll) -> None:
    body["realTime"] = {}


def _realtime_null(body: Body, _poll: Poll) -> None:
    body["realTime"] = None


def _realtime_flicker(body: Body, poll: Poll) -> None:
    if poll.count % 2 == 0:
        body["realTime"] = poll.task.real_time()


def _bare_pending(body: Body, _poll: Poll) -> None:
    for path in _paths(body, "pending"):
        for name in ("id", "timestamp", "transaction"):
            path.pop(name, None)


def _commas(body: Body, _poll: Poll) -> None:
    for name in ("traceId", "correlationId"):
        if name in body:
            body[name] += ","


def _success_alone(body: Body, poll: Poll) -> None:
    if poll.concluded:
        body["status"] = "success"
        body["discoveryPaths"]["successful"] = []


def _late_skip(body: Body, poll: Poll) -> None:
    if poll.task.end is not None:
        for path in _paths(body, "skipped"):
            path["timestamp"] = iso(poll.task.end + 50 * 60_000)


def _unknown_status(body: Body, poll: Poll) -> None:
    body["status"] = poll.argument


def _no_status(body: Body, _poll: Poll) -> None:
    del body["status"]


def _no_lists(body: Body, _poll: Poll) -> None:
    del body["discoveryPaths"]


def _wrong_id(body: Body, poll: Poll) -> None:
    # where there is no other task, the same body under another id is as wrong
    other = poll.other or {**body, "id": poll.task.id[::-1]}
    body.clear()
    body.update(other)


# _bare_pending, _no_lists, _no_status and _wrong_id take away what others read, so they come last.
QUIRKS: dict[str, Callable[[Body, Poll], None]] = {
    "realtime": _realtime,
    "realtime_empty": _realtime_empty,
    "realtime_null": _realtime_null,
    "realtime_flicker": _realtime_flicker,
    "revised": _revised,
    "success_alone": _success_alone,
    "late_skip": _late_skip,
    "same_path_id": _same_path_id,
    "same_path_name": _same_path_name,
    "nine_digits": _nine_digits,
    "end_spelling": _end_spelling,
    "end_empty": _end_empty,
    "end_null": _end_null,
    "eligibile": _eligibile,
    "payerid_change": _payerid_change,
    "isa04": _isa04,
    "isa_103": _isa_103,
    "se01": _se01,
    "iea_newline": _iea_newline,
    "literal_string": _literal_string,
    "commas": _commas,
    "unknown_status": _unknown_status,
    "bare_pending": _bare_pending,
    "no_lists": _no_lists,
    "no_status": _no_status,
    "wrong_id": _wrong_id,
}


def spoil(body: Body, polls: dict[str, Poll]) -> None:
    """Apply the named quirks, each with its poll."""
    for name, quirk in QUIRKS.items():
        if name in polls:
            quirk(body, polls[name])


def deny(body: Body) -> None:
    """Turn what a concluded task found into its opposite, as in a forged callback."""
    lists = body["discoveryPaths"]
    found = body["status"] == "success"
    body["status"] = "failure" if found else "success"
    old, new = ("successful", "unsuccessful") if found else ("unsuccessful", "successful")
    moved = lists[old] if found else lists[old][:1]
    lists[old] = [path for path in lists[old] if path not in moved]
    lists[new] += moved
    for path in moved:
        path["transaction"]["status"] = "ineligible" if found else "eligible"

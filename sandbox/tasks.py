"""A discovery task: its paths as the timetable has them, and its body at a given moment."""

from dataclasses import dataclass
from typing import Any

from sandbox.inquiry import Inquiry
from sandbox.timetable import Path
from sandbox.transactions import Transaction
from sandbox.x12text import write_271
from worker.core.instant import iso


@dataclass(frozen=True, slots=True)
class Parent:
    """The real-time transaction that set a task off."""

    id: str
    at: int
    status: str
    payer: tuple[str, str]
    x12: str | None


@dataclass(frozen=True, slots=True)
class Task:
    """One task. ``start`` and the paths' instants are milliseconds UTC; ``parent`` is a real-time check."""

    id: str
    name: str
    type: str
    start: int
    trace_id: str
    correlation_id: str
    ask: Inquiry
    paths: tuple[Path, ...]
    parent: Parent | None = None
    callback_url: str = ""

    @property
    def end(self) -> int | None:
        """When the last path is done; ``None`` if that never happens."""
        ends = [path.end for path in self.paths]
        return None if None in ends else max((e for e in ends if e is not None), default=self.start)

    def status_at(self, now: int) -> str:
        """``pending``, ``success`` or ``failure``."""
        end = self.end
        if end is None or now < end:
            return "pending"
        return "success" if any(path.status == "eligible" for path in self.paths) else "failure"

    def phase(self, now: int) -> int:
        """How many paths are done; the body changes only when this number does."""
        return sum(path.end is not None and path.end <= now for path in self.paths)

    def body(self, now: int, tenant_name: str) -> dict[str, Any]:
        """The task as the vendor shows it at ``now``."""
        lists: dict[str, list[dict[str, Any]]] = {"successful": [], "unsuccessful": [], "pending": [], "skipped": []}
        for path in self.paths:
            where = path.list_at(now)
            lists[where].append(self._path(path, where))
        body: dict[str, Any] = {
            "id": self.id,
            "status": self.status_at(now),
            "tenantName": tenant_name,
            "traceId": self.trace_id,
        }
        if self.correlation_id:
            body["correlationId"] = self.correlation_id
        body |= {"name": self.name, "type": self.type, "startDateTime": iso(self.start)}
        if body["status"] != "pending" and self.end is not None:
            body["endDateTime"] = iso(self.end)
        body["discoveryPaths"] = lists
        return body

    def _path(self, path: Path, where: str) -> dict[str, Any]:
        if where == "pending":
            return {"id": path.id, "name": path.name, "timestamp": iso(self.start), "transaction": {}}
        end = self.start if path.end is None else path.end
        if where == "skipped":
            return {"id": "", "name": path.name, "timestamp": iso(end), "reason": path.reason}
        return {
            "id": path.id,
            "name": path.name,
            "timestamp": iso(path.begin),
            "transaction": _abbreviated(path, self.ask, end),
        }

    def real_time(self) -> dict[str, Any]:
        """The ``realTime`` object: the check that began the task, ``{}`` where none did."""
        parent = self.parent
        if parent is None:
            return {}
        inner = {"id": parent.id, "status": parent.status, "chcPayerId": parent.payer[0]}
        if parent.x12 is not None:
            inner["x12-271"] = parent.x12
        return {"id": parent.id, "name": "Real Time", "timestamp": iso(parent.at), "transaction": inner}


def _abbreviated(path: Path, ask: Inquiry, at: int) -> dict[str, str]:
    """The transaction of a path that has run, as it stands inside a task."""
    inner = {"id": path.transaction_id, "status": path.status, "chcPayerId": path.payer[0]}
    text = write_271(ask, path.status, path.family, path.payer, at, path.control)
    if text is not None:
        inner["x12-271"] = text
    return inner


def transaction_of(path: Path, at: int, task: Task) -> Transaction:
    """The same as a transaction of its own, as the vendor's list of transactions shows it."""
    return Transaction(
        id=path.transaction_id,
        at=at,
        ask=task.ask,
        status=path.status,
        family=path.family,
        payer=path.payer,
        control=path.control,
        correlation_id=task.correlation_id,
        source_type="autosubmit",
        source_id=task.parent.id if task.parent else "",
    )

"""What the list of tasks can lie about; one task, asked for by its id, is still told as it is.

First it is decided which tasks there are and how they stand, then the query chooses among them, then come the pages,
and at last the rows are spoiled. So a task whose status is a lie is found by the status that it is shown with.
"""

import random
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from sandbox.ledger import TENANT_NAME, Ledger
from sandbox.lists import Window
from sandbox.tasks import Task
from sandbox.timetable import Path, new_id
from sandbox.wire import Reply, json_reply
from worker.core.instant import duration

FOREIGN_TENANT_NAME = "Another Customer"
_NO_OBJECTS: tuple[Any, ...] = (None, 17, "string", [], True)
_ODD_IDS: tuple[Any, ...] = (17.5, None, "", [], {}, True, "x12", "../healthcheck", "a" * 10_000, "two words")


def lying_list(told: Mapping[str, str], window: Window, ledger: Ledger, now: int) -> Reply:
    """The list as the faults in ``told`` have it; they come with their arguments."""
    return _Lies(told, window, ledger, now).reply()


class _Lies:
    def __init__(self, told: Mapping[str, str], window: Window, ledger: Ledger, now: int) -> None:
        self._told, self._window, self._ledger = told, window, ledger
        stale = told.get("list_stale")
        self._now = now - (round(duration(stale) / ledger.speed) if stale else 0)

    def reply(self) -> Reply:
        rows, link = self._page(self._chosen())
        bodies = [self._row(task, tenant) for task, tenant in rows]
        if "list_many" in self._told:
            missing = int(self._told["list_many"]) - len(bodies)
            bodies += [{"id": f"none-{n}", "status": "pending"} for n in range(missing)]
        return json_reply(200, bodies, *link)

    def _draw(self, what: str, task: Task) -> int:
        """A number that a task keeps for good."""
        text = f"{self._ledger.seed}|{what}|{task.id}"
        return int.from_bytes(blake2b(text.encode(), digest_size=7).digest())

    def _meant(self, name: str, task: Task) -> bool:
        """Whether a fault that is for so many per cent of the tasks is for this one."""
        return name in self._told and self._draw(name, task) % 100 < int(self._told[name])

    def _chosen(self) -> list[tuple[Task, str]]:
        """The rows that the query finds, each with the name of its tenant."""
        tenants: dict[str, str] = {}
        tasks: list[Task] = []
        for real in self._ledger.tasks.values():
            if real.start > self._now or self._meant("list_missing", real):
                continue
            task = _turned(real, self._now) if self._meant("list_wrong_status", real) else real
            tasks.append(task)
            for name in ("list_invented", "list_foreign"):
                if self._meant(name, real):
                    twin = self._renamed(task, name)
                    tasks.append(twin)
                    if name == "list_foreign":
                        tenants[twin.id] = FOREIGN_TENANT_NAME
        window = self._window
        if "list_any_status" in self._told:
            window = replace(window, statuses=())
        if "list_any_time" in self._told:
            window = replace(window, start=None, end=None)
        found = window.tasks(tasks, self._now)
        if "list_unsorted" in self._told:
            found.sort(key=lambda task: self._draw("list_unsorted", task))
        return [(task, tenants.get(task.id, TENANT_NAME)) for task in found]

    def _renamed(self, task: Task, why: object) -> Task:
        return replace(task, id=new_id(random.Random(f"{self._ledger.seed}|{why}|{task.id}")))

    def _page(self, rows: list[tuple[Task, str]]) -> tuple[list[tuple[Task, str]], list[tuple[str, str]]]:
        """The rows of this page, and the ``link`` header if there is a next one."""
        told, asked, limit = self._told, self._window.offset, self._window.limit
        begin, after = asked, asked + limit * int(told.get("list_over_limit", "1"))
        length = after - asked
        if "list_page_number" in told:
            begin, after = asked * limit, asked + 1
        shift = int(told.get("list_skips", "0")) - int(told.get("list_repeats", "0"))
        begin = max(0, begin + asked // limit * shift)
        if "list_endless" in told and rows:
            more = range(max(0, begin - len(rows)), max(0, begin + length - len(rows)))
            page = rows[begin : begin + length]
            page += [(self._renamed(rows[n % len(rows)][0], n), TENANT_NAME) for n in more]
        else:
            page = rows[begin : begin + length]
        further = "list_endless" in told or begin + length < len(rows)
        return page, self._window.next(after) if further else []

    def _row(self, task: Task, tenant: str) -> Any:
        if self._meant("list_no_objects", task):
            return _NO_OBJECTS[self._draw("kind", task) % len(_NO_OBJECTS)]
        body = task.body(self._now, tenant)
        if "list_status" in self._told:
            body["status"] = self._told["list_status"]
        if "list_bare" in self._told:
            body = {name: body[name] for name in ("id", "status")}
        if self._meant("list_odd_id", task):
            body["id"] = _ODD_IDS[self._draw("kind", task) % len(_ODD_IDS)]
        if self._meant("list_no_id", task):
            del body["id"]
        return body


def _turned(task: Task, now: int) -> Task:
    """The task as it is not: concluded now and otherwise than it will be, or, where it is concluded, pending."""
    if task.status_at(now) != "pending":
        ran = [n for n, path in enumerate(task.paths) if path.status] or [len(task.paths) - 1]
        paths = list(task.paths)
        paths[ran[-1]] = replace(paths[ran[-1]], end=None, reason="")
        return replace(task, paths=tuple(paths))
    found = any(path.status == "eligible" for path in task.paths)
    paths = [_ended(path, now) for path in task.paths]
    paths = [replace(path, status="patient_unknown") if path.status == "eligible" else path for path in paths]
    if not found:
        last = next(n for n, path in enumerate(task.paths) if path.list_at(now) == "pending")
        paths[last] = replace(paths[last], status="eligible", reason="")
    return replace(task, paths=tuple(paths))


def _ended(path: Path, now: int) -> Path:
    if path.list_at(now) != "pending":
        return path
    return replace(path, begin=min(path.begin, now), end=now)

"""The lane that asks the vendor's list, step by step on a clock that stands still, against a sandbox over HTTP."""

import json
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode

from sandbox import examples
from sandbox.wire import Reply, Request
from tests.support.cdpoll_process import House
from tests.support.kept_log import KeptLog
from tests.support.sandbox_client import Rig
from worker.config import load
from worker.daemon.backfill_lane import BackfillLane
from worker.daemon.lane import Surroundings
from worker.daemon.vendor_list import lister_of
from worker.store.opening import open_store
from worker.store.state import backfill

MOST_STEPS = 2_000


class SweepRig(Rig):
    """A sandbox, a house whose configuration has ``[backfill]``, and the lane. ``asked`` counts the queries of the
    list."""

    def __init__(self, folder: Path, faults: str = "", /, **keys: str) -> None:
        """Without a key of ``[backfill]`` it has the usual ones; with an empty one, there is no such section."""
        super().__init__(faults, check=False)
        self._folder, self._keys = folder, keys
        self.asked: Counter[str] = Counter()
        self._answer = self.sandbox.vendor.answer
        self.sandbox.vendor.answer = self.answer  # type: ignore[method-assign]
        self._said: dict[str, dict[str, Any]] = {}
        self._without = ""
        self.log = KeptLog()
        self.stop = threading.Event()

    def answer(self, request: Request, now: int) -> Reply:
        if request.method == "GET" and request.path.endswith("/coverage-discovery"):
            self.asked[request.query] += 1
            pairs = [(name, value) for name, value in parse_qsl(request.query) if name != self._without]
            return self._spoiled(self._answer(replace(request, query=urlencode(pairs)), now))
        return self._answer(request, now)

    def say_of_rows(self, said: dict[str, dict[str, Any]], without: str = "") -> None:
        """Let the rows of these ids say so; ``None``: nothing. ``without``: the vendor ignores this filter."""
        self._said, self._without = said, without

    def _spoiled(self, reply: Reply) -> Reply:
        if not self._said or reply.status != 200:
            return reply
        rows = [row | self._said.get(row["id"], {}) for row in json.loads(reply.body)]
        kept = [{key: value for key, value in row.items() if value is not None} for row in rows]
        return replace(reply, body=json.dumps(kept).encode())

    def __enter__(self) -> Self:
        super().__enter__()
        self.house = House(
            self._folder, self.sandbox, **{"backfill_every": "1h", "backfill_overlap": "1d"} | self._keys
        )
        self.house.record("first")
        self.house.rows("DELETE FROM tasks")
        self.store = open_store(self.house.database)
        self.lane = self.open_lane()
        return self

    def open_lane(self, *, once: bool = False) -> BackfillLane:
        """A lane that remembers nothing, as after a start of the daemon."""
        config = load(str(self.house.config), {})
        around = Surroundings(self.clock, self.log, self.stop, once)
        return BackfillLane(config, lister_of(config), self.store, around)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lane.close()
        self.store.close()
        super().__exit__(kind, error, trace)

    def begin(
        self, count: int, words: str = "NOW-NOTHING", *, every: int = 1_000, correlation_id: str = ""
    ) -> list[str]:
        """Let discoveries begin, one every so many ms; their ids."""
        self.token = ""  # an old one may have expired
        before = len(self.sandbox.tasks)
        headers = {"x_optum_correlation_id": correlation_id} if correlation_id else {}
        for n in range(count):
            self.clock.advance(every)
            self.call("POST", "", examples.real_time_request(before + n, 1, words), **headers)
        begun = [task.id for task in self.sandbox.tasks[before:]]
        assert len(begun) >= count
        return begun

    def step(self) -> None:
        """One step, at the time at which the lane wants it."""
        next_at = self.lane.run(self.clock.at)
        self.clock.advance(max(1, next_at - self.clock.at))

    def sweep(self) -> None:
        """Steps until one more sweep has ended."""
        ended = self.row.ended_at
        for _ in range(MOST_STEPS):
            self.step()
            if self.row.ended_at != ended:
                return
        raise AssertionError(f"the sweep does not end: {self.row}")

    @property
    def row(self) -> backfill.BackfillRow:
        return backfill.get(self.store)

    @property
    def recorded(self) -> dict[str, str]:
        """The ids, each with its source."""
        return {row["id"]: row["source"] for row in self.store.read("SELECT id, source FROM tasks")}

    def queries(self) -> list[dict[str, Any]]:
        return [dict(parse_qsl(query)) for query in self.asked]

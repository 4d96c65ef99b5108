"""A way out that answers as a test says, and remembers what it was given. And results to be delivered."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.database import DONE, conclude, record, seq_of
from tests.support.kept_log import KeptLog
from worker.core.delivery import Delivered, Letter, LetterRefused, ReceiverDown, Sent
from worker.rounds.deliver.choosing import WayRules
from worker.rounds.deliver.round import Around, DeliverRound
from worker.store import deliveries
from worker.store.db.store import Store

SCHEDULE_MS = (5_000, 300_000)
RULES = WayRules("mirth", SCHEDULE_MS)

DOWN = ReceiverDown("timeout", "no answer within 20 s")
BUSY = ReceiverDown("http_429", "too many requests", 30_000, counts=False)
REFUSED = LetterRefused("http_500", "the receiver failed")


class ScriptedWay:
    """``answer``: what it says to a letter; at first that each is delivered."""

    def __init__(self, answer: Callable[[Letter], Sent] = lambda _: Delivered()) -> None:
        self.answer = answer
        self.tried: list[int] = []
        self.sent: list[Letter] = []
        self.closed = False

    def send(self, letter: Letter, now: int) -> Sent:
        self.tried.append(letter.number)
        told = self.answer(letter)
        if isinstance(told, Delivered):
            self.sent.append(letter)
        return told

    def close(self) -> None:
        self.closed = True

    @property
    def numbers(self) -> list[int]:
        """Of what was delivered."""
        return [letter.number for letter in self.sent]


def answering(answers: dict[int, Sent]) -> Callable[[Letter], Sent]:
    """By the number of the letter; others are delivered."""
    return lambda letter: answers.get(letter.number, Delivered())


class Delivering:
    """A round over one way, a step at a time, by a clock that stands still while a step lasts."""

    def __init__(self, store: Store, way: ScriptedWay | None = None, now: int = 0, *, once: bool = False) -> None:
        self.store = store
        self.way = way or ScriptedWay()
        self.now = now
        self.rules = RULES
        self.log = KeptLog()
        self.once = once
        self.stopped = False
        self.passed = 0
        self.begin()

    def begin(self) -> None:
        """A new process."""
        around = Around(self.log, lambda: self.passed, lambda: self.stopped, once=self.once)
        self.round = DeliverRound(self.store, self.rules, self.way, around)

    def until_idle(self, most: int = 1_000) -> None:
        """Steps at this instant, until there is nothing to be done."""
        for _ in range(most):
            if self.round.run(self.now) > self.now:
                return
        raise AssertionError("it never comes to rest")

    def rows(self) -> list[tuple[Any, ...]]:
        """(number, state, attempts, wait from now) of what is not delivered."""
        rows = self.store.read("SELECT number, state, attempts, next_at FROM deliveries ORDER BY number")
        return [(row["number"], row["state"], row["attempts"], row["next_at"] - self.now) for row in rows]

    @property
    def place(self) -> deliveries.Position:
        found = deliveries.position(self.store, self.rules.name)
        assert found is not None
        return found


def results(store: Store, ids: Sequence[str], **about: Any) -> None:
    """Tasks that are concluded with coverage, one after the other."""
    record(store, *ids, **about)
    for task_id in ids:
        conclude(store, {**DONE, "id": task_id}, seq_of(store, task_id))


def body_of(letter: Letter) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(letter.body)
    return found

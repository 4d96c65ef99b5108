"""What the simulated vendor remembers: its transactions, its tasks, and who has asked what before."""

import random
from collections import Counter
from dataclasses import dataclass

from sandbox.callback.deliveries import Deliveries
from sandbox.callback.target import Target
from sandbox.inquiry import Inquiry, valid_npi
from sandbox.steering import Course
from sandbox.tasks import Parent, Task, transaction_of
from sandbox.timetable import CACHE_MS, NAMES, Path, Tempo, new_id, plan
from sandbox.transactions import Transaction
from sandbox.wire import encode

TENANT_NAME = "Sandbox Customer"
_MOST_BODIES = 4096
_ODD = str.maketrans("ae179", "Qz_.~")


def _parent(made: Transaction) -> Parent:
    return Parent(made.id, made.at, made.status, made.payer, made.x12())


@dataclass(frozen=True, slots=True)
class Submission:
    """One request that makes a transaction or tasks, as understood. ``at`` is milliseconds UTC."""

    ask: Inquiry
    course: Course
    chance: random.Random
    correlation_id: str
    at: int


class Ledger:
    """The vendor's state. Instants are milliseconds UTC; ``tempo.speed`` divides every time span.

    What is drawn is drawn from the seed together with the inquiry and how often it was made before, never from the
    order of calls: a rehearsal runs the same way however many requests are in flight.
    """

    def __init__(self, seed: int, tempo: Tempo, callback: Target | None = None) -> None:
        self.seed, self._tempo = seed, tempo
        self.deliveries = Deliveries(callback, tempo.speed)
        self.tasks: dict[str, Task] = {}
        self.transactions: dict[str, Transaction] = {}
        self.first: dict[str, tuple[Transaction, str]] = {}
        self.ids = random.Random(f"{seed}|ids")
        self._asked: Counter[str] = Counter()
        self._cache: dict[tuple[str, str], int] = {}
        self._bodies: dict[tuple[str, int], bytes] = {}

    def chance(self, what: str, ask: Inquiry, *, dry_run: bool = False) -> random.Random:
        """The draws of one submission; those of a dry run are the draws of the submission that would follow it."""
        turn = self._asked[ask.key] + 1
        if not dry_run:
            self._asked[ask.key] = turn
        return random.Random(f"{self.seed}|{what}|{ask.key}|{turn}")

    def transact(self, submission: Submission) -> Transaction:
        """Make and keep the transaction of a real-time check."""
        ask, way, chance = submission.ask, submission.course, submission.chance
        no_npi = not valid_npi(ask.npi)
        made = Transaction(
            id=new_id(chance),
            at=submission.at,
            ask=ask,
            status="processing_error" if no_npi else way.answer,
            family="HMO" if way.hmo else "Commercial",
            payer=(ask.payer_id or "SBXPAYER", ask.payer_name or ask.payer_id or "INVENTED PAYER"),
            control=int(ask.control_number) if ask.control_number.isdigit() else chance.randrange(1, 1_000_000_000),
            correlation_id=submission.correlation_id,
            hmo=way.hmo,
            no_npi=no_npi,
        )
        self.transactions[made.id] = made
        return made

    def setups(self, way: Course) -> list[str]:
        """The task set-ups that a course calls for."""
        order = ["chained", "serial", "extra"] if way.kind == "chained" else ["serial", "chained", "extra"]
        return order[: way.tasks]

    def dry_run(self, way: Course, chance: random.Random, now: int) -> list[tuple[Path, ...]]:
        """The paths of the tasks that would begin."""
        planned = []
        for setup in self.setups(way):
            new_id(chance), new_id(chance)  # as begin() draws them
            planned.append(plan(setup, way, now, self._tempo, chance, lambda _family, _at: False))
        return planned

    def begin(
        self,
        submission: Submission,
        *,
        parent: Transaction | None = None,
        callback_url: str = "",
        odd_ids: bool = False,
    ) -> list[Task]:
        """Begin the tasks of a course, and keep them and the transactions of their paths."""
        ask, way, chance, now = submission.ask, submission.course, submission.chance, submission.at
        begun = []
        for setup in self.setups(way):
            plain_id = new_id(chance)
            task = Task(
                id=plain_id[:-1].translate(_ODD) if odd_ids else plain_id,
                name=NAMES[setup],
                type="serial" if setup == "serial" else "chained",
                start=now,
                trace_id=new_id(chance),
                correlation_id=submission.correlation_id,
                ask=ask,
                paths=plan(setup, way, now, self._tempo, chance, lambda family, at: self._cached(ask, family, at)),
                parent=None if parent is None else _parent(parent),
                callback_url=callback_url,
            )
            begun.append(task)
            self.tasks[task.id] = task
            self.deliveries.expect(task)
            for path in task.paths:
                if path.status and path.end is not None:
                    self.transactions[path.transaction_id] = transaction_of(path, path.end, task)
        return begun

    def _cached(self, ask: Inquiry, family: str, at: int) -> bool:
        """Whether an equal request went out within 72 hours; if none did, this one does, now."""
        last = self._cache.get((family, ask.key))
        if last is not None and at < last + CACHE_MS / self._tempo.speed:
            return True
        self._cache[family, ask.key] = at
        return False

    def task_bytes(self, task: Task, now: int) -> bytes:
        """The body of a task at ``now``, kept until one more of its paths is done."""
        key = (task.id, task.phase(now))
        if key not in self._bodies:
            if len(self._bodies) >= _MOST_BODIES:
                del self._bodies[next(iter(self._bodies))]
            self._bodies[key] = encode(task.body(now, TENANT_NAME))
        return self._bodies[key]

"""The learned schedule at work: what it knows, what it hears, and when it looks.

It puts together the parts that say how: curves and chances (forecast.py, prior.py), the look that pays best (worth.py),
the account that keeps it from asking more than the written cadence would (allowance.py), and the price (price.py).
It lives in the memory of one process; :class:`Knowledge` is what is stored. Instants, ages and durations are ms.
"""

from collections.abc import Mapping
from typing import NamedTuple

from worker.core.schedule.cadence import Schedule
from worker.core.schedule.credit import account, best_look, plan, spared_by, written_looks
from worker.core.schedule.delay_per_request import Load, outdated, price_after
from worker.core.schedule.hazard import Curve, Forecast, forecast, learn, watch
from worker.core.schedule.inspection import Basis, Choice, why
from worker.core.schedule.prior import prior
from worker.core.task import Look, Task
from worker.core.vendor.reply import Concluded, Pending, Reply

# The looks that a schedule has planned. Those after failures, and those that people ask for, are no part of it.
PLANS = frozenset({"first", "learned", "cadence"})

# A curve changes little by one look among many: after the first few, its hazards are computed anew every so many.
FEW, ANEW = 20, 100

# Of the looks that pay best, so many are remembered for each class.
_REMEMBERED = 5_000

_UNSEEN = "unseen"


class Knowledge(NamedTuple):
    """What was learned: a curve for each class, the price of a request in ms of waiting, and the requests spared."""

    curves: Mapping[str, Curve]
    price: float
    spared: int


class Learned:
    """When to look at tasks, from what was seen of others. ``floor`` is the ``price_floor`` in ms."""

    def __init__(self, schedule: Schedule, floor: float, known: Knowledge) -> None:
        self.schedule = schedule
        self.floor = floor
        self.price = max(floor, known.price)
        self.spared = known.spared
        self.changed: set[str] = set()  # classes whose curves are not stored yet
        self._curves = dict(known.curves)
        self._odds: dict[str, Forecast] = {}
        self._looks: dict[str, dict[tuple[int, int], Choice]] = {}
        self._news: dict[str, int] = {}
        self._watched: dict[str, list[tuple[int, int]]] = {}  # seen pending, and not in the curves yet

    @property
    def known(self) -> Knowledge:
        """What is worth storing. A snapshot: it does not change later."""
        for kind in tuple(self._watched):
            self._curve(kind)
        return Knowledge(dict(self._curves), self.price, self.spared)

    def go_back(self, known: Knowledge) -> None:
        """Forget what was heard since ``known``: it was not stored, and will be heard again. Nor was anything else."""
        self._curves, self.price, self.spared = dict(known.curves), known.price, known.spared
        self._watched.clear()
        self._odds.clear()
        self._looks.clear()
        self.changed = set(known.curves)

    def odds(self, kind: str) -> Forecast:
        """The forecast for a class of task."""
        found = self._odds.get(kind)
        if found is None:
            found = self._odds[kind] = forecast(self._curve(kind), prior(self.schedule, self.floor))
        return found

    def next_look(self, task: Task, now: int) -> Look:
        """When to look again at a task that was seen pending ``now``; it is paid for (see allowance.py)."""
        begin = now - task.age(now)
        return self._plan(task, begin, now)

    def first_wait(self) -> int | None:
        """The wait from recording to the first look; ``None``: as the cadence says.

        Where requests are scarce it may be longer than the written one. A shorter one is asked for only where much has
        been spared: whoever records tasks does not keep the account.
        """
        made = plan(_UNSEEN, 0, 0, self.odds(_UNSEEN), self.price, 0, self.schedule)
        if self.spared >= 1000:
            made = plan(_UNSEEN, 0, 0, self.odds(_UNSEEN), self.price, 1, self.schedule)
        return made.choice.wait

    def replanned(self, task: Task, now: int) -> Look | None:
        """A later look for a task that falls due, if it was planned when requests were much cheaper."""
        if task.why not in PLANS or task.price is None or not outdated(task.price, self.price):
            return None
        last = task.seen_at if task.seen_at is not None else task.recorded_at
        look = self._plan(task, last - task.age(last), last)
        due = last + look.wait
        return look._replace(wait=due - now) if due > now else None

    def heard(self, task: Task, reply: Reply, now: int) -> None:
        """Learn from one look at a task; ``task`` is as it was before, ``why`` telling what the look was for."""
        if not isinstance(reply, Pending | Concluded) or task.state != "pending" or task.life_from != task.recorded_at:
            return  # after a fresh start, a task's age is not that of its discovery
        if reply.document.started_at is not None and reply.document.started_at != task.started_at:
            task = task._replace(started_at=reply.document.started_at)
        begin = now - task.age(now)
        known = max(0, task.seen_at - begin) if task.seen_at is not None else 0
        ended = isinstance(reply, Concluded)
        end = None
        if isinstance(reply, Concluded) and reply.document.ended_at is not None and reply.document.ended_at >= begin:
            end = reply.document.ended_at - begin
        if ended:
            self._curves[task.kind] = learn(self._curve(task.kind), known, now - begin, end, self.odds(task.kind))
        else:
            self._watch(task.kind, known, now - begin)
        self._news_of(task.kind)
        if task.why in PLANS:
            self._settle(task, begin, known, now - begin, end, ended=ended)

    def load(self, load: Load, rate: float) -> None:
        """Let the price float; ``rate`` is what the limiter allows a second."""
        self.price = price_after(self.price, load, rate, self.floor)

    def _plan(self, task: Task, begin: int, seen_at: int) -> Look:
        entry = _entry(task, begin)
        known = seen_at - begin if task.seen_at is not None else 0
        best = self._best(task.kind, known) if entry <= known else None
        odds, price = self.odds(task.kind), self.price
        made = plan(task.id, task.polls, known, odds, price, self.spared, self.schedule, entry=entry, best=best)
        self.spared = account(self.spared, -made.cost)
        basis = "cadence" if made.choice.basis == "cadence" else "learned"
        return Look(made.choice.wait, basis, round(self.price))

    def _best(self, kind: str, known: int) -> Choice:
        """The look that pays best; for ages and prices within a hundredth the same, since to find it takes 50 µs."""
        known, price = rounded(known), rounded(round(self.price))
        looks = self._looks.setdefault(kind, {})
        found = looks.get((known, price))
        if found is None:
            if len(looks) > _REMEMBERED:
                looks.clear()
            found = looks[known, price] = best_look(known, known, self.odds(kind), price, self.schedule)
        return found

    def _watch(self, kind: str, known: int, age: int) -> None:
        """A task was pending from ``known`` to ``age``. Most news is that, and many at once cost a tenth of each."""
        if age > known:
            self._watched.setdefault(kind, []).append((known, age))

    def _curve(self, kind: str) -> Curve:
        """With all that was watched."""
        curve = self._curves.get(kind, Curve())
        watched = self._watched.pop(kind, None)
        if watched:
            curve = self._curves[kind] = watch(curve, watched)
        return curve

    def _news_of(self, kind: str) -> None:
        self.changed.add(kind)
        count = self._news[kind] = self._news.get(kind, 0) + 1
        if count < FEW or count % ANEW == 0:
            self._odds.pop(kind, None)
            self._looks.pop(kind, None)

    def _settle(self, task: Task, begin: int, known: int, age: int, end: int | None, *, ended: bool) -> None:
        entry = _entry(task, begin)
        before = max(known, entry)
        looks = written_looks(self.schedule, entry, age) - written_looks(self.schedule, entry, before)
        if task.seen_at is None and looks == 0:
            # `record` planned it, and could not pay.
            self.spared = account(self.spared, -1)
        # Where the end is not told, the written cadence may have seen it with its very next look.
        reached = (end if end is not None else before) if ended else None
        self.spared = account(self.spared, spared_by(self.schedule, entry, before, age, reached))


def explain(task: Task, odds: Forecast, schedule: Schedule) -> str:
    """Why the next look at a task is when it is, in words; for one that the learned schedule has planned."""
    last = task.seen_at if task.seen_at is not None else task.recorded_at
    begin = last - task.age(last)
    known = last - begin if task.seen_at is not None else 0
    due = (task.due_at if task.due_at is not None else last) - begin
    likely, waited = odds.outlook(known, due)
    wait = max(0, due - known)
    basis: Basis = "cadence" if task.why == "cadence" else "learned"
    if abs(wait - schedule.min_interval) <= 1:
        basis = "shortest"
    elif abs(wait - schedule.max_interval) <= 1:
        basis = "longest"
    choice = Choice(wait, likely, waited, basis)
    return why(choice, task.kind, known, task.price or 0)


def rounded(number: int) -> int:
    """To eight binary digits: looks at ages, and prices, that are alike in them are planned alike."""
    unit = 1 << max(0, number.bit_length() - 8)
    return number // unit * unit


def _entry(task: Task, begin: int) -> int:
    """The age at which it was recorded, or begun afresh."""
    return max(0, task.life_from - begin)

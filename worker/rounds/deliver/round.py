"""One way out: take letters from the outbox, send them without any transaction, and write what came of it.

A step sends letters for about a second, and then writes what came of all of them in one transaction. A process that
dies in between sends them again. Where that cannot be written (a full disk, a lock), nothing more is sent until it can:
else each attempt to write would send the same letters once more.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from worker.core.delivery import Delivered, Letter, LetterRefused, ReceiverDown, Sent
from worker.core.errors import place_of
from worker.core.way import Failed, Undone, WayState, after
from worker.rounds.deliver.choosing import WayRules, choose
from worker.rounds.deliver.letters import letters
from worker.rounds.log_lines import Log
from worker.store import deliveries
from worker.store.db.store import Store
from worker.store.deliveries import Settlement

# Of one step, at most. Their rows are made in one transaction.
STEP_LETTERS = 100

# Of letters that are in memory at one time.
MADE_LETTERS = 20

# After this, a step begins no other letter.
SENDING_MS = 1_000

# Pages of the outbox in one step: most numbers may be for other ways.
STEP_PAGES = 10

# How soon a new result is seen, and that a person has started the way again.
LOOK_AGAIN_MS = 1_000


class Way(Protocol):
    """A way out, see worker/gateways/deliver/."""

    def send(self, letter: Letter, now: int) -> Sent: ...

    def close(self) -> None: ...


@runtime_checkable
class Flushing(Protocol):
    """A way that makes several letters sure at one time, which costs one wait for the disk."""

    def flush(self) -> ReceiverDown | None: ...


@dataclass(frozen=True, slots=True)
class Around:
    """What a round is given of its thread. ``ticks`` is the monotonic clock (ms), ``stopped`` whether it is to end.

    ``moves`` is called after each letter. ``once``: each letter is tried once, and what is to be tried later is not.
    """

    log: Log
    ticks: Callable[[], int]
    stopped: Callable[[], bool]
    moves: Callable[[], None] = lambda: None
    once: bool = False


@dataclass(slots=True)
class _Batch:
    """What came of the letters of one step so far."""

    way: WayState
    delivered: list[int] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    revived_after: int | None = None
    over: bool = False

    def settlement(self) -> Settlement:
        return Settlement(self.way, self.delivered, self.failed, self.gone, self.revived_after)


class DeliverRound:
    """Runs one way. :meth:`run` is one step; what it says of itself holds after that step."""

    def __init__(self, store: Store, rules: WayRules, way: Way, around: Around) -> None:
        self._store = store
        self._rules = rules
        self._way = way
        self._around = around
        self._tested = False
        self._behind = 0  # of a run that ends by itself: the last number that was tried
        self.idle = False
        """Whether there was nothing to send."""
        self.down = False
        """Whether the way rests, or was stopped by its receiver."""
        self.unsettled: Settlement | None = None
        """What came of letters that were sent, while it cannot be written."""

    def run(self, now: int) -> int:
        """One step; the instant (ms) at which the next is wanted. Raises StorageFailed and TryLater."""
        if self.unsettled is not None:
            self._settle()
        name = self._rules.name
        place = deliveries.position(self._store, name)
        if place is None:
            deliveries.begin(self._store, name, self._rules.start, now)
            return now
        way = place.way
        rest_over_at = way.rest_over_at(now)
        # People start the process anew after they have mended a receiver: it is tested at once.
        if way.stopped_at is not None or (rest_over_at is not None and self._tested):
            self.idle = self.down = True
            return min(rest_over_at or now + LOOK_AGAIN_MS, now + LOOK_AGAIN_MS)
        undone, more = self._due(place.number, now, probing=way.rests_until is not None)
        if not undone:
            self.idle, self.down = not more, False
            return now if more else self._next_at(now)
        self._tested, self.idle = True, False
        self._send(undone, way, now)
        return now

    def _due(self, number: int, now: int, *, probing: bool) -> tuple[list[Undone], bool]:
        """What is to be sent, and whether there may be more of it already. ``probing``: one letter, to test a receiver;
        one that was never tried, if there is any."""
        store, name = self._store, self._rules.name
        found = self._look(now, probing=probing)
        for _ in range(STEP_PAGES):
            if len(found) == STEP_LETTERS or (probing and found and found[0].last_at is None):
                return found, True
            chosen = choose(store, self._rules, number, STEP_LETTERS, now)
            if chosen is None:
                return found, False
            deliveries.take(store, name, (number, chosen.up_to), chosen.fresh, now)
            number = chosen.up_to
            if chosen.fresh:
                found = self._look(now, probing=probing)
            self._around.moves()
        return found, True

    def _look(self, now: int, *, probing: bool) -> list[Undone]:
        if not probing:
            return deliveries.due(self._store, self._rules.name, now, STEP_LETTERS, self._behind)
        one = deliveries.probe(self._store, self._rules.name, now)
        return [] if one is None else [one]

    def _next_at(self, now: int) -> int:
        next_at = deliveries.next_at(self._store, self._rules.name, now)
        return now + LOOK_AGAIN_MS if next_at is None else min(next_at, now + LOOK_AGAIN_MS)

    def _send(self, undone: Sequence[Undone], way: WayState, now: int) -> None:
        began = self._around.ticks()
        batch = _Batch(way)
        held: set[int | None] = set()
        for row, letter in self._letters(undone):
            at = now + self._around.ticks() - began
            if self._around.stopped() or at - now > SENDING_MS or batch.over:
                break
            if row.task is not None and row.task in held:
                continue
            if self._around.once and way.rests_until is None:  # a probe is not in the order of the numbers
                self._behind = row.number
            if letter is None:
                batch.gone.append(row.number)
                continue
            sent = letter if isinstance(letter, LetterRefused) else self._attempt(letter, at)
            if self._note(batch, row, sent, now + self._around.ticks() - began):
                held.add(row.task)
            self._around.moves()
        down = self._way.flush() if batch.delivered and isinstance(self._way, Flushing) else None
        if down is not None:
            # Nothing of this step is sure, so all of it is sent again.
            batch = _Batch(way)
            self._note(batch, undone[0], down, now + self._around.ticks() - began)
        self.unsettled = batch.settlement()
        self._settle()
        self._tell(way, batch)

    def _letters(self, undone: Sequence[Undone]) -> Iterator[tuple[Undone, Letter | LetterRefused | None]]:
        for start in range(0, len(undone), MADE_LETTERS):
            rows = undone[start : start + MADE_LETTERS]
            made = letters(self._store, rows)
            yield from ((row, made.get(row.number)) for row in rows)

    def _attempt(self, letter: Letter, at: int) -> Sent:
        try:
            return self._way.send(letter, at)
        except Exception as error:
            # Any error: a letter that meets a fault of ours must hold up no other. Its text may quote the letter.
            return LetterRefused("internal", f"a fault in cdpoll itself, {type(error).__name__} at {place_of(error)}")

    def _note(self, batch: _Batch, row: Undone, sent: Sent, at: int) -> bool:
        """Add what came of an attempt; whether the letter is to be tried again, before what else is of its task."""
        told = after(batch.way, row, sent, at, self._rules.schedule_ms)
        if isinstance(sent, Delivered):
            batch.delivered.append(row.number)
        if told.letter is not None:
            batch.failed.append(told.letter)
        if told.revives:
            batch.revived_after = batch.way.last_at or 0
        batch.way = told.way
        batch.over = told.way.rests_until is not None or told.way.stopped_at is not None
        return told.letter is not None and told.letter.state == "failed"

    def _settle(self) -> None:
        if self.unsettled is not None:
            replaced = deliveries.settle(self._store, self._rules.name, self.unsettled)
            self.unsettled = None
            if replaced:
                event = "newer letters were delivered in place of letters that were given up"
                self._around.log.info(event, way=self._rules.name, letters=replaced)

    def _tell(self, before: WayState, batch: _Batch) -> None:
        """Log it: a delivery by its count, a failure by its number and code. Nothing of a letter is in these."""
        log, name, way = self._around.log, self._rules.name, batch.way
        if batch.delivered:
            log.info("delivered", way=name, letters=len(batch.delivered))
        for one in batch.failed:
            if one.state == "dead":
                event = "a letter was given up; `cdpoll deliveries retry` sends it again"
                log.error(event, way=name, seq=one.number, error=one.error, attempts=one.attempts)
            else:
                log.warning("a letter failed", way=name, seq=one.number, error=one.error, attempts=one.attempts)
        if batch.gone:
            log.info("letters whose results were removed or replaced are not sent", way=name, letters=len(batch.gone))
        if way.stopped_at is not None:
            log.error("the receiver wants nothing more; `cdpoll deliveries retry` starts the way", way=name)
        elif way.rests_until is not None and before.rests_until is None:
            log.warning("the way rests", way=name, reason=way.reason)
        elif way.rests_until is None and before.rests_until is not None:
            log.info("the way delivers again", way=name)

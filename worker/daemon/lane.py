"""A lane: one kind of work, with a thread, a store, and steps of its own.

The main thread does signals, beats, notices and the poll lane. Every other lane has a thread (``lane_thread.py``) that
opens a store, makes the lane, takes one step after the other, and tells of faults. So a lane says what is to be done
and when, and nothing of threads, retries or logs.

To add a lane:

1. Write ``worker/daemon/NAME_lane.py`` with a class that has the members of :class:`Lane`. Its :meth:`~Lane.run` is one
   bounded step, and the work itself belongs into ``worker/rounds/NAME/``.
2. Write there ``plan(config, orders) -> LanePlan | None`` as well: ``None`` where the configuration asks for no such
   work. It reads the secrets that the lane needs, so that a missing one is an error of the start.
3. Add ``NAME_lane.plan`` to ``LANES`` in ``assembly.py``. That is all: ``tests/daemon/test_lanes.py`` does it with a
   toy.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from worker.clock import Clock
from worker.rounds.log_lines import Log
from worker.store.db.store import Store


class Lane(Protocol):
    """One kind of work, between two steps. It is used by one thread."""

    @property
    def bound_ms(self) -> int:
        """The longest that the next step may take. While a step lasts longer the watchdog is not fed.

        Beside the number stands the reason for it.
        """

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do now. A run that ends by itself ends when all its lanes are idle."""

    @property
    def exit_code(self) -> int:
        """The exit code of ``run --once`` because of this lane; 0: nothing went wrong."""

    def run(self, now: int) -> int:
        """Take one step; the instant (ms) at which the next is wanted. It may be called before that instant.

        If it raises, the thread closes this object and its store. After a while it makes new ones, which continue from
        the rows of the database.
        """

    def close(self) -> None:
        """Close what the lane has open; the work may be at any step."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a lane may use beside its store. ``stop`` is set when it is to end: a wait on the network ends then.

    ``clock`` is for the deadlines of sockets, in gateways; the steps themselves are given the time. ``once``: the run
    ends by itself. ``moves`` is to be called while a step that may last long moves: its bound begins anew.
    """

    clock: Clock
    log: Log
    stop: threading.Event
    once: bool
    moves: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class LanePlan:
    """A lane to be run. ``failed`` is the event that is logged when a step raises.

    ``after_polls``: take a step when a poll has had a usable reply, also before the instant that the last step named.
    """

    name: str
    failed: str
    open: Callable[[Store, Surroundings], Lane]
    after_polls: bool = False

"""One task as a row of the database says it, why its next poll is due, and the plan of a poll."""

from enum import StrEnum
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:  # `cdpoll record` would pay for the reading of bodies
    from worker.core.vendor.document import Outcome

# pending: it is polled. concluded: the vendor has finished, and its result is stored. abandoned: polls have
# stopped, and `status` says so; a person can revive it, and a late result still concludes it.
State = Literal["pending", "concluded", "abandoned"]

# The longest discovery in a sample took 31 days: a start that lies further back is not believed.
LONGEST_DISCOVERY_MS = 90 * 86_400_000


class DueReason(StrEnum):
    """Why the next poll of a task is due at ``due_at``. It stays while the poll is under way."""

    FIRST = "first"
    """The first poll after recording. `record` plans it, by the cadence or as the learned schedule has last said."""

    LEARNED = "learned"
    """The task was seen pending, and the hazard curve of its class says that a poll then pays best."""

    CADENCE = "cadence"
    """The task was seen pending, and the cadence has its next poll then: because the schedule is the fixed one, or
    because the learned one has no request credit for an earlier poll."""

    GRACE = "grace"
    """The vendor answered 404, which is normal for a while after a discovery has begun (``not_found_grace``)."""

    BACKOFF = "backoff"
    """The last poll was unusable. Each one in a row doubles the wait."""

    SLOW = "slow"
    """The vendor's word for the state of the task is unknown: a person has to see it, so it is polled once an hour."""

    AGAIN = "again"
    """The last answer was about us and not about the task (429, refused credentials, an outage), so the task is due at
    once. The circuit breaker holds it back."""

    HAND = "hand"
    """A person asked for a poll now."""

    RETRY = "retry"
    """A person has given the task a fresh start."""

    CALLBACK = "callback"
    """The first poll after recording, ``callback_grace`` later than it would be without callbacks."""

    NO_CALLBACK = "no_callback"
    """The first poll has waited for a callback. Now it does not: callbacks do not arrive, or are switched off."""

    VERIFY = "verify"
    """The task is concluded by a callback that the vendor is to confirm. No row has this reason: ``verify_at`` says
    it."""


# Polls that a schedule has planned. Those after failures, and those that people ask for, are no part of it.
PLANNED = frozenset({DueReason.FIRST, DueReason.LEARNED, DueReason.CADENCE})


class PollPlan(NamedTuple):
    """The next poll of a task: ``wait_ms`` from now, why, and the delay per request it was planned at, if at any."""

    wait_ms: int
    reason: DueReason
    delay_per_request_ms: int | None = None


class Task(NamedTuple):
    """One row about one discovery. Instants and durations in ms."""

    seq: int
    id: str
    state: State
    recorded_at: int
    life_from: int  # when it was recorded, or last retried by a person
    paused: int = 0  # how long the API has been paused since then
    outcome: "Outcome | None" = None
    name: str | None = None
    started_at: int | None = None  # when the vendor says the discovery began
    due_at: int | None = None
    leased_until: int | None = None  # claimed for a poll until then
    reason: str = DueReason.FIRST  # a DueReason: why it is due at due_at
    polls: int = 0
    failures: int = 0  # unusable polls in a row
    not_found_since: int | None = None
    last_error: str | None = None
    last_poll_at: int | None = None
    last_status: int | None = None  # HTTP status of the last reply, also of a failure
    last_trace_id: str | None = None
    correlation_id: str | None = None
    trace_id: str | None = None
    task_class: str = "unseen"  # see worker/core/schedule/hazard.py
    pending_at: int | None = None  # when the vendor last showed it as pending
    delay_per_request_ms: int | None = None  # at which the next poll was planned, by the learned schedule
    polls_outlived: int = 0  # that came to nothing after ``give_up_after``
    verify_at: int | None = None  # when the vendor is to be asked about what a callback said
    verified: str | None = None  # what the vendor said of that; see worker/core/verification.py

    def age(self, now: int) -> int:
        """The age that schedules go by: of the discovery, or of the fresh start that a person gave it.

        The vendor's own start counts where it is sane: no discovery was seen to last longer than a month.
        """
        if self.life_from != self.recorded_at:
            return max(0, now - self.life_from)
        started = self.started_at
        if started is not None and self.recorded_at - LONGEST_DISCOVERY_MS <= started <= now:
            return now - started
        return max(0, now - self.recorded_at)

    def life(self, now: int) -> int:
        """How long the task has been polled, less the time in which the API was paused."""
        return now - self.life_from - self.paused

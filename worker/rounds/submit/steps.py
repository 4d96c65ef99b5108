"""The steps of one submission that write: a slot of the rate limiter, the intent, and what came of it.

::

    reserve     refuses where the API rests or the day's budget is spent; takes the next slot of the rate limiter
    (a token)
    begin       keeps a lookup for each ref, before the first byte of the request goes out
    (the POST)
    withdraw    nothing had gone out: the lookups end
    settle      records what the answer names, and ends the lookups where all of it is known

A process that is killed between `begin` and `settle` leaves the lookups. The daemon then searches by them. The limiter
alone is changed here, and never the circuit breaker: that judges by polls, of which it can ask for others.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from worker.core.errors import BadData, CredentialsRefused, TryLater, VendorUnreachable
from worker.core.instant import iso
from worker.core.intake.intake import Intake, Lookup, lookup_of
from worker.core.intake.link import Unreadable
from worker.core.pacing.breaker import Breaker
from worker.core.pacing.limiter import RateLimit, charge, eased, grant, slowed
from worker.core.poll_errors import cure_of, in_words
from worker.core.schedule.cadence import Schedule
from worker.core.vendor.submission import Submission
from worker.core.vendor.submitted import Submitted
from worker.store.db.store import Store
from worker.store.state import api, responses
from worker.store.tasks import submissions
from worker.store.tasks.recording import Recorded, record_within

# The longest that a slot is waited for.
SLOT_WAIT_MS = 30_000


class SubmitRules(NamedTuple):
    """What a submission goes by, as configured. ``origin`` is the API's."""

    origin: str
    limit: RateLimit
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class Intent:
    """A submission with the refs that all it begins is for; none: '' alone."""

    submission: Submission
    refs: tuple[str | None, ...] = (None,)

    @property
    def lookups(self) -> tuple[Lookup, ...]:
        """Those to be kept while it is under way. A dry run begins nothing."""
        if self.submission.dry_run:
            return ()
        about = self.submission.about
        return tuple(lookup_of(self.submission.correlation_id, replace(about, ref=ref)) for ref in self.refs)


def reserve(store: Store, intent: Intent, limit: RateLimit, now: int) -> int:
    """Take the next slot; how long to wait for it, ms. Raises where nothing may be sent now.

    A slot that is not free yet is taken ahead of its time, so that polls, which never wait in a queue, do not take each
    that comes free.
    """
    with store.write():
        shared = api.get(store)
        _refuse_rest(shared.breaker, now)
        _refuse_use(store, intent.submission.correlation_id)
        granted = grant(limit, shared.limiter, now, 1)
        limiter, wait_ms = granted.limiter, 0
        if not granted.slots:
            wait_ms = granted.next_at - now
            if wait_ms > SLOT_WAIT_MS:
                at = iso(granted.next_at)
                message = f"[polling] limits the requests: the next one may go at {at}; nothing was submitted"
                raise TryLater(message, "try again then, or raise requests_per_second or daily_budget")
            limiter = charge(limit, shared.limiter, 1, now)
        api.put(store, shared._replace(limiter=limiter))
    return wait_ms


def begin(store: Store, intent: Intent, limit: RateLimit, requests: int, now: int) -> None:
    """Keep the intent. ``requests`` were made for the token. When this returns, it is on the disk."""
    with store.write():
        shared = api.get(store)
        _refuse_rest(shared.breaker, now)
        _refuse_use(store, intent.submission.correlation_id)
        api.put(store, shared._replace(limiter=charge(limit, shared.limiter, requests, now)))
        if intent.lookups:
            submissions.begin(store, intent.lookups, now)


def withdraw(store: Store, intent: Intent) -> None:
    """No byte of its body had gone out."""
    with store.write():
        submissions.end(store, intent.lookups)


def settle(store: Store, intent: Intent, verdict: Submitted, rules: SubmitRules, asked_at: int, now: int) -> Recorded:
    """Record what the answer names, for each ref, and end the lookups where all of it is known; in one transaction."""
    whole = _for_each(intent.refs, verdict.intake)
    with store.write():
        shared = api.get(store)
        limiter = shared.limiter
        if verdict.code in ("http_429", "http_503"):
            limiter = slowed(rules.limit, limiter, asked_at, now)
        elif verdict.kind in ("answered", "in_part"):
            limiter = eased(rules.limit, limiter, now)
        api.put(store, shared._replace(limiter=limiter))
        if verdict.ends:
            submissions.end(store, intent.lookups)
        done = record_within(store, whole, origin=rules.origin, now=now, schedule=rules.schedule)
        if verdict.kind in ("answered", "in_part") and intent.lookups:
            submissions.remember(store, intent.submission.correlation_id, now)
        if not intent.submission.discovery and verdict.kind == "answered":
            silent = not (whole.recordings or whole.unreadable)
            responses.count_within(store, [replace(whole, without_task=int(silent))], now)
    return done


def _for_each(refs: tuple[str | None, ...], intake: Intake) -> Intake:
    lost: dict[Unreadable, None] = {}
    for ref in refs:
        lost.update((replace(item, ref=ref), None) for item in intake.unreadable)
    recordings = tuple(replace(one, ref=ref) for one in intake.recordings for ref in refs)
    return Intake(recordings, tuple(lost))


_RESTING: dict[str, Callable[[str, str], Exception]] = {
    "credentials": CredentialsRefused,
    "rate_limited": TryLater,
    "unreachable": VendorUnreachable,
}


def _refuse_rest(breaker: Breaker, now: int) -> None:
    """A request into a pause would end badly too, and then it would not be known what it has begun. Where the pause is
    due to end, a submission is as good a probe as any."""
    if breaker.reason is None or breaker.resumes_at is None or now >= breaker.resumes_at:
        return
    said = in_words(breaker.code) if breaker.code else breaker.reason
    message = f"nothing was submitted: the API is not asked until {iso(breaker.resumes_at)}, for {said}"
    raise _RESTING[breaker.reason](message, cure_of(breaker.code or "") or "`cdpoll status` says how it fares")


def _refuse_use(store: Store, correlation_id: str) -> None:
    """Two requests under one id could not be told apart, and a request that was cut would be made twice."""
    use = submissions.use_of(store, correlation_id)
    if use == "searching":
        raise BadData(
            "nothing was submitted: the answer to a request with this correlation id is awaited, or did not come",
            "do not submit it again: the daemon looks for what it began, and `cdpoll lookups list` shows it",
        )
    if use:
        message = "nothing was submitted: another request has this correlation id"
        raise BadData(message, "give each request an id of its own, or leave --correlation-id out")

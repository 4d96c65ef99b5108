"""Does the vendor confirm what a callback said? One pure function over the replies to polls of a concluded task.

A callback carries no signature: a secret that leaked, or a mixed-up tenant, could show one patient's coverage as
another's. So the vendor is asked once more, and what it says is compared with what the callback said.

=============  ==================================================  ================================================
reply          what is said of the callback                        next poll
=============  ==================================================  ================================================
Concluded      the same body: **confirmed**; another: **differs**  none
Pending        for ``not_found_grace`` from the callback on        as the cadence says for the time since the
               nothing, then **pending**                           callback
Unknown        likewise, then **unknown**                          backoff
Rejected,      nothing; after ``give_up_after`` from the callback  backoff up to the longest interval, or up to the
Garbled,       on **unanswered**                                   cadence's ceiling where it was Unreachable
Unreachable
RateLimited,   nothing: this is about us                           at once, when the pause of the whole API is over
Refused
=============  ==================================================  ================================================

The vendor may be a moment behind its own callback, hence the grace. The body to compare with is that of the newest
callback: where the vendor has changed a result and delivered it again, that one is asked about, not the first. Where it
came after the vendor was asked, another body settles nothing, and the vendor is asked again. What the poll brings is
kept as any body is (worker/store/conclude.py): one that differs is a revision.
"""

from typing import Literal, NamedTuple

from worker.core.schedule.cadence import Schedule
from worker.core.task import Task
from worker.core.vendor.document import Fingerprint
from worker.core.vendor.reply import Concluded, Garbled, Pending, RateLimited, Refused, Rejected, Reply, Unknown

Verified = Literal["confirmed", "differs", "pending", "unknown", "unanswered"]


class CalledBack(NamedTuple):
    """What the newest callback of a task has brought, and when (ms)."""

    body: Fingerprint
    at: int


def is_verifying(task: Task) -> bool:
    """Whether the task is concluded, and the vendor is to be asked about it once more."""
    return task.state == "concluded" and task.verify_at is not None


def asked_again(task: Task, now: int, *, polled: bool = True) -> Task:
    """The task after a poll that told nothing of it: to be asked about at once."""
    at = now if polled else task.last_poll_at
    return task._replace(polls=task.polls + polled, verify_at=now, last_poll_at=at)


def compared(
    task: Task, reply: Reply, delivered: CalledBack | None, asked_at: int, now: int, schedule: Schedule
) -> Task:
    """The task after the vendor was asked about it at ``asked_at``. See the table above.

    ``delivered`` is ``None`` where nothing is left to compare with: then any conclusion confirms it.
    """
    if isinstance(reply, RateLimited | Refused):
        return asked_again(task, now)
    polled = task._replace(polls=task.polls + 1, last_poll_at=now)
    since = now - (now if delivered is None else delivered.at)
    if isinstance(reply, Concluded):
        same = delivered is None or reply.document.fingerprint.same_as(delivered.body)
        if not same and delivered is not None and delivered.at > asked_at:
            return asked_again(task, now)
        return _settled(polled, "confirmed" if same else "differs")
    if isinstance(reply, Pending):
        if since >= schedule.not_found_grace:
            return _settled(polled, "pending")
        wait = schedule.wait(since, task.id, polled.polls)
        return polled._replace(verify_at=now + wait, failures=0, last_error=None)
    failed = polled._replace(failures=task.failures + 1, last_error=reply.code)
    if isinstance(reply, Unknown):
        if since >= schedule.not_found_grace:
            return _settled(polled, "unknown")
    elif since >= schedule.give_up_after:
        return _settled(polled, "unanswered")
    longest = schedule.max_interval if isinstance(reply, Rejected | Garbled) else None
    wait = schedule.backoff(failed.failures, task.id, failed.polls, longest)
    if isinstance(reply, Rejected):
        wait = max(wait, reply.wait_ms)
    return failed._replace(verify_at=now + wait)


def _settled(task: Task, verified: Verified) -> Task:
    return task._replace(verify_at=None, verified=verified, failures=0, last_error=None)


_SAID: dict[str, str] = {
    "accepted": "the vendor did not confirm it, and a person has accepted it",
    "confirmed": "the vendor says the same",
    "differs": "the vendor says something else; see the revisions",
    "pending": "the vendor says that the task is still pending",
    "unknown": "the vendor does not know the task (404)",
    "unanswered": "the vendor gave no usable answer",
}


def said_of(verified: str) -> str:
    """What the vendor says of a callback, in words."""
    return _SAID.get(verified, verified)


def edges_of(old: Task, new: Task) -> list[tuple[str, str | None]]:
    """What is worth a line in the history, as (event, detail): changes, not every poll."""
    if old.verify_at is not None and new.verify_at is None and new.verified is not None:
        if new.verified == old.verified:
            return []
        event = "callback_confirmed" if new.verified == "confirmed" else "callback_not_confirmed"
        return [(event, said_of(new.verified))]
    if new.last_error != old.last_error and new.last_error is not None:
        return [("failing", new.last_error)]
    return []

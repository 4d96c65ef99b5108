"""Looking for discoveries of which only the correlation id of their request is known: when, and whose they are.

A caller chooses the correlation id. One that gives several requests the same one would have the coverage of one patient
go out under the ref of another. So a ref is given to what was found only where nothing speaks against it.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

# The request that was cut goes on for some two minutes at the vendor.
FIRST_SEARCH_MS = 60_000
LONGEST_WAIT_MS = 6 * 3_600_000

# The discoveries that one request began started together, and are few.
ONE_REQUEST_MS = 15 * 60_000
ONE_REQUEST_TASKS = 20

# A request is looked for soon after it was made. The clocks of both sides may differ.
REQUEST_BEFORE_MS = 7 * 86_400_000
REQUEST_AFTER_MS = 3 * 3_600_000


class RequestDetails(NamedTuple):
    """What is known of the request; what is empty was not told."""

    trace_number: str | None = None
    originator_id: str | None = None
    member_id: str | None = None
    birth_date: str | None = None

    def differs(self, other: "RequestDetails") -> bool:
        """Whether anything that both know is not the same."""
        return any(one and two and _plain(one) != _plain(two) for one, two in zip(self, other, strict=True))


class Sought(NamedTuple):
    """A lookup: its ref ('': none), when it was recorded (ms), and what it knows of the request."""

    ref: str
    recorded_at: int
    about: RequestDetails = RequestDetails()


class FoundTask(NamedTuple):
    """A task with the correlation id: when it began (ms; none: not known) and was recorded, the refs that it has
    already, and what it was recorded with."""

    started_at: int | None
    recorded_at: int
    refs: frozenset[str] = frozenset()
    about: RequestDetails = RequestDetails()


def next_search(searches: int, now: int) -> int:
    """When to ask again after so many searches that found nothing (ms): after 1, 2, 4, … minutes, 6 hours at most."""
    return now + min(LONGEST_WAIT_MS, FIRST_SEARCH_MS << min(searches, 20))


def refs_to_give(lookups: Sequence[Sought], tasks: Sequence[FoundTask]) -> frozenset[str] | None:
    """The refs that the tasks of one correlation id are to have: one, or none; ``None``: a person has to say whose they
    are. ``lookups``: all with it."""
    wanted = _refs(lookups)
    return None if wanted and not of_one_request(lookups, tasks) else wanted


def of_one_request(lookups: Sequence[Sought], tasks: Sequence[FoundTask]) -> bool:
    """Whether nothing speaks against one request having this correlation id.

    Against it speaks: lookups with different refs, which may be two requests; a task that was recorded for another ref;
    anything known of the request that differs; tasks that began too far apart to be of one request, or too long before
    or after it was looked for; more of them than one request begins.
    """
    wanted = _refs(lookups)
    if len(wanted) > 1 or any(task.refs - wanted for task in tasks) or len(tasks) > ONE_REQUEST_TASKS:
        return False
    told = [*(one.about for one in lookups), *(one.about for one in tasks)]
    if any(one.differs(other) for one, other in combinations(told, 2)):
        return False
    starts = [task.recorded_at if task.started_at is None else task.started_at for task in tasks]
    if starts and max(starts) - min(starts) > ONE_REQUEST_MS:
        return False
    first, last = min(one.recorded_at for one in lookups), max(one.recorded_at for one in lookups)
    known = [task.started_at for task in tasks if task.started_at is not None]
    return all(at >= last - REQUEST_BEFORE_MS for at in starts) and all(at <= first + REQUEST_AFTER_MS for at in known)


def _refs(lookups: Sequence[Sought]) -> frozenset[str]:
    return frozenset(one.ref for one in lookups) - {""}


def _plain(text: str) -> str:
    """As it is compared: letters in upper case, and digits."""
    return "".join(sign for sign in text.upper() if sign.isalnum())

"""Looking for discoveries of which only the correlation id of their request is known: when, and whose they are.

A caller chooses the correlation id. One that gives several requests the same one would have the coverage of one patient
go out under the ref of another. So a ref is given to what was found only where nothing speaks against it.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

# The request that was cut goes on for some two minutes at the vendor.
FIRST_SEARCH_MS = 60_000
LONGEST_WAIT_MS = 6 * 3_600_000

# The discoveries that one request began started together.
ONE_REQUEST_MS = 15 * 60_000


class FoundTask(NamedTuple):
    """A task with the correlation id: when it began (ms, where it is known), and the refs that it has already."""

    started_at: int | None
    refs: frozenset[str]


def next_search(searches: int, now: int) -> int:
    """When to ask again after so many searches that found nothing (ms): after 1, 2, 4, … minutes, 6 hours at most."""
    return now + min(LONGEST_WAIT_MS, FIRST_SEARCH_MS << min(searches, 20))


def refs_to_give(refs: Iterable[str], tasks: Sequence[FoundTask]) -> frozenset[str] | None:
    """The refs that the tasks of one correlation id are to have: one, or none; ``None``: a person has to say whose they
    are. ``refs``: of all lookups with it, '' where there is none.

    Against it speaks: lookups with different refs, which may be two requests; a task that was recorded for another ref;
    tasks that began too far apart to be of one request.
    """
    wanted = frozenset(refs) - {""}
    if len(wanted) > 1:
        return None
    if wanted and any(task.refs - wanted for task in tasks):
        return None
    starts = [task.started_at for task in tasks if task.started_at is not None]
    if wanted and starts and max(starts) - min(starts) > ONE_REQUEST_MS:
        return None
    return wanted

"""What callbacks tell of the ends of discoveries, for the schedule.

They are concluded in another process, so the daemon reads them afterwards: the first bodies that callbacks brought, by
the number of the result, from where it stopped. What ended long before it came is left out, for it was replayed; and
what does not say when it ended.
"""

from worker.core.pacing.policy import Planner
from worker.core.schedule.hazard import Observation
from worker.core.task import Task
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Concluded
from worker.store.db.store import Store
from worker.store.state import callback_lane
from worker.store.state.callback_lane import Told
from worker.store.tasks import polling as tasks

EVERY_MS = 15_000

# In one transaction.
MOST_ENDS = 500


def learn_from_callbacks(store: Store, planner: Planner, grace_ms: int) -> bool:
    """Teach the planner what callbacks have told since the last call; whether there may be more.

    How far it came is noted first: if the process dies behind that, or a row is damaged, a few ends are not learned,
    and none twice.
    """
    if not callback_lane.any_untold(store):
        return False
    with store.write():
        told = callback_lane.take_told(store, MOST_ENDS)
    rows = tasks.by_seq(store, [one.task for one in told], 0)
    seen = [_observed(rows[one.task], one, planner, grace_ms) for one in told if one.task in rows]
    planner.learn([one for one in seen if one is not None])
    return len(told) == MOST_ENDS


def _observed(task: Task, told: Told, planner: Planner, grace_ms: int) -> Observation | None:
    if told.ended_at is None or not told.ended_at <= told.at <= told.ended_at + grace_ms:
        return None
    document = Document("success", b"", started_at=task.started_at, ended_at=told.ended_at)
    return planner.observe(task._replace(state="pending"), Concluded(document), told.at)

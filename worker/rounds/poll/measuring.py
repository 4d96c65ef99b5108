"""What a poll pass adds to the measures of polling."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from worker.core.measures import Measures, path_of
from worker.core.pacing.decide import Intents
from worker.core.pacing.judge import NO_TASK
from worker.gateways.http.pool import Done


def came(measures: Measures, done: Sequence[Done], monotonic: int, deadline_ms: int) -> None:
    """These requests are over. A job's deadline says when it was handed out."""
    for one in done:
        if one.job.seq != NO_TASK:
            measures.duration.add((monotonic - one.job.deadline + deadline_ms) / 1000)


def saved(measures: Measures, heard: Sequence[Done], intents: Intents, ended: AbstractSet[int], now: int) -> None:
    """The transaction is committed; ``ended`` are the rows that it has concluded."""
    for done in heard:
        if done.job.seq != NO_TASK:
            measures.heard(done.reply)
    for task in intents.claims:
        measures.lateness.add((now - (task.due_at or now)) / 1000)
    for before, new, document in intents.conclusions:
        if new.seq not in ended:
            continue
        measures.time_to_result[path_of(before.task_class)].add(new.age(now) / 1000)
        if document.ended_at is not None and new.recorded_at <= document.ended_at <= now:
            measures.result_delay.add((now - document.ended_at) / 1000)

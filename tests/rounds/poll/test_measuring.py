"""What a poll pass measures: what polls brought, how long they took, how late they were, how late the result was."""

from pathlib import Path

from tests.support.poll_world import worlds
from worker.core.measures import Measures
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Concluded, Pending, Reply
from worker.gateways.http.pool import Job


def test_of_each_poll_what_it_brought_how_long_it_took_and_how_late_it_was(path: Path) -> None:
    measures = Measures()

    def script(job: Job, n: int) -> Reply:
        if n < 3:
            return Pending(Document("pending", b"", job.task_id, pending=("RTCOB",)))
        ended_at = world.now - 7_000
        body = b'{"id": "%s", "status": "success"}' % job.task_id.encode()
        return Concluded(Document("success", body, job.task_id, ended_at=ended_at))

    with worlds(path) as make:
        world = make(script, takes=lambda job: 200)
        world.round._measures = measures
        world.record("a", "b")
        world.now += 60_000
        world.until(world.now + 3_600_000)
        assert world.task("a")["state"] == world.task("b")["state"] == "concluded"
    told = measures.told()
    assert {name: n for name, n in told["polls"].items() if n} == {"pending": 4, "concluded": 2}
    duration = dict(zip(told["duration"]["bounds"], told["duration"]["counts"], strict=False))
    assert (duration[0.1], duration[0.25]) == (0, 6)
    lateness = dict(zip(told["lateness"]["bounds"], told["lateness"]["counts"], strict=False))
    assert (lateness[30.0], lateness[60.0]) == (4, 6)  # the first polls were 50 s late
    delay = dict(zip(told["result_delay"]["bounds"], told["result_delay"]["counts"], strict=False))
    assert (delay[5.0], delay[10.0]) == (0, 2)
    known = told["time_to_result"]
    assert {path: one["counts"][-1] for path, one in known.items() if one["counts"][-1]} == {"rtcob": 2}
    lasted_ms = [task["concluded_at"] - task["recorded_at"] for task in map(world.task, "ab")]
    assert known["rtcob"]["sum"] == sum(lasted_ms) / 1000

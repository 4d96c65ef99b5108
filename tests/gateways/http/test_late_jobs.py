"""What a thread of the pool begins after its deadline is not sent: the process was stopped, and another may have the
task by now."""

import ssl
import threading

from tests.support.loopback import Serve, answer
from worker.core.vendor.document import Document
from worker.core.vendor.reply import Heard, Pending, Unreachable
from worker.gateways.http.client import HttpClient, HttpFailed
from worker.gateways.http.pool import Done, Job, Pool


def test_a_job_is_not_sent_after_its_deadline(serve: Serve, plain_tls: ssl.SSLContext) -> None:
    server = serve(lambda asked, peer: answer(200, b"{}"))
    woken, now = threading.Event(), 1_001

    def ask(client: HttpClient, job: Job) -> Heard:
        try:
            client.send("GET", f"{server.url}/{job.task_id}", {})
        except HttpFailed as failed:
            return Heard(Unreachable(failed.code))
        return Heard(Pending(Document("pending")), 200)

    def heard(job: Job) -> list[Done]:
        woken.clear()
        pool.submit(job)
        assert woken.wait(10)
        return pool.collect()

    pool = Pool(1, lambda: HttpClient(plain_tls, 10_000), ask, woken.set, monotonic=lambda: now)
    late, timely = Job(1, "late", 0, now - 1), Job(2, "timely", 0, now)
    assert heard(late) == [Done(late, Unreachable("timeout"), 0)]
    assert [(done.job, done.requests, done.status) for done in heard(timely)] == [(timely, 1, 200)]
    pool.close()

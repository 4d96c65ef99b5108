"""The judgement as stories: who is asked, what is heard, who is held to account."""

from worker.core.pacing.breaker import Breaker
from worker.core.pacing.judge import Finished, Suspicion, judge
from worker.core.schedule.cadence import Schedule
from worker.core.task import Task
from worker.core.vendor.document import Document, Fingerprint
from worker.core.vendor.reply import (
    Concluded,
    Garbled,
    Pending,
    RateLimited,
    Refused,
    Rejected,
    Reply,
    Unknown,
    Unreachable,
)

T0 = 1_800_000_000_000
S = Schedule()
MINUTE, HOUR = 60_000, 3_600_000

DONE = Concluded(Document("success", b"{}", fingerprint=Fingerprint("a", None)))
FORBIDDEN, FORBIDDEN_TOO = Refused("http_403"), Refused("http_401_invalid_product")
TOKEN_REFUSED = Refused("token_http_401", "token")
TOKEN_GONE = Unreachable("token_connect", "token")
LATER, NOT_NOW = RateLimited("http_429", 90_000), RateLimited("http_429")
LOST, HTML = Unreachable("timeout"), Garbled("html")

USABLE: list[Reply] = [DONE, Pending(), Unknown(), Rejected("http_422"), Garbled("wrong_id"), Garbled("unknown_status")]
NO_ANSWER: list[Reply] = [
    LOST,
    HTML,
    Garbled("not_json"),
    Garbled("redirect"),
    Garbled("encoding"),
    Garbled("too_large"),
]


class Story:
    """A breaker and what is suspected, as the round keeps them; ``hear`` returns what becomes of the tasks."""

    def __init__(self, now: int = T0) -> None:
        self.breaker = Breaker()
        self.suspicion = Suspicion()
        self.now = now

    def hear(
        self, seq: int, reply: Reply, *, asked: int | None = None, row: Task | None = None
    ) -> list[tuple[int, Reply, bool]]:
        """``asked``: how many ms ago the request went out (10). ``row``: as the task was before."""
        asked_at = self.now - (10 if asked is None else asked)
        judged = judge(self.breaker, self.suspicion, Finished(seq, reply, asked_at), self.now, S, row)
        self.breaker, self.suspicion = judged.breaker, judged.suspicion
        return [(v.seq, v.reply, v.excused) for v in judged.verdicts]

    def ask(self, *seqs: int) -> "Story":
        """Probes go out."""
        self.suspicion = self.suspicion._replace(asked=frozenset(seqs))
        return self

    def at_the_probe(self, *seqs: int) -> "Story":
        """Time passes until a step of probes is due, and their answers are there a little later."""
        assert self.breaker.resumes_at is not None
        self.now = self.breaker.resumes_at + 100
        return self.ask(*seqs)

    @property
    def pause(self) -> tuple[str | None, int]:
        """Why, and for how long from now."""
        return self.breaker.reason, (self.breaker.resumes_at or self.now) - self.now


def blamed(seq: int, reply: Reply) -> tuple[int, Reply, bool]:
    return seq, reply, False


def excused(seq: int, reply: Reply) -> tuple[int, Reply, bool]:
    return seq, reply, True

"""What the Python hook hands over: a vendor and an intake on loopback, and what came to the intake or into a spool."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from cli.hook.cdpoll_hook import Ways
from tests.support.loopback import Asked, Loopback, Peer, Script, answer
from worker.core.intake.intake import Intake, merge
from worker.core.intake.json_lines import from_jsonl_line

ONE, TWO, THREE = (f"0716e3e8-87ee-11ee-b9d1-0242ac12000{n}" for n in (1, 2, 3))
API = "/rcm/eligibility/v1"


def link(*ids: str) -> str:
    """A header line that names tasks."""
    tasks = (f'</coverage-discovery/{one}>; title="coverage discovery - Default"; rel="related"' for one in ids)
    return "link: " + ", ".join(tasks)


CHECKED = answer(200, b"{}", link(ONE), link(TWO), "date: Sun, 29 Nov 2026 08:00:00 GMT", "x-optum-trace-id: t1")
"""A real-time answer, whose tasks stand on two lines."""

MADE = answer(202, json.dumps({"id": ONE, "name": "mine"}).encode(), f"location: {API}/coverage-discovery/{ONE}")
SEVERAL = json.dumps([{"status": 202, "body": {"id": one, "name": "mine"}} for one in (ONE, TWO)]).encode()


class Handed:
    """Where the hook brings responses to, as a test has set it up."""

    def __init__(self, intake: str, spool: Path) -> None:
        self.ways = Ways(intake, spool=str(spool))
        self.spool = spool
        self.posts: list[Asked] = []

    @property
    def objects(self) -> list[dict[str, Any]]:
        """What the intake was given."""
        return [json.loads(post.body) for post in self.posts]

    @property
    def left(self) -> list[bytes]:
        """The files in the spool; none is half-written."""
        files = sorted(self.spool.iterdir())
        assert all(one.name.startswith("hook-") and one.suffix == ".jsonl" for one in files), files
        return [one.read_bytes() for one in files]

    def read(self) -> Intake:
        """What cdpoll reads of all of it."""
        lines = [*(post.body for post in self.posts), *(line for data in self.left for line in data.splitlines())]
        return merge(from_jsonl_line(line, place="here") for line in lines)

    def ids(self) -> set[str]:
        return {one.id for one in self.read().recordings}


@contextmanager
def handed_to(script: Script, folder: Path) -> Iterator[Handed]:
    """An intake that answers by a script, and a spool in ``folder``."""
    with Loopback(script) as server:
        found = Handed(server.url + "/v1/tasks", spool_in(folder))
        found.posts = server.asked
        yield found


def spool_in(folder: Path) -> Path:
    spool = folder / "in"
    spool.mkdir()
    return spool


@contextmanager
def vendor(said: bytes) -> Iterator[str]:
    """The URL of one that gives one answer to everything."""
    with ExitStack() as stack:
        yield stack.enter_context(Loopback(lambda asked, peer: said)).url


def taken(asked: Asked, peer: Peer) -> bytes:
    return answer(201, b'{"recorded": []}')

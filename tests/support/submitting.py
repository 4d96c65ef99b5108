"""``cdpoll submit`` in a house of its own, beside a simulated vendor that counts what was posted to it."""

import json
import os
from pathlib import Path
from typing import Any

from sandbox import examples
from sandbox.server import Sandbox
from sandbox.wire import PREFIX
from tests.support import forks
from tests.support.cdpoll_process import Ended, House
from worker.store.opening import open_store

BEGINS = "SBX-TWO-MINUTES".removeprefix("SBX-")

SECRETS = ("sandbox-secret", "Bearer", "INVENTED", "TEST1", "SBX-TWO")


class Submitting:
    """``posts`` are the submissions that the vendor has seen, those that a fault spoiled or refused too."""

    def __init__(self, folder: Path, sandbox: Sandbox, **keys: str) -> None:
        self.sandbox = sandbox
        self.house = House(folder, sandbox, **keys)
        open_store(self.house.database, create=True).close()

    def file(self, body: object, name: str = "request") -> str:
        """A file with this text, or with this as JSON."""
        path = self.house.folder / name
        path.write_text(body if isinstance(body, str) else json.dumps(body))
        return str(path)

    def submit(self, body: object, *args: str, check: int | None = None) -> Ended:
        """What is said on standard error never holds a secret or anything of the patient."""
        ended = self.house.cdpoll("submit", self.file(body), *args, check=check)
        assert not [one for one in SECRETS if one in ended.err], ended.err
        return ended

    def told(self, body: object, *args: str, check: int = 0) -> Any:
        return self.submit(body, *args, "--json", check=check).json

    def start(self, body: object, *args: str) -> forks.Forked:
        """The command, under way."""
        line = ("--config", str(self.house.config), "submit", self.file(body), *args)
        with self.house.log.open("ab") as log, Path(os.devnull).open("rb") as null:
            return forks.start(line, self.house.environment(), (null.fileno(), log.fileno(), log.fileno()))

    @property
    def posts(self) -> list[tuple[str, int]]:
        """Path and status of each."""
        return [
            (path.removeprefix(PREFIX), status)
            for method, path, status in self.sandbox.log
            if method == "POST" and path.startswith(PREFIX)
        ]

    @property
    def lookups(self) -> list[tuple[str, str, str]]:
        return self.house.rows("SELECT correlation_id, ref, state FROM lookups ORDER BY seq")

    @property
    def tasks(self) -> set[str]:
        """Recorded here."""
        return {row[0] for row in self.house.rows("SELECT id FROM tasks")}

    @property
    def begun(self) -> set[str]:
        """At the vendor."""
        return {task.id for task in self.sandbox.tasks}

    def refs(self) -> set[tuple[str, str]]:
        return set(self.house.rows("SELECT tasks.id, refs.ref FROM refs JOIN tasks ON tasks.seq = refs.task"))


def check(n: int = 1, words: str = BEGINS) -> dict[str, Any]:
    return examples.real_time_request(n, 1, words)

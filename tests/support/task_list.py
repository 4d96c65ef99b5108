"""A sandbox with a list of twelve tasks, for the tests that read the list."""

from typing import Any

from sandbox.tasks import Task
from tests.support.sandbox_client import MINUTE, START, Rig

LIST = "/coverage-discovery"
TASKS = 12


class ListRig(Rig):
    """Twelve tasks, a minute apart; every third is pending for good, the others are found or not found by turns."""

    def __init__(self, faults: str = "", **options: Any) -> None:
        super().__init__(check=False, **options)
        self.later_faults = faults

    def __enter__(self) -> "ListRig":
        super().__enter__()
        for n in range(TASKS):
            self.clock.at = START + n * MINUTE
            self.task(("NEVER", "NOW-FOUND", "NOW-NOTHING")[n % 3], n)
        self.sandbox.set_faults(self.later_faults)
        return self

    def listed(self, query: str = "") -> list[Any]:
        found: list[Any] = self.get(f"{LIST}?sort=startDateTime&limit=100&{query}").json()
        return found

    @property
    def ids(self) -> list[str]:
        return [task.id for task in self.sandbox.tasks]


def truth(task: Task, now: int) -> tuple[str, str]:
    return task.id, task.status_at(now)

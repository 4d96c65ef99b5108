"""Bodies of tasks with 271 texts in their paths."""

from typing import Any

from tests.support.x12_samples import ACTIVE, Segment, a_file, a_set, subscriber

ANOTHER_PAYER: list[Segment] = [
    ("EB", "6", "", "30"),
    ("EB", "R", "", "30", "C1", "GOLD"),
    ("LS", "2120"),
    ("NM1", "PR", "2", "OVERDALE MUTUAL", "", "", "", "", "PI", "OVER1"),
    ("LE", "2120"),
]
INACTIVE: Segment = ("EB", "6", "", "30")


def says(*benefits: Segment, member: str = "M0001", control: str = "0001") -> str:
    """A 271 of one patient; without benefits, active coverage."""
    return a_file(a_set(subscriber(*(benefits or (ACTIVE,)), member=member), control=control))


def a_path(x12: str | None = None, status: str = "eligible", name: str = "Medicare", payer: str = "PAY") -> Any:
    transaction = {"id": f"tx-{name}", "status": status, "chcPayerId": payer}
    return {"id": f"p-{name}", "name": name, "transaction": transaction | ({} if x12 is None else {"x12-271": x12})}


def a_body(task: str = "a", status: str = "success", real_time: str | None = None, **lists: list[Any]) -> Any:
    """The body of a task, with its lists of paths; ``real_time`` is the 271 of the check that began it."""
    document: dict[str, Any] = {"id": task, "status": status, "discoveryPaths": lists}
    if real_time is not None:
        document["realTime"] = {"id": "rt", "transaction": {"status": "eligible", "x12-271": real_time}}
    return document

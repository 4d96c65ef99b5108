"""Invented results, as the ways out are given them."""

import json

from worker.core.delivery import Letter


def letter(number: int, ref: str | None = None, *x12: bytes, id_: str | None = "", **more: object) -> Letter:
    """One result with its 271s; ``id_`` is made of the number where none is given. ``more`` goes into the body."""
    task = f"task-{number}" if id_ == "" else id_
    told = {"seq": number, "id": task, "ref": ref, "outcome": "success"} | more
    thin, body = (json.dumps(one).encode() for one in (told, told | {"found": ["coverage"] * 50}))
    return Letter(number, task, ref, "success", None, body, thin, x12)

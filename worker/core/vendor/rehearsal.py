"""The documents that `cdpoll callback-check` and `cdpoll doctor` deliver in the vendor's place, and how one of them is
told from the vendor's own.

The receiver checks and reads a rehearsal as it does any delivery, and gives it the same answer. In its transaction it
stores nothing of it, publishes nothing and asks the vendor nothing. Who delivers one has a token like the vendor's, so
this opens no door. No id of the vendor's begins so.
"""

from typing import Any, NamedTuple

PREFIX = "cdpoll-check-"

Json = dict[str, Any]


def is_rehearsal(task_id: str) -> bool:
    """Whether a document of this id is a rehearsal."""
    return task_id.startswith(PREFIX)


class Rehearsed(NamedTuple):
    """``name`` says in words what kind of document it is."""

    name: str
    document: Json


def rehearsals(mark: str, at: str) -> list[Rehearsed]:
    """One document of each kind that the vendor delivers. No patient is in any of them.

    ``mark``: letters and digits that make the ids differ from those of another rehearsal. ``at``: an instant, ISO 8601.
    """
    return [
        Rehearsed("pending, as the older ones begin", _document(f"{mark}-older", at, "pending")),
        Rehearsed("concluded, older spelling", _document(f"{mark}-older", at, "failure", endDatetime=at, realTime={})),
        Rehearsed("concluded, newer spelling", concluded(mark, at)),
        Rehearsed("with a real-time answer", _document(f"{mark}-real", at, "failure", endDateTime=at, realTime=_PATH)),
    ]


def concluded(mark: str, at: str) -> Json:
    """One of the newer kind."""
    return _document(f"{mark}-newer", at, "failure", endDateTime=at)


_PATH: Json = {"id": "rehearsal", "name": "Rehearsal", "transaction": {"id": "rehearsal", "status": "patient_unknown"}}


def _document(mark: str, at: str, status: str, **more: object) -> Json:
    pending = status == "pending"
    paths = {"successful": [], "unsuccessful": [] if pending else [{**_PATH, "timestamp": at}], "skipped": []}
    return {
        "id": f"{PREFIX}{mark}",
        "status": status,
        "name": "A rehearsal by cdpoll: no patient",
        "type": "serial",
        "startDateTime": at,
        "endDateTime": "" if pending else None,
        "discoveryPaths": {**paths, "pending": [{"name": "Rehearsal", "transaction": {}}] if pending else []},
        **more,
    }

"""Whether this installation does its work: what `/readyz` answers."""

from worker.store.views.daemons import speaker
from worker.store.views.verdicts import pause_reason
from worker.web.look import Look

# While one of these stands, nothing is saved or asked anew.
_STOPPING = frozenset(
    {"daemon_stuck", "database_unwritable", "database_denied", "disk_full", "disk_read_only", "disk_unreadable"}
)


def hindrances(look: Look) -> list[str]:
    """In words, each in a line; empty where it is ready."""
    found = [] if look.unreadable is None else [f"the database cannot be read: {_line(look.unreadable)}"]
    if look.picture is None:
        return found
    if look.installed.daemon and not speaker(look.picture)["alive"]:
        found.append("no daemon is polling")
    if pause_reason(look.picture["api"]) == "credentials":
        found.append("the vendor refuses the credentials")
    here = (None, look.picture["daemon"].get("name"))
    standing = [one for one in look.picture["problems"] if one.get("daemon") in here]
    found += [f"{one['code']}: {_line(one['hint'])}" for one in standing if one["code"] in _STOPPING]
    return found


def _line(text: str) -> str:
    return " ".join(text.split())

"""The three verdicts of `status`: is work flowing, are its parts well, and is what is said of it fresh."""

from typing import Any, Literal, NamedTuple

from worker.core.instant import about, from_iso
from worker.core.problems import counted

Json = dict[str, Any]
Level = Literal["good", "warning", "critical"]

# Where a poll is due for longer, work has fallen behind. (A daemon looks every few seconds.)
BEHIND_S = 300

# A daemon writes its beat every second, or every 15 where the file beside the database cannot be written.
FRESH_MS = 20_000


class Verdict(NamedTuple):
    """``state`` in a word, and ``words`` that say why."""

    state: str
    words: str
    level: Level = "good"


class Installation(NamedTuple):
    """Whether an API is configured here, and whether a daemon is expected to live."""

    api: bool
    daemon: bool


def verdicts(picture: Json, here: Installation, now: int) -> dict[str, Verdict]:
    """By name: work, parts, picture."""
    return {"work": _work(picture, here, now), "parts": _parts(picture), "picture": _picture(picture, here)}


def _work(picture: Json, here: Installation, now: int) -> Verdict:
    waits = _waiting(picture)
    if here.daemon and not picture["daemon"]["alive"]:
        codes = [problem["code"] for problem in picture["problems"]]
        return Verdict("STOPPED", f"{_stopped(picture, codes)}; {waits}", "critical")
    if picture["daemon"]["alive"] and picture["daemon"]["beat_age_ms"] > FRESH_MS:
        silent = about(picture["daemon"]["beat_age_ms"])
        return Verdict("HELD BACK", f"the daemon has finished no pass for {silent}; {waits}", "warning")
    api, drop = picture["api"], picture["drop"]
    if here.api and api["paused"]:
        probe = from_iso(api["resumes_at"])
        after = (
            "" if probe is None else f"; tried again in {about(probe - now)}" if probe - now >= 1000 else "; tried now"
        )
        level: Level = "critical" if str(api["reason"]).startswith("credentials") else "warning"
        return Verdict("PAUSED", f"{_PAUSES[str(api['reason']).partition(' ')[0]]}{after}; {waits}", level)
    polling = picture["polling"]
    if here.api and polling["daily_budget"] is not None and polling["requests_today"] >= polling["daily_budget"]:
        return Verdict("HELD BACK", f"the requests of the day are spent, until midnight UTC; {waits}", "warning")
    if drop is not None and drop["failure"]:
        return Verdict("HELD BACK", f"the drop cannot be read ({drop['failure']})", "warning")
    if here.daemon and here.api and (picture["oldest_due_age_s"] or 0) > BEHIND_S:
        return Verdict("BEHIND", waits, "warning")
    if not here.daemon and not picture["daemon"]["alive"]:
        return Verdict("by hand", f"cdpoll is started by a timer or a person here; {waits}")
    if picture["tasks"]["pending"] or (drop is not None and drop["waiting"]):
        return Verdict("flowing", f"{waits}{_slowed(picture, here)}")
    return Verdict("idle", waits)


_PAUSES = {
    "credentials": "the vendor refuses our credentials",
    "rate_limited": "the vendor asked for fewer requests",
    "unreachable": "the vendor does not answer",
}


def _stopped(picture: Json, codes: list[str]) -> str:
    if "daemon_stuck" in codes:
        return "the daemon finishes no pass"
    return "the daemon never ran here" if picture["daemon"]["beat_age_s"] is None else "no daemon runs"


def _slowed(picture: Json, here: Installation) -> str:
    return "; slowed by refusals" if here.api and picture["api"]["pace"] < 1 else ""


def _waiting(picture: Json) -> str:
    """What waits, and for how long the oldest of it."""
    tasks, drop = picture["tasks"], picture["drop"]
    said = []
    if tasks["pending"]:
        due = f"{tasks['due']} due now"
        if picture["oldest_due_age_s"]:
            due += f", the oldest for {about(1000 * picture['oldest_due_age_s'])}"
        said.append(f"{counted(tasks['pending'], 'task')} pending, {due if tasks['due'] else 'none due now'}")
    if drop is not None and drop["waiting"]:
        said.append(f"{counted(drop['waiting'], 'file')} to be fetched")
    return "; ".join(said) or "nothing waits"


def _parts(picture: Json) -> Verdict:
    severe = [problem["severity"] for problem in picture["problems"]]
    critical, warnings = severe.count("critical"), severe.count("warning")
    counts = [counted(n, noun) for n, noun in ((critical, "critical problem"), (warnings, "warning")) if n]
    if critical:
        return Verdict("NOT WELL", " and ".join(counts), "critical")
    return Verdict("in part", " and ".join(counts), "warning") if warnings else Verdict("well", "no problems")


def _picture(picture: Json, here: Installation) -> Verdict:
    daemon = picture["daemon"]
    if not daemon["alive"]:
        if daemon["beat_age_ms"] is None:
            return Verdict("fresh", "read from the database just now; cdpoll has never polled here")
        ago = about(daemon["beat_age_ms"])
        if not here.daemon:
            return Verdict("fresh", f"read from the database just now; cdpoll last worked {ago} ago")
        return Verdict("OLD", f"the daemon was last seen {ago} ago; what the vendor did since is unknown", "warning")
    age_ms = daemon["beat_age_ms"]
    ago = f"as of {age_ms / 1000:.1f} s ago" if age_ms < FRESH_MS else f"as of {about(age_ms)} ago"
    return Verdict("fresh", ago) if age_ms < FRESH_MS else Verdict("OLD", f"{ago}: the daemon is slow", "warning")

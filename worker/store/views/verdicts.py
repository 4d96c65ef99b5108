"""The three verdicts of `status`: is work flowing, are its parts well, and is what is said of it fresh."""

import re
from typing import Any, Literal, NamedTuple

from worker.core.instant import about, from_iso
from worker.core.poll_errors import in_words
from worker.core.problems import counted
from worker.store.views.daemons import are_several, speaker

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
    waits, daemon = _waiting(picture, here), speaker(picture)
    if _no_writes(picture):
        return Verdict(
            "HELD BACK", f"the database cannot be written: nothing is saved or asked anew; {waits}", "critical"
        )
    if here.daemon and not daemon["alive"]:
        return _not_alive(picture, waits)
    if daemon["alive"] and daemon["beat_age_ms"] > FRESH_MS:
        silent = about(daemon["beat_age_ms"])
        return Verdict("HELD BACK", f"the daemon has finished no pass for {silent}; {waits}", "warning")
    api, drop = picture["api"], picture["drop"]
    if here.api and api["paused"]:
        level: Level = "critical" if pause_reason(api) == "credentials" else "warning"
        why = "the proxy refuses our login" if "(proxy_" in api["reason"] else _PAUSES[pause_reason(api)]
        return Verdict("PAUSED", "; ".join([why, *next_probe(api, now), waits]), level)
    polling = picture["polling"]
    if here.api and polling["daily_budget"] is not None and polling["requests_today"] >= polling["daily_budget"]:
        return Verdict("HELD BACK", f"the requests of the day are spent, until midnight UTC; {waits}", "warning")
    unread = "the drop cannot be read" if drop is not None and drop["failure"] else ""
    if unread and not picture["tasks"]["pending"]:
        return Verdict("HELD BACK", unread, "warning")
    if here.api and (in_vain := _in_vain(picture)):
        return Verdict("IN VAIN", f"{in_vain}; {waits}", "warning")
    slow = slowed(picture) if here.api and daemon["alive"] else []
    if here.daemon and here.api and (picture["oldest_due_age_s"] or 0) > BEHIND_S:
        return Verdict("BEHIND", "; ".join([waits, *slow]), "warning")
    if not here.daemon and not daemon["alive"]:
        return Verdict("by hand", f"cdpoll is started by a timer or a person here; {waits}")
    if slow and picture["tasks"]["due"]:
        return Verdict("SLOWED", "; ".join([*slow, waits]), "warning")
    if picture["tasks"]["pending"] or (drop is not None and drop["waiting"]):
        return Verdict("flowing", "; ".join([waits, *slow, *([unread] if unread else [])]))
    return Verdict("idle", waits)


def _not_alive(picture: Json, waits: str) -> Verdict:
    codes = [problem["code"] for problem in picture["problems"]]
    if picture["daemon"].get("starting") is not None and "daemon_stuck" not in codes:
        return Verdict("STARTING", f"{starting(picture['daemon'])}; {waits}", "warning")
    return Verdict("STOPPED", f"{_stopped(picture, codes)}; {waits}", "critical")


def starting(daemon: Json) -> str:
    """That a daemon holds the lock, and has made no pass yet."""
    return f"a daemon is starting (process {daemon['starting']})"


def _no_writes(picture: Json) -> bool:
    codes = {problem["code"] for problem in picture["problems"]}
    if "daemon_down" in codes or are_several(picture):
        return False
    # A disk that is all but full takes small writes yet.
    silent = (picture["daemon"]["beat_age_ms"] or 0) > FRESH_MS
    return bool(codes & {"database_unwritable", "disk_read_only"}) or ("disk_full" in codes and silent)


_PAUSES = {
    "credentials": "the vendor refuses our credentials",
    "rate_limited": "the vendor asked for fewer requests",
    "unreachable": "the vendor does not answer",
}


def pause_reason(api: Json) -> str:
    """Why the API is paused, without the code of the answer that began it; empty where it is not."""
    return str(api["reason"] or "").partition(" ")[0]


def _stopped(picture: Json, codes: list[str]) -> str:
    if "daemon_stuck" in codes:
        return "the daemon finishes no pass"
    return "the daemon never ran here" if picture["daemon"]["beat_age_s"] is None else "no daemon runs"


def _in_vain(picture: Json) -> str:
    """Where tasks are polled and nothing comes of it: why. A 429 is no failure of a task: the pace tells of it."""
    failing = [one for one in picture["failing"] if one["code"] != "http_429"]
    pending = picture["tasks"]["pending"]
    unknown = any(problem["code"] == "wrong_environment" for problem in picture["problems"])
    every = sum(one["count"] for one in failing) >= max(1, pending)
    if not (unknown or every):
        return ""
    most = in_words(failing[0]["code"] if failing else "not_found")
    return f"{'no' if every else 'hardly any'} poll brings anything usable: {most}"


def next_probe(api: Json, now: int) -> list[str]:
    """When the paused API is asked again, as an item of a line; no item where it is not known."""
    probe = from_iso(api["resumes_at"])
    if probe is None:
        return []
    return [f"next probe in {about(probe - now)}" if probe - now >= 1000 else "next probe now"]


def slowed(picture: Json) -> list[str]:
    """That refusals hold the pace down, as an item of a line; no item where they do not."""
    polling, full_in_s = picture["polling"], picture["api"]["full_pace_in_s"]
    if full_in_s is None:
        return []
    slow = polling["requests_per_second"]
    rates = f"from {polling['configured_per_second']:g}/s to {round(slow, 1 if slow >= 1 else 2):g}/s"
    left = about(1000 * max(1, full_in_s) + (30_000 if full_in_s >= 60 else 0))
    return [f"slowed {rates} by refusals, full again in about {left} if none follow"]


def _waiting(picture: Json, here: Installation) -> str:
    """What waits, and for how long the oldest of it."""
    tasks, drop = picture["tasks"], picture["drop"]
    said = []
    if tasks["pending"]:
        due = f"{tasks['due']} due now"
        if picture["oldest_due_age_s"]:
            due += f", the longest for {about(1000 * picture['oldest_due_age_s'])}"
        polled = (due if tasks["due"] else "none due now") if here.api else "not polled: there is no [api]"
        said.append(f"{counted(tasks['pending'], 'task')} pending, {polled}")
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
    daemon = speaker(picture)
    if not daemon["alive"]:
        if daemon["beat_age_ms"] is None:
            never = "cdpoll has never polled here" if here.api else "no daemon ever ran here"
            return Verdict("fresh", f"read from the database just now; {never}")
        ago = about(daemon["beat_age_ms"])
        if not here.daemon:
            return Verdict("fresh", f"read from the database just now; cdpoll last worked {ago} ago")
        if daemon["beat_age_ms"] < FRESH_MS:
            return Verdict("fresh", f"the daemon was last seen {ago} ago")
        return Verdict("OLD", f"the daemon was last seen {ago} ago; what the vendor did since is unknown", "warning")
    age_ms = daemon["beat_age_ms"]
    if age_ms < FRESH_MS:
        return Verdict("fresh", f"as of {age_ms / 1000:.1f} s ago")
    return Verdict("OLD", f"as of {about(age_ms)} ago: the daemon has said nothing since", "warning")


class ProblemWords(NamedTuple):
    """``word``: the severity. ``number``: how many, where the hint does not say so. ``lasting``: for how long."""

    word: str
    number: str
    lasting: str


def problem_words(one: Json, now: int) -> ProblemWords:
    """Of a problem as in ``problems`` of the picture, beside its code and hint; what is not known is ``""``."""
    since, count = from_iso(one["since"]), one["count"]
    number = str(count) if count > 1 and not re.search(rf"\b{count}\b", one["hint"]) else ""
    word = one["severity"].upper() if one["severity"] == "critical" else one["severity"]
    return ProblemWords(word, number, "" if since is None else f"for {about(now - since)}")


def problem_line(one: Json, now: int) -> tuple[str, str]:
    """The word for the severity, and the line of a problem, which begins with it."""
    word, number, lasting = problem_words(one, now)
    behind = (f" ({number})" if number else "") + (f", {lasting}" if lasting else "")
    return word, f"{word:<8} {one['code']}{behind}: {one['hint']}"

"""The facts below the verdicts and the problems of `status`, in words, for the terminal and for the status page."""

from collections.abc import Iterator
from typing import Any

from worker.core.instant import about, from_iso, words
from worker.core.problems import counted
from worker.store.views import backfill_problems, callbacks, expected, lookups, spool
from worker.store.views.daemons import are_several, fact
from worker.store.views.status import FILE_STATES
from worker.store.views.verdicts import Installation, next_probe, slowed, starting

Json = dict[str, Any]


def facts(picture: Json, work: str, here: Installation, now: int) -> Iterator[tuple[str, str]]:
    """By name, each in a line. ``work``: the words of that verdict, which are not told twice."""
    daemon, tasks, outcomes = picture["daemon"], picture["tasks"], picture["outcomes"]
    if here.api:
        yield "vendor", _vendor(picture["environment"])
    if are_several(picture):
        yield from (("daemon", fact(one, now)) for one in picture["daemons"])
    elif daemon["alive"] or here.daemon:
        stuck = any(one["code"] == "daemon_stuck" for one in picture["problems"])
        yield "daemon", _daemon(daemon, now, stuck=stuck)
    tasks_too = here.api or sum(tasks.values()) > 0
    if tasks_too:
        oldest = picture["oldest_pending_age_s"]
        since = "" if oldest is None else f"; the oldest recorded {about(oldest * 1000)} ago"
        due = f", {tasks['due']} due now" if here.api else ""
        yield "waiting", f"{counted(tasks['pending'], 'task')} pending{due}{since}"
        gone = f"; {tasks['abandoned']} abandoned" if tasks["abandoned"] else ""
        ended = f"{outcomes['success']} found coverage, {outcomes['failure']} found none"
        yield "concluded", f"{counted(tasks['concluded'], 'task')}: {ended}{gone}"
    for name, span in (("last hour", "hour"), ("last day", "day")):
        if said := _traffic(picture["traffic"][span], tasks=tasks_too, files=picture["drop"] is not None):
            yield name, said
    if here.api:
        yield from _api(picture, work, now)
    yield from _ways_in(picture, now)
    yield from _batches(picture, now)
    for way in picture["deliveries"]["ways"]:
        yield "way out", _way(way, now)
    if said := "; ".join(_alerts(picture["alerts"], now)):
        yield "alerts", said
    yield from _kept(picture["retention"], picture["disk"], now)
    if said := "; ".join(_backup(picture["backup"], now)):
        yield "backup", said
    yield "database", picture["database"]
    yield "config", picture["config"] or "environment"


def _ways_in(picture: Json, now: int) -> Iterator[tuple[str, str]]:
    if picture.get("callbacks"):
        yield "callbacks", callbacks.fact(picture["callbacks"], now)
    if sought := lookups.fact(picture["lookups"]):
        yield "lookups", sought
    if awaited := expected.fact(picture["expected"]):
        yield "expected", awaited
    if picture.get("spool"):
        yield "spool", spool.fact(picture["spool"])
    if picture.get("backfill"):
        yield "backfill", backfill_problems.fact(picture["backfill"], now)


def _vendor(environment: Json) -> str:
    kinds = {
        "sandbox": "the vendor's sandbox",
        "production": "PRODUCTION",
        "simulated": "on this machine: a simulated vendor",
    }
    origin = environment["origin"]
    if origin is None:
        return "not known yet"
    kind = kinds.get(environment["kind"])
    return origin if kind is None else f"{origin}, {kind}"


def _backup(backup: Json, now: int) -> Iterator[str]:
    taken, verified = from_iso(backup["snapshot_at"]), from_iso(backup["verified_at"])
    if taken is not None:
        yield f"last snapshot {about(now - taken)} ago"
    if verified is not None:
        yield f"last restored on trial, and good, {about(now - verified)} ago"
    elif taken is not None:
        yield "none was restored on trial yet"


def _daemon(daemon: Json, now: int, *, stuck: bool) -> str:
    if not daemon["alive"] and daemon["starting"] is not None:
        return f"STUCK, process {daemon['starting']} finishes no pass" if stuck else starting(daemon)
    if not daemon["alive"]:
        age = daemon["beat_age_s"]
        return "NOT RUNNING, " + ("it never ran here" if age is None else f"last seen {words(age * 1000)} ago")
    started = from_iso(daemon["started_at"])
    since = "" if started is None else f" for {about(now - started)}"
    return f"running{since}, version {daemon['version']}, process {daemon['pid']}"


def _traffic(of: Json, *, tasks: bool, files: bool) -> str:
    said = [f"{counted(of['recorded'], 'task')} recorded, {of['concluded']} concluded"] if tasks else []
    if files or of["files"]:
        said.append(f"{counted(of['files'], 'file')} read in with {counted(of['answers'], 'answer')}")
    return "; ".join(said)


def _api(picture: Json, work: str, now: int) -> Iterator[tuple[str, str]]:
    api, polling = picture["api"], picture["polling"]
    yield "api", "; ".join([f"PAUSED: {api['reason']}", *next_probe(api, now)]) if api["paused"] else "not paused"
    expires = picture["token"]["expires_in_s"]
    yield "token", "none at present" if expires is None else f"expires in {words(expires * 1000)}"
    budget = polling["daily_budget"]
    today = f"{polling['requests_today']}{'' if budget is None else f' of {budget}'}"
    pace = slowed(picture) or [f"at most {polling['configured_per_second']:g}/s"]
    if pace[0] in work:
        pace = [f"at most {polling['requests_per_second']:g}/s at present"]
    yield "requests", "; ".join([f"{today} today", *pace])
    yield "polling", _polling(polling)


def _polling(polling: Json) -> str:
    """The delay per request and what it brings, in a line."""
    said = [f"{polling['schedule']} schedule"]
    if polling["delay_per_request_s"] is not None:
        said.append(f"delay per request {polling['delay_per_request_s']:g} s")
    if polling["results"]:
        polls = polling["polls_per_result"]
        each = f"{polls:g} {'poll' if polls == 1 else 'polls'} each"
        latest = f"last {counted(polling['results'], 'result')}: {each}"
        delay = polling["delay_s"]
        said.append(latest if delay is None else f"{latest}, picked up {delay:g} s after the vendor finished")
    return "; ".join(said)


def _batches(picture: Json, now: int) -> Iterator[tuple[str, str]]:
    """The drop, where there is one, and what came in files, where anything did."""
    files, drop = picture["files"], picture["drop"]
    if drop is not None:
        last, good = from_iso(drop["last_round_at"]), from_iso(drop["last_good_at"])
        said = "no round yet" if last is None else f"last round {about(now - last)} ago"
        if drop["failure"]:
            ago = "no good one over this drop yet" if good is None else f"last good one {about(now - good)} ago"
            said += f" FAILED: {drop['failure']}; {ago}"
        elif drop["absent"]:
            said += ": its folder is not there, and counts as empty"
        numbers = ((drop["waiting"], "to be fetched"), (drop["failed"], "failed, to be tried again"))
        waiting = ", ".join(f"{counted(n, 'file')} {what}" for n, what in numbers if n)
        yield "drop", f"{said}; {waiting or 'nothing waits'}"
    if drop is not None or files["last_at"]:
        counts = ", ".join(f"{files[state]} {state}" for state in FILE_STATES)
        held = files["quarantined_sets"]
        yield "files", counts + (f"; {counted(held, 'single set')} quarantined" if held else "")


def _way(way: Json, now: int) -> str:
    """A way out, in a line."""
    numbers = ((way["behind"], "to be delivered"), (way["failed"], "failed, to be tried again"), (way["dead"], "dead"))
    waiting = ", ".join(f"{n} {what}" for n, what in numbers if n) or "nothing waits"
    last, rests = from_iso(way["last_at"]), from_iso(way["resting_until"])
    said = "none yet" if last is None else f"the last {about(now - last)} ago"
    state = ""
    if way["stopped"]:
        state = f"; STOPPED: {way['reason']}"
    elif rests is not None:
        state = f"; rests for {about(rests - now)}: {way['reason']}"
    return f"{way['name']} ({way['kind']}): {waiting}; {way['delivered']} delivered, {said}{state}"


def _alerts(alerts: Json, now: int) -> Iterator[str]:
    """What came of the last ping, and of the last start of the command."""
    for name, none_yet in (("ping", "none yet"), ("command", "not started yet")):
        if alerts[name]["configured"]:
            last, failing = from_iso(alerts[name]["last_at"]), from_iso(alerts[name]["failing_since"])
            ago = "" if last is None else f"{about(now - last)} ago"
            if failing is None:
                yield f"{name} {ago or none_yet}"
            else:
                good = f"the last good one {ago}" if ago else "none went well yet"
                yield f"{name} FAILING for {about(now - failing)}: {alerts[name]['failure']}; {good}"


_MB_BYTES = 1_000_000


def _kept(retention: Json, disk: Json, now: int) -> Iterator[tuple[str, str]]:
    """What is removed when, and how long the disk lasts."""
    if retention["keep_s"] is not None or retention["purged_at"]:
        keep, last, left = retention["keep_s"], from_iso(retention["purged_at"]), retention["not_rewritten"]
        said = "nothing is purged by itself" if keep is None else f"what is older than {about(keep * 1000)} is purged"
        said += "" if last is None else f", last purged {about(now - last)} ago"
        if left["rows"]:
            since = from_iso(left["since"])
            ago = "" if since is None else f" for {about(now - since)}"
            said += f"; {counted(left['rows'], 'removed row')} not yet rewritten in the file{ago}"
            said += f": {left['hindrance']}" if left["hindrance"] else ""
        yield "retention", said
    grows = disk["grows_bytes_per_day"]
    if disk["free_bytes"] is not None and grows is not None:
        free = (
            f"{disk['free_bytes'] // _MB_BYTES} MB free; the database grows by {max(0, grows) / _MB_BYTES:.1f} MB a day"
        )
        lasts = disk["lasts_days"]
        said = f"lasts {counted(lasts, 'day')} at that" if lasts is not None else "lasts for good at that"
        yield "disk", f"{free}, measured over {disk['measured_days']:g} days: {said}"

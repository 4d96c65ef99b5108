"""``cdpoll status``. It reads only, and it starts fast."""

from typing import Any

import click

from cli.opening import opened
from cli.output import AS_JSON, dumped, say
from worker.config.polling import delay_per_request_of, rate_limit_of, schedule_of
from worker.core.instant import words
from worker.gateways.machine import disk_of, process_exists
from worker.store.db.store import Store
from worker.store.state.daemon import last_beat
from worker.store.views import status as view
from worker.store.views.problems import Machine, StatusRules


@click.command()
@AS_JSON
@click.option("--check", is_flag=True, help="A Nagios plug-in: one line, performance data, exit 0, 1, 2 or 3.")
@click.pass_obj
def status(obj: dict[str, Any], as_json: bool, check: bool) -> int:
    """The whole picture, also with the daemon dead."""
    if check:
        return _check(obj)
    picture = _picture(obj)
    if as_json:
        click.echo(dumped(picture))
    else:
        say(*_lines(picture))
    return 0


def _picture(obj: dict[str, Any]) -> view.Json:
    with opened(obj) as here:
        source, sftp, polling = here.config.source, here.config.sftp, here.config.polling
        rules = StatusRules(
            schedule_of(polling),
            rate_limit_of(polling),
            delay_per_request_of(polling),
            None if sftp is None else sftp.every_ms,
        )
        return view.status(here.store, here.now, rules, _machine(here.store), None if source is None else str(source))


def _machine(store: Store) -> Machine:
    beat, disk = last_beat(store), disk_of(store.path.parent)
    exists = beat is not None and process_exists(beat.pid)
    return Machine(exists, None) if disk is None else Machine(exists, *disk)


def _check(obj: dict[str, Any]) -> int:
    try:
        picture = _picture(obj)
    except Exception as error:
        # One line is all that a Nagios plug-in has, and what follows a bar is read as performance data.
        said = str(getattr(error, "message", type(error).__name__)).replace("\n", "; ").replace("|", "/")
        say(f"CDPOLL UNKNOWN - {said}")
        return 3
    problems = picture["problems"]
    code = 2 if any(p["severity"] == "critical" for p in problems) else 1 if problems else 0
    said = ", ".join(f"{p['code']} {p['count']}" for p in problems) or "every task is looked after"
    tasks = picture["tasks"]
    numbers = {**tasks, "oldest_s": picture["oldest_pending_age_s"] or 0}
    data = " ".join(f"{name}={value}" for name, value in numbers.items())
    click.echo(f"CDPOLL {('OK', 'WARNING', 'CRITICAL')[code]} - {said} | {data}")
    return code


def _lines(picture: view.Json) -> list[str]:
    daemon, tasks, outcomes, api = picture["daemon"], picture["tasks"], picture["outcomes"], picture["api"]
    age = daemon["beat_age_s"]
    seen = "never ran on this database" if age is None else f"last seen {words(age * 1000)} ago"
    oldest = picture["oldest_pending_age_s"]
    expires = picture["token"]["expires_in_s"]
    rows = [
        ("daemon", f"running, version {daemon['version']}" if daemon["alive"] else f"NOT RUNNING, {seen}"),
        ("api", f"PAUSED: {api['reason']}, next probe {api['resumes_at']}" if api["paused"] else "not paused"),
        ("token", "none at present" if expires is None else f"expires in {words(expires * 1000)}"),
        ("pending", f"{tasks['pending']}, of which {tasks['due']} are due"),
        ("oldest", "-" if oldest is None else f"pending for {words(oldest * 1000)}"),
        ("concluded", f"{tasks['concluded']}: {outcomes['success']} success, {outcomes['failure']} failure"),
        ("abandoned", str(tasks["abandoned"])),
        ("polling", _polling(picture["polling"])),
        *_batch_rows(picture),
        ("database", picture["database"]),
        ("config", picture["config"] or "environment"),
    ]
    lines = [f"{name:<10} {value}" for name, value in rows]
    problems = picture["problems"]
    if problems:
        lines += ["", f"{len(problems)} problem{'s' * (len(problems) > 1)}:"]
        lines += [f"  {p['code']} ({p['count']}): {p['hint']}" for p in problems]
    return lines


def _polling(polling: view.Json) -> str:
    """The delay per request and what it brings, in a line."""
    said = [f"{polling['schedule']} schedule"]
    if polling["delay_per_request_s"] is not None:
        said.append(f"delay per request {polling['delay_per_request_s']:g} s")
    if polling["results"]:
        latest = f"the last {polling['results']} results took {polling['polls_per_result']:g} polls each"
        delay = polling["delay_s"]
        said.append(latest if delay is None else f"{latest} and were seen {delay:g} s after their end")
    budget = polling["daily_budget"]
    today = f"{polling['requests_today']}{'' if budget is None else f' of {budget}'} requests today"
    return "; ".join([*said, f"{today}, at most {polling['requests_per_second']:g}/s"])


def _batch_rows(picture: view.Json) -> list[tuple[str, str]]:
    """The drop, where there is one, and what came in files, where anything did."""
    files, drop = picture["files"], picture["drop"]
    rows = []
    if drop is not None:
        last, good = drop["last_round_at"], drop["last_good_at"]
        said = "no round yet" if last is None else f"last round {last}"
        if drop["failure"]:
            said += f" FAILED: {drop['failure']}; last good one {good or 'never'}"
        rows.append(("drop", f"{said}; {drop['waiting']} files wait, {drop['failed']} failed and are tried again"))
    counted = [f"{files[state]} {state}" for state in ("ingested", "quarantined", "incomplete", "skipped")]
    if drop is not None or files["last_at"]:
        rows.append(("files", f"{', '.join(counted)}; {files['quarantined_sets']} single sets quarantined"))
    return rows

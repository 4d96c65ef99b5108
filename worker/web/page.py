"""What the status page and the page of a task show, as values for their templates. No name of a file, no ref."""

import platform
from dataclasses import replace
from typing import Any

from worker.build import VERSION
from worker.config import Config
from worker.config.polling import delay_per_request_of, schedule_of
from worker.core.errors import CdpollError
from worker.core.instant import about, from_iso, iso
from worker.core.poll_errors import in_words
from worker.core.problems import counted
from worker.store.views import needing
from worker.store.views.facts import facts
from worker.store.views.life import history_rows, life_rows
from worker.store.views.task_page import task_for_all
from worker.store.views.verdicts import problem_words, verdicts
from worker.web.figures import figures
from worker.web.look import Look, opened

Json = dict[str, Any]

# What a page shows at most, so that it stays below 50 kB; the commands tell all. MOST_TASKS is of each list of tasks
# that need a person.
MOST_TASKS = 5
MOST_WAYS = 20
MOST_TEXT_CHARS = 600
MOST_REASON_CHARS = 100

# Of all problems together, and what one takes beside its hint.
_PROBLEMS_BYTES, _FRAME_BYTES = 21_000, 190


def status_page(config: Config, look: Look) -> Json:
    """Everything that `/` shows. Never raises for what is wrong with the database."""
    page = head(look.now) | {"notes": _notes(look), "verdicts": [], "problems": [], "facts": [], "figures": []}
    picture = look.picture
    if picture is None:
        return page | {"title": "cdpoll: no database", "lists": []}
    told = verdicts(picture, look.installed, look.now)
    problems, shown = picture["problems"], _fitting(picture["problems"])
    look, left_out = _with_fewer_ways(look, picture)
    lists = [] if look.unreadable else _lists(config, look.now)
    return page | {
        "title": f"cdpoll: {counted(len(problems), 'problem') if problems else told['work'].state}",
        "verdicts": [(name.capitalize(), one) for name, one in told.items()],
        "problems": [_problem(one, look.now) for one in shown],
        "more_problems": len(problems) - len(shown),
        "lists": [one for one in lists if one["tasks"]],
        "figures": figures(look),
        "facts": [
            *facts(look.picture or picture, told["work"].words, look.installed, look.now),
            *[("ways out", f"and {left_out} on which less waits: `cdpoll status` has all")] * (left_out > 0),
        ],
    }


def _fitting(problems: list[Json]) -> list[Json]:
    """The first of them, as far as there is room."""
    shown: list[Json] = []
    room = _PROBLEMS_BYTES
    for one in problems:
        hint = _cut(one["hint"])
        room -= _FRAME_BYTES + len(hint.encode(errors="replace"))
        if room < 0:
            break
        shown.append(one | {"hint": hint})
    return shown


def _with_fewer_ways(look: Look, picture: Json) -> tuple[Look, int]:
    """With the ways out on which most waits, and how many were left out."""
    ways = picture["deliveries"]["ways"]
    if len(ways) > MOST_WAYS:
        ways = sorted(ways, key=lambda way: (not way["stopped"], -way["dead"], -way["failed"], -way["behind"]))
    kept = [way | {"reason": _cut(way["reason"] or "", MOST_REASON_CHARS)} for way in ways[:MOST_WAYS]]
    deliveries = {**picture["deliveries"], "ways": kept}
    return replace(look, picture={**picture, "deliveries": deliveries}), len(ways) - len(kept)


def _cut(text: str, most_chars: int = MOST_TEXT_CHARS) -> str:
    return text if len(text) <= most_chars else f"{text[: most_chars - 1]}…"


def head(now: int) -> Json:
    """What every page has."""
    return {"title": "cdpoll", "version": VERSION, "machine": platform.node(), "looked_at": _instant(now)}


def _instant(at: int) -> str:
    return iso(at - at % 1000).replace("T", " ").replace("Z", " UTC")


def _notes(look: Look) -> list[str]:
    """What is to be known of the page itself, a line each."""
    notes = []
    if look.unreadable is not None:
        cure = f": {look.cure}" if look.cure else ""
        notes.append(f"The database cannot be read: {look.unreadable}{cure}.")
        if look.picture is not None:
            notes.append("What follows is what the daemon last wrote of it.")
    elif look.picture is not None and not sum(look.picture["tasks"].values()) and look.installed.api:
        notes.append("No task was recorded yet: `cdpoll record` makes the first.")
    return notes


def _problem(one: Json, now: int) -> Json:
    return {"code": one["code"], "level": one["severity"], "hint": one["hint"], "words": problem_words(one, now)}


def _lists(config: Config, now: int) -> list[Json]:
    """A few of the tasks that need a person, of each sort."""
    overdue_ms = config.polling.alert_after_ms
    try:
        with opened(config) as store:
            failing = needing.failing(store, MOST_TASKS)
            overdue = needing.overdue(store, now, overdue_ms, MOST_TASKS)
            abandoned = needing.abandoned(store, MOST_TASKS)
    except CdpollError:
        return []
    return [
        {
            "title": "Polls fail",
            "command": "cdpoll tasks --failing",
            "tasks": [
                (row["id"], f"{counted(row['failures'], 'failure')} in a row, {_cut(in_words(row['last_error']))}")
                for row in failing
            ],
        },
        {
            "title": "Overdue",
            "command": "cdpoll tasks --overdue",
            "tasks": [(row["id"], f"recorded {_ago(row['since'], now)}") for row in overdue],
        },
        {
            "title": "Abandoned",
            "command": "cdpoll tasks --state abandoned",
            "tasks": [(row["id"], f"abandoned {_ago(row['since'], now)}") for row in abandoned],
        },
    ]


def _ago(at: int | None, now: int) -> str:
    return "at an unknown time" if at is None else f"{about(now - at)} ago"


def task_page(config: Config, task_id: str, now: int) -> Json | None:
    """Everything that the page of a task shows; ``None`` for an unknown id. Raises CdpollError where the database
    cannot be read."""
    with opened(config) as store:
        task = task_for_all(store, task_id, schedule_of(config), delay_per_request_of(config.polling))
    if task is None:
        return None
    rows = [*life_rows(task, now), ("concluded by", task["concluded_by"]), ("came in as", task["source"])]
    return head(now) | {
        "title": "cdpoll: a task",
        "id": task["id"],
        "rows": [(name, _cut(text)) for name, text in rows if text],
        "paths": task["paths"],
        "history": [(_shown(at), _cut(said)) for at, said in history_rows(task)],
    }


def _shown(text: str) -> str:
    at = from_iso(text)
    return text if at is None else _instant(at)


def spoken(text: str) -> list[tuple[bool, str]]:
    """The parts of a text, and of each whether it is a command: what stands between backticks."""
    return [(n % 2 == 1, part) for n, part in enumerate(text.split("`")) if part]

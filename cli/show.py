"""``cdpoll show``: one task, what came of it and how it went."""

import sys
from typing import Any

import click

from cli.completion import complete_id
from cli.opening import Opened, opened
from cli.output import AS_JSON, dumped, json_seen, say
from worker.config.polling import delay_per_request_of, schedule_of
from worker.core.errors import BadData
from worker.store.db.store import Store
from worker.store.views import tasks as view


@click.command()
@click.argument("name", metavar="[ID|PREFIX]", required=False, shell_complete=complete_id)
@click.option("--ref", metavar="TEXT", help="The tasks with this key of yours, in place of an id.")
@click.option("--body", is_flag=True, help="Add the body as it was received.")
@AS_JSON
@click.pass_obj
def show(obj: dict[str, Any], name: str | None, ref: str | None, body: bool, as_json: bool) -> None:
    """What came of one task, and its life: how it came in, what was seen, how it ended."""
    if (name is None) == (ref is None):
        raise click.UsageError("give an id, the beginning of one, or --ref")
    with opened(obj) as here:
        ids = _ids(here.store, name, ref)
        if len(ids) > 1 and (ref is None or as_json):
            raise _several(ids, "have this ref" if name is None else f"begin with {name}")
        for number, task_id in enumerate(ids):
            if number:
                click.echo("")
            _show(here, task_id, body, as_json)


def _ids(store: Store, name: str | None, ref: str | None) -> list[str]:
    if ref is not None:
        ids = view.ids_with_ref(store, ref)
        if not ids:
            raise BadData("no task with this ref is recorded here", "`cdpoll tasks` lists them; refs keep letter case")
        return ids
    ids = view.ids_named(store, name) if name else []
    if not ids:
        raise BadData(f"no task {name} is recorded here", "`cdpoll record` makes one; ids keep their letter case")
    return ids


_SHOWN_IDS = 10


def _several(ids: list[str], why: str) -> BadData:
    more = ", and more" if len(ids) > _SHOWN_IDS else ""
    return BadData(f"several tasks {why}: {', '.join(ids[:_SHOWN_IDS])}{more}", "give one of these ids")


def _show(here: Opened, task_id: str, body: bool, as_json: bool) -> None:
    polling = here.config.polling
    found = view.show(
        here.store,
        task_id,
        body=body and as_json,
        schedule=schedule_of(polling),
        least_delay_ms=delay_per_request_of(polling),
    )
    if found is None:  # it was taken away just now
        raise BadData(f"no task {task_id} is recorded here")
    if as_json:
        click.echo(dumped(found))
        return
    say(*_story(found))
    if body:
        click.echo("")
        _show_body(view.body_of(here.store, task_id))


def _show_body(raw: bytes | None) -> None:
    """As received; on a terminal, with what cannot be seen in escapes of JSON."""
    if raw is None:
        click.echo("no body yet")
    elif sys.stdout.isatty():
        say(*json_seen(raw.decode("utf-8", "replace")).splitlines())
    else:
        click.echo(raw)


def _story(story: view.Json) -> list[str]:
    state = story["state"] + (f": {story['outcome']}" if story["outcome"] else "")
    rows = [("task", story["id"]), ("state", state)]
    rows += [(key.replace("_", " "), story[key]) for key in ("name", "correlation_id", "trace_id") if story[key]]
    rows += [("refs", ", ".join(story["refs"]))] if story["refs"] else []
    rows += [(key.replace("_", " "), story[key]) for key in ("recorded_at", "due_at", "concluded_at") if story[key]]
    rows += [("why then", story["why"])] if story["why"] else []
    rows.append(("polls", f"{story['polls']}, {story['failures']} unusable in a row"))
    rows += [("last error", story["last_error"])] if story["last_error"] else []
    lines = [f"{name:<15} {value}" for name, value in rows]
    if story["paths"]:
        lines += ["", _unanswered(story["paths"], story["outcome"])]
        lines += ["  " + _path_line(path) for path in story["paths"]]
    if story["batch_answers"]:
        lines += ["", "batch files say:"]
        for found in story["batch_answers"]:
            said = {**found, "test": "marked as a test" if found["test"] else ""}
            lines.append("  " + " · ".join(value for value in said.values() if value))
    lines += ["", "history"]
    lines += [f"  {h['at']}  {h['event']}" + (f": {h['detail']}" if h["detail"] else "") for h in story["history"]]
    return lines


# A path with one of these was not searched: a failure with one of them is not the same as "no coverage".
NO_ANSWER = ("processing_error", "payer_unavailable")


def _unanswered(paths: list[view.Json], outcome: str) -> str:
    tried = [path for path in paths if path["list"] in ("successful", "unsuccessful")]
    silent = sum(path["status"] in NO_ANSWER for path in tried)
    found = "coverage found" if outcome == "success" else "no coverage found"
    return f"{found}; {silent} of {len(tried)} paths gave no answer" if silent else f"{found}; paths:"


def _path_line(path: view.Json) -> str:
    parts = [path["name"] or "(unnamed)", path["list"]]
    parts += [str(path[key]) for key in ("status", "payer_id", "reason") if path[key]]
    return " · ".join(parts)

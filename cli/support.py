"""``cdpoll support``: what the vendor's support asks for, ready to be pasted into a ticket."""

from typing import Any

import click

from cli.completion import complete_id
from cli.opening import opened
from cli.output import AS_JSON, dumped, say
from cli.overdue_ticket import ask_for_overdue, say_missing
from cli.show import ids_of, several
from worker import __version__
from worker.core.errors import BadData
from worker.core.instant import iso
from worker.core.poll_errors import in_words
from worker.store.views.support import ticket

Json = dict[str, Any]

_NAME_LETTERS = 22


@click.command()
@click.argument("name", metavar="ID|PREFIX", required=False, shell_complete=complete_id)
@click.option("--overdue", is_flag=True, help="About all overdue tasks: ask for their callbacks once more.")
@AS_JSON
@click.pass_obj
def support(obj: dict[str, Any], name: str | None, overdue: bool, as_json: bool) -> None:
    """A ticket for the vendor about one task: ids, times and codes, and nothing of the patient.

    With `--overdue`, a text that asks the vendor to deliver the callbacks of overdue tasks once more: by their ids,
    or by a range of time where there are many.

    `[support]` in the configuration says who asks: customer, submitter_id and environment.
    """
    if overdue == (name is not None):
        raise click.UsageError("give an id or --overdue")
    if name is None:
        ask_for_overdue(obj, as_json)
        return
    with opened(obj) as here:
        ids = ids_of(here.store, name, None)
        if len(ids) > 1:
            raise several(ids, f"begin with {name}")
        told = ticket(here.store, ids[0])
        if told is None:  # it was taken away just now
            raise BadData(f"no task {ids[0]} is recorded here")
        about, api = here.config.support, here.config.api
    base = None if api is None or not api.base_url else api.base_url
    told = {
        "customer": about.customer,
        "submitter_id": about.submitter_id,
        "environment": about.environment or (None if api is None or base is None else api.origin),
        "endpoint": None if base is None else f"GET {base}/coverage-discovery/{told['task_id']}",
        "written_at": iso(here.now),
        "cdpoll": __version__,
        **told,
    }
    if as_json:
        click.echo(dumped(told))
        return
    say(*_lines(told))
    say_missing(about)


def _lines(told: Json) -> list[str]:
    rows = [
        ("customer", told["customer"]),
        ("submitter id", told["submitter_id"]),
        ("environment", told["environment"]),
        ("endpoint", told["endpoint"]),
        ("task id", told["task_id"]),
        ("state here", told["state"]),
        ("statuses seen", ", ".join(told["statuses_seen"]) or "none"),
        ("correlation id", told["correlation_id"]),
        ("trace id, first answer", told["trace_id_first"]),
        ("trace id, last reply", told["trace_id_last"]),
        ("trace id, in the body", told["trace_id_body"]),
        ("last reply", _reply(told["status_last"], told["error_last"])),
        ("polls", f"{told['polls']}, the last {told['failures']} failed" if told["failures"] else told["polls"]),
        ("recorded", told["recorded_at"]),
        ("began at the vendor", told["started_at"]),
        ("last seen pending", told["pending_at"]),
        ("last poll", told["last_poll_at"]),
        ("ended at the vendor", told["ended_at"]),
        ("concluded here", told["concluded_at"]),
        *((f"meta {key}", value) for key, value in told["meta"].items()),
        ("written", f"{told['written_at']} by cdpoll {told['cdpoll']}; all times are UTC"),
    ]
    lines = [f"{name:<{_NAME_LETTERS}}  {value}" for name, value in rows if value is not None]
    if told["failed_polls"]:
        lines += ["", "polls that failed, the newest last:"]
        lines += [
            f"  {one['at']}  {_reply(one['status'], one['error'])}  trace id {one['trace_id'] or '-'}"
            for one in told["failed_polls"]
        ]
    return lines


def _reply(status: int | None, error: str | None) -> str | None:
    if status is None and error is None:
        return None
    words = "" if error is None or error.startswith("http_") else f": {in_words(error)}"
    return f"{'no reply' if status is None else f'HTTP {status}'}{f' · {error}{words}' if error else ''}"

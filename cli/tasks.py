"""A task's life in a person's hands: the list of tasks, and ``poll``, ``retry`` and ``abandon``."""

import os
from collections.abc import Callable, Iterable
from typing import Any

import click

from cli.audit import audited
from cli.completion import complete_id
from cli.csv_cells import echo_csv
from cli.opening import opened
from cli.output import AS_JSON, dumped, echo_pages, say
from cli.task_list import echo_tasks, why_empty
from cli.who import who
from worker.clock import Clock
from worker.config import load
from worker.config.polling import schedule_of
from worker.config.secret import OutOfReach
from worker.core.poll_errors import cure_of, in_words
from worker.core.problems import hint
from worker.core.verification import said_of
from worker.gateways.machine import process_exists
from worker.store.db.store import Store
from worker.store.state import api as shared_state
from worker.store.state.daemon import last_beat
from worker.store.tasks import by_hand
from worker.store.tasks.by_hand import Handled
from worker.store.views import tasks as story

IDS = click.argument("ids", metavar="ID...", nargs=-1, required=True, shell_complete=complete_id)


@click.command()
@click.option("--state", type=click.Choice(["pending", "concluded", "abandoned"]), help="Only those in this state.")
@click.option("--overdue", is_flag=True, help="Only those pending for longer than alert_after.")
@click.option(
    "--failing",
    metavar="[CODE]",
    is_flag=False,
    flag_value="",
    help="Only pending ones whose last poll brought nothing usable; with CODE, for this reason.",
)
@click.option(
    "--review",
    is_flag=True,
    help="Only concluded ones that need a person, each with what was not searched or was rejected.",
)
@click.option(
    "--unconfirmed", is_flag=True, help="Only those that callbacks concluded and the vendor does not confirm."
)
@click.option("--ref", metavar="TEXT", help="Only those with this key of yours.")
@click.option("--subtenant", metavar="TEXT", help="Only those that were recorded with this tag.")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="At most N of them.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV on standard output, with a line of column names.")
@AS_JSON
@click.pass_obj
def tasks(obj: dict[str, Any], /, *, as_csv: bool, as_json: bool, **given: Any) -> None:
    """List tasks, oldest first: id, state, when the next poll is due, polls, refs."""
    if as_csv and as_json:
        raise click.UsageError("give --csv or --json")
    failing = given["failing"]
    if (given["overdue"] or failing is not None) and given["state"] not in (None, "pending"):
        raise click.UsageError("only pending tasks are overdue or failing: leave out --state")
    if given["unconfirmed"] and (given["overdue"] or failing is not None or given["state"] not in (None, "concluded")):
        raise click.UsageError("--unconfirmed lists concluded tasks: leave out --state, --overdue and --failing")
    if given["review"]:
        if given["overdue"] or failing is not None or given["state"] not in (None, "concluded"):
            raise click.UsageError("--review lists concluded tasks: leave out --state, --overdue and --failing")
        narrowed = {key: given[key] for key in ("ref", "subtenant", "limit")}
        _review(obj, narrowed, "json" if as_json else "csv" if as_csv else "text")
        return
    by = who()
    with opened(obj) as here:
        if as_json or as_csv:
            audited(here.store, by, "listed tasks", None, here.now)
        wanted = story.Wanted(
            state=given["state"],
            overdue_after=schedule_of(here.config).alert_after if given["overdue"] else None,
            # `status` names such a problem failing_CODE.
            failing=None if failing is None else failing.removeprefix("failing_"),
            ref=given["ref"],
            subtenant=given["subtenant"],
            unconfirmed=given["unconfirmed"] or None,
        )
        pages = story.task_pages(here.store, here.now, wanted, given["limit"])
        if as_json:
            echo_pages("tasks", pages)
        elif as_csv:
            echo_csv(COLUMNS, pages)
        elif not echo_tasks(pages, here.now, failing=failing is not None):
            say(f"cdpoll: {why_empty(here.store, wanted)}", err=True)


COLUMNS = ("id", "state", "outcome", "refs", "recorded_at", "due_at", "polls", "last_error", "subtenant")


def _review(obj: dict[str, Any], narrowed: dict[str, Any], form: str) -> None:
    from worker.store.views.review import review_pages

    by = who()
    with opened(obj) as here:
        if form != "text":
            audited(here.store, by, "listed tasks", None, here.now)
        pages = review_pages(here.store, **narrowed)
        if form == "json":
            echo_pages("tasks", pages)
        elif form == "csv":
            echo_csv(REVIEW_COLUMNS, ([row | item for row in page for item in row["review"]] for page in pages))
        else:
            from cli.review_list import echo_review

            if not echo_review(pages, here.now):
                say("cdpoll: no concluded task needs a person", err=True)


REVIEW_COLUMNS = ("id", "refs", "outcome", "concluded_at", "kind", "path", "payer_id", "reason", "action", "subtenant")


@click.command()
@IDS
@AS_JSON
@click.pass_obj
def poll(obj: dict[str, Any], ids: tuple[str, ...], as_json: bool) -> int:
    """Poll these tasks now.

    A living daemon does it within seconds; without one, this command asks the vendor itself. Of a task that a callback
    concluded, the vendor is asked whether it says the same.
    """
    person = who()
    with opened(obj) as here:
        handled = by_hand.due_now(here.store, ids, here.now, person)
        beat = last_beat(here.store)
        alive = beat is not None and beat.alive(here.now, process_exists(beat.pid))
    code = 0
    if handled.done and not alive:
        code = _poll_here(obj, frozenset(handled.done.values()))
    with opened(obj) as here:
        states = story.states(here.store, handled.done)
        paused = shared_state.get(here.store).breaker.code
    by = "daemon" if alive else "command"
    if as_json:
        _tell_json(handled, {"by": by, "states": states})
    else:
        for found in states:
            error = found["last_error"]
            word = f"{error}: {in_words(error)}" if error else found["outcome"] or found["state"]
            if found["verified"] and not error:
                word += f"; {said_of(found['verified'])}"
            say(f"{found['id']} " + ("is due now; the daemon polls it" if alive else word))
    if code in _PAUSED:
        why = paused or next((found["last_error"] for found in states if found["last_error"]), None)
        say(f"cdpoll: the vendor could not be asked: {_why_not(code, why)}", err=True)
    return code or _refusals(handled, as_json)


def _poll_here(obj: dict[str, Any], rows: frozenset[int]) -> int:
    """Ask the vendor in place of the daemon, which is down; the exit code."""
    from worker import daemon

    config = load(obj["config"], os.environ)
    api = config.require_api()
    try:
        api.client_id.reveal()
        api.client_secret.reveal()
    except OutOfReach as error:
        # A member of the group may record and look. The secret is for the service, so the cure is not his.
        raise OutOfReach(
            f"the daemon is down, and this user cannot ask the vendor in its place: {error.message}",
            "ask an administrator to start it (systemctl start cdpoll); it then polls these tasks at once",
        ) from None
    return daemon.run(config, "once", Clock(), only=rows)


def _why_not(code: int, why: str | None) -> str:
    """In the words of `status`; ``why`` is the code of the pause, or of the task's failure."""
    if code == WORK_REMAINS or why is None:
        return _PAUSED[code]
    return hint(in_words(why), cure_of(why) or "try again later")


WORK_REMAINS = 75

_PAUSED = {
    69: "it did not answer",
    WORK_REMAINS: "it wants fewer requests, or another process is at work; try again later",
    77: "it refused the credentials",
}


@click.command()
@IDS
@AS_JSON
@click.pass_obj
def retry(obj: dict[str, Any], ids: tuple[str, ...], as_json: bool) -> int:
    """A fresh start for these tasks, also for abandoned ones. A concluded one is refused."""
    return _by_hand(obj, by_hand.retry, ids, "will be polled from the beginning of the schedule", as_json)


@click.command()
@IDS
@AS_JSON
@click.pass_obj
def abandon(obj: dict[str, Any], ids: tuple[str, ...], as_json: bool) -> int:
    """Stop asking for these tasks. They stay visible; `retry` revives them, and a late result concludes them."""
    return _by_hand(obj, by_hand.abandon, ids, "is abandoned", as_json)


def _by_hand(
    obj: dict[str, Any],
    act: Callable[[Store, Iterable[str], int, str], Handled],
    ids: tuple[str, ...],
    said: str,
    as_json: bool,
) -> int:
    by = who()
    with opened(obj) as here:
        handled = act(here.store, ids, here.now, by)
    if as_json:
        _tell_json(handled, {})
    else:
        for task_id in handled.done:
            say(f"{task_id} {said}")
    return _refusals(handled, as_json)


def _tell_json(handled: Handled, more: story.Json) -> None:
    refused = [{"id": task_id, "reason": reason} for task_id, reason in handled.refused.items()]
    click.echo(dumped({"done": list(handled.done), "refused": refused, **more}))


def _refusals(handled: Handled, as_json: bool) -> int:
    """65 if nothing was done, 1 if a part of it was, 0 if all."""
    if not as_json:
        for task_id, reason in handled.refused.items():
            say(f"cdpoll: {task_id} {reason}", err=True)
    if not handled.refused:
        return 0
    return 1 if handled.done else 65

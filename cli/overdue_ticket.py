"""``cdpoll support --overdue``: a text that asks the vendor for the callbacks of overdue tasks, ready to be pasted."""

from collections.abc import Iterator
from typing import Any

import click

from cli.opening import opened
from cli.output import dumped, say
from worker import __version__
from worker.config import Config
from worker.config.polling import schedule_of
from worker.config.settings import SupportSection
from worker.core.instant import iso
from worker.core.problems import counted
from worker.store.views.overdue_request import overdue_request

Json = dict[str, Any]

_NAME_LETTERS = 22


def ask_for_overdue(obj: dict[str, Any], as_json: bool) -> None:
    """Print the text, or with ``as_json`` what it is made of."""
    with opened(obj) as here:
        told = {
            **_about(here.config),
            "written_at": iso(here.now),
            "cdpoll": __version__,
            **overdue_request(here.store, here.now, schedule_of(here.config).alert_after),
        }
    if as_json:
        click.echo(dumped(told))
    elif not told["overdue"]:
        say("cdpoll: no task is overdue", err=True)
    else:
        say(*_lines(told))
        say_missing(here.config.support)


def say_missing(about: SupportSection) -> None:
    """Name what the vendor asks for and the configuration does not say."""
    missing = [key for key in ("customer", "submitter_id", "environment") if getattr(about, key) is None]
    if missing:
        say(f"cdpoll: the vendor asks for these too; set them under [support]: {', '.join(missing)}", err=True)


def _about(config: Config) -> Json:
    about, api, callback = config.support, config.api, config.callback
    base = "" if callback is None else callback.public_url or ""
    return {
        "customer": about.customer,
        "submitter_id": about.submitter_id,
        "environment": about.environment or (None if api is None or not api.base_url else api.origin),
        "token_endpoint": None if callback is None else base + callback.token_path,
        "callback_endpoint": None if callback is None else base + callback.callback_path,
    }


def _lines(told: Json) -> Iterator[str]:
    tasks, many = told["tasks"], told["overdue"] > len(told["tasks"])
    rows = (
        ("customer", told["customer"]),
        ("submitter id", told["submitter_id"]),
        ("environment", told["environment"]),
        ("token endpoint", told["token_endpoint"]),
        ("callback endpoint", told["callback_endpoint"]),
        ("last callback here", told["last_callback_at"] or "none yet"),
        ("written", f"{told['written_at']} by cdpoll {told['cdpoll']}; all times are UTC"),
    )
    yield from (f"{name:<{_NAME_LETTERS}}  {value}" for name, value in rows if value is not None)
    yield ""
    yield f"We have no result of {counted(told['overdue'], 'coverage discovery').replace('discoverys', 'discoveries')}."
    if many:
        yield f"Please deliver the callbacks once more of all that began from {told['from']} to {told['to']},"
        yield f"or tell us how they stand. The {len(tasks)} oldest of them:"
    else:
        yield "Please deliver these callbacks once more, or tell us how they stand:"
    yield ""
    for one in tasks:
        begun = one["started_at"] or one["recorded_at"]
        yield f"  {one['task_id']}  began {begun}  correlation id {one['correlation_id'] or '-'}"

"""``cdpoll ingest`` without a path: one round over the SFTP drop."""

import os
import sys
import threading
from contextlib import ExitStack
from typing import Any

from cli.opening import opened
from cli.output import say
from cli.reports import bar, exit_code, read_older, report_json, show
from worker.clock import Clock
from worker.config import load
from worker.config.secret import OutOfReach
from worker.daemon.drop_lane import rules_of, whole_round
from worker.daemon.lane import Surroundings
from worker.log import make_log
from worker.rounds.drop.work import DropWork


def run(obj: dict[str, Any], as_json: bool) -> int:
    """One round; waits `settle` for files that are new."""
    config = load(obj["config"], os.environ)
    try:
        rules = rules_of(config.require_sftp())
    except OutOfReach as error:
        # A member of the group may look, and read in files of his own. The secret is for the service.
        raise OutOfReach(
            f"this user cannot log in to the SFTP server: {error.message}",
            "the daemon reads the drop by itself; where `cdpoll status` says that it is down, ask an administrator",
        ) from None
    clock = Clock()
    around = Surroundings(clock, make_log(config.log.format, "error", clock), threading.Event(), once=True)
    with opened(obj, create=True, migrate=True, whole=True) as here, ExitStack() as stack:
        work = DropWork(here.store, rules, around.log, patient=True, by_hand=sys.stdin.isatty())
        work.progress = lambda name, size: stack.enter_context(bar(name, size))
        outcome = whole_round(work, around)
        read_older(here.store, here.now)
    reports = [report_json(one) for one in outcome.reports]
    show(reports, as_json)
    for name in outcome.unsettled:
        say(f"cdpoll: {name} is still changing; it is tried again", err=True)
    for name, failure in outcome.failed:
        say(f"cdpoll: {name} is tried again: {failure.message}; {failure.hint}", err=True)
    for name in outcome.lost:
        say(f"cdpoll: {name} is gone from the drop before it came whole; see `cdpoll status`", err=True)
    if outcome.failure is not None:
        raise outcome.failure.as_error()
    return max(exit_code(reports), 1 if outcome.unsettled or outcome.failed or outcome.lost else 0)

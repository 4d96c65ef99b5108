"""``cdpoll problems``: what a person must see, since when, and what was acknowledged."""

from typing import Any

import click

from cli.groups import Group
from cli.opening import Opened, opened
from cli.output import AS_JSON, dumped, say
from cli.status import machine_of
from cli.verdicts import problem_line
from cli.who import who
from worker.config.polling import status_rules_of
from worker.config.suggestion import nearest
from worker.core.errors import BadData
from worker.core.instant import iso_or_none
from worker.core.problems import KINDS, counted, kind_of
from worker.core.standing import Shown
from worker.store.state import standing
from worker.store.state.daemon import last_beat
from worker.store.views.problems import all_problems

Json = dict[str, Any]


@click.group(cls=Group)
def problems() -> None:
    """What a person must see; docs/problems.md lists every code."""


@problems.command("list")
@AS_JSON
@click.pass_obj
def list_(obj: Json, as_json: bool) -> None:
    """List the problems that stand, the worst first, and those that were acknowledged."""
    with opened(obj) as here:
        found, now = _standing(here), here.now
    if as_json:
        click.echo(dumped({"problems": [_as_json(one) for one in found]}))
        return
    lines = [_line(one, now) for one in found if one.acked is None] or ["no problems"]
    acked = [one for one in found if one.acked is not None]
    if acked:
        lines += ["", "acknowledged, and hidden until they grow or return:", *(_line(one, now) for one in acked)]
    say(*lines)


@problems.command()
@click.argument("codes", metavar="CODE...", nargs=-1, required=True)
@click.pass_obj
def ack(obj: Json, codes: tuple[str, ...]) -> None:
    """Hide these warnings from `status` until they grow, or return after their end. What is critical stays."""
    by = who()
    with opened(obj) as here:
        counts = {one.problem.code: one.problem.count for one in _standing(here)}
        for code in codes:
            if code not in counts:
                raise BadData(*_no_problem(code, list(counts)))
            if kind_of(code).severity == "critical":
                raise BadData(
                    f"{code} is critical: it cannot be hidden", "`cdpoll problems list` says what to do; then it ends"
                )
        with here.store.write():
            for code in dict.fromkeys(codes):
                standing.acknowledge(here.store, code, counts[code], by, here.now)
    for code in dict.fromkeys(codes):
        say(f"{code} ({counts[code]}) is acknowledged: hidden until it grows, or returns after its end")


@problems.command()
@AS_JSON
@click.option("--limit", metavar="N", type=click.IntRange(1, 1000), default=100, help="At most N of them; else 100.")
@click.pass_obj
def acts(obj: Json, limit: int, as_json: bool) -> None:
    """List what people did by hand, the newest first. (What was done to a task stands in its history.)"""
    with opened(obj) as here:
        rows = [{**row, "at": iso_or_none(row["at"])} for row in standing.acts(here.store, limit)]
    if as_json:
        click.echo(dumped({"acts": rows}))
    else:
        say(*([f"{row['at']}  {row['who']}: {row['act']}" for row in rows] or ["nothing was done by hand"]))


def _standing(here: Opened) -> list[Shown]:
    machine, beat = machine_of(here), last_beat(here.store)
    alive = beat is not None and beat.alive(here.now, machine.daemon_exists)
    return all_problems(here.store, here.now, status_rules_of(here.config), machine, alive=alive)


def _as_json(one: Shown) -> Json:
    problem, acked = one
    return {
        "code": problem.code,
        "count": problem.count,
        "hint": problem.hint,
        "severity": problem.severity,
        "since": iso_or_none(problem.since),
        "page": kind_of(problem.code).page or None,
        "acknowledged": None
        if acked is None
        else {"count": acked.acked_n, "by": acked.acked_by, "at": iso_or_none(acked.acked_at)},
    }


def _line(one: Shown, now: int) -> str:
    acked = one.acked
    by = "" if acked is None else f" [by {acked.acked_by}, {iso_or_none(acked.acked_at)}]"
    return problem_line(_as_json(one), now)[1] + by


def _no_problem(code: str, standing_codes: list[str]) -> tuple[str, str]:
    if code in KINDS or kind_of(code).code != code:
        stand = f"{counted(len(standing_codes), 'problem')}: {', '.join(standing_codes)}" if standing_codes else "none"
        return f"{code} does not stand at present", f"what stands: {stand}"
    return f"{code} is not the code of a problem", nearest(code, {*standing_codes, *KINDS})

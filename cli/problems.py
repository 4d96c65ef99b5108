"""``cdpoll problems``: what a person must see, since when, and what was acknowledged."""

from typing import Any

import click

from cli.groups import Group
from cli.opening import Opened, opened
from cli.output import AS_JSON, dumped, say
from cli.status import machine_of
from cli.who import who
from worker.config.polling import status_rules_of
from worker.config.suggestion import near
from worker.core.errors import BadData
from worker.core.instant import iso_or_none
from worker.core.problems import FAMILIES, KINDS, counted, kind_of
from worker.core.standing import Shown
from worker.store.state import acts as audit
from worker.store.state import standing
from worker.store.state.daemon import last_beat
from worker.store.tasks import verifying
from worker.store.views.problems import all_problems
from worker.store.views.verdicts import problem_line

Json = dict[str, Any]

MISMATCH = "callback_mismatch"


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
    """Hide these warnings from `status` until they grow, or return after their end. What is critical stays.

    `callback_mismatch` alone is settled by it: the tasks are accepted as they are.
    """
    by = who()
    with opened(obj) as here:
        found = [one.problem for one in _standing(here)]
        counts = {code: sum(one.count for one in found if one.code == code) for code in {one.code for one in found}}
        codes = tuple(dict.fromkeys(_standing_code(code, list(counts)) for code in codes))
        for code in codes:
            if kind_of(code).severity == "critical" and code != MISMATCH:
                raise BadData(
                    f"{code} is critical: it cannot be hidden", "`cdpoll problems list` says what to do; then it ends"
                )
        with here.store.write():
            for code in codes:
                if code == MISMATCH:
                    accepted = verifying.accept(here.store, by, here.now)
                    audit.note(here.store, by, "acknowledged", code, here.now)
                else:
                    for one in found:
                        if one.code == code:
                            standing.acknowledge(here.store, one.key, one.count, by, here.now)
    for code in codes:
        if code == MISMATCH:
            say(f"accepted as they are: {', '.join(accepted)}")
            continue
        until = "it returns after its end" if kind_of(code).grows_by_itself else "it grows, or returns after its end"
        say(f"{code} ({counts[code]}) is acknowledged: hidden until {until}")


@problems.command()
@AS_JSON
@click.option("--limit", metavar="N", type=click.IntRange(1, 1000), default=100, help="At most N of them; else 100.")
@click.pass_obj
def acts(obj: Json, limit: int, as_json: bool) -> None:
    """List what people did by hand, and when they read patient data, the newest first: the audit."""
    with opened(obj) as here:
        rows = [{**row, "at": iso_or_none(row["at"])} for row in audit.listed(here.store, limit)]
    if as_json:
        click.echo(dumped({"acts": rows}))
    else:
        say(*([_act(row) for row in rows] or ["nothing was done by hand"]))


def _act(row: Json) -> str:
    about = "" if row["object"] is None else f": {row['object']}"
    return f"{row['at']}  {row['who']}: {row['act']}{about}"


def _standing(here: Opened) -> list[Shown]:
    machine = machine_of(here)
    beat = last_beat(here.store)
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
        "daemon": problem.daemon or None,
        "page": kind_of(problem.code).page or None,
        "acknowledged": None
        if acked is None
        else {"count": acked.acked_n, "by": acked.acked_by, "at": iso_or_none(acked.acked_at)},
    }


def _line(one: Shown, now: int) -> str:
    acked = one.acked
    by = "" if acked is None else f" [by {acked.acked_by}, {iso_or_none(acked.acked_at)}]"
    return problem_line(_as_json(one), now)[1] + by


def _standing_code(given: str, codes: list[str]) -> str:
    """The code of a problem that stands; letter case does not count."""
    code = next((one for one in codes if one.casefold() == given.casefold()), None)
    if code is not None:
        return code
    stand = f"what stands: {counted(len(codes), 'problem')}: {', '.join(codes)}" if codes else "no problem stands"
    known = {*codes, *KINDS} - set(FAMILIES)
    if given.lower() in known or kind_of(given.lower()).code in set(FAMILIES) - {given.lower()}:
        raise BadData(f"{given} does not stand at present", stand)
    meant = near(given.lower(), known)
    raise BadData(f"{given} is not the code of a problem", f"did you mean {meant}?" if meant else stand)

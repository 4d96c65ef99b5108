"""What ``cdpoll show`` prints for people: what came of a task first, its life below."""

from collections.abc import Iterable, Iterator
from typing import Any

from worker.core.vendor.document import REAL_TIME
from worker.core.vendor.findings import (
    COVERAGES,
    TRIED,
    distinct,
    name_of,
    payer_of,
    rejection_words,
    span,
    status_words,
)
from worker.store.views.life import history_rows, life_rows

Json = dict[str, Any]

_WIDTH_CHARS = 15


def lines(task: Json, now: int) -> Iterator[str]:
    """The report, line by line; ``task`` is what ``--json`` prints."""
    yield task["headline"]
    yield from _rows(
        [
            ("patient", "; ".join(map(_person, task["patients"]))),
            ("refs", ", ".join(task["refs"])),
            ("task", task["id"]),
            ("name", task["name"]),
            ("how it came", _how(task)),
        ]
    )
    several = len(task["patients"]) > 1
    yield from _section("covered by", (_coverage(one, several) for one in distinct(task["found"])))
    yield from _section("searched", _searched(task))
    yield from _section("not searched", (_silent(task, path) for path in task["not_searched"]))
    yield from _section("skipped", ([_skipped(path)] for path in task["paths"] if path["list"] == "skipped"))
    yield from _section("batch files say", (_batch(task, one) for one in task["batch_answers"] if not one["in_result"]))
    yield from _life(task, now)


def _rows(rows: Iterable[tuple[str, str | None]]) -> Iterator[str]:
    return (f"{name:<{_WIDTH_CHARS}} {value}" for name, value in rows if value)


def _section(title: str, entries: Iterable[list[str]]) -> Iterator[str]:
    """A title, and below it each entry: its first line, and the others farther to the right."""
    begun = False
    for first, *more in entries:
        if not begun:
            yield from ("", title)
            begun = True
        yield f"  {first}"
        yield from (f"      {line}" for line in more)


def _person(one: Json) -> str:
    return f"{name_of(one)}, born {one['birth_date']}" if one["birth_date"] else name_of(one)


def _how(task: Json) -> str | None:
    if task["concluded_at"] is None:
        return None
    said = f"by {task['concluded_by']} at {task['concluded_at']}"
    latest = task["latest"]
    if latest is not None and latest["revision"] > 1:
        differs = f"; a differing body came by {latest['source']} at {latest['at']}"
        said += f"{differs}, it says {latest['outcome']}, and this is what it tells"
    return said


_KINDS = {
    "other_payer": "another payer, to be billed",
    "managed_care": "managed care plan, to be billed",
    "path": "the vendor says eligible",
}


def _coverage(one: Json, several: bool) -> list[str]:
    """A coverage; with the patient's name where the answers speak of ``several``."""
    named = (("member", "member_id"), ("plan", "plan"), ("group", "group_number"))
    parts = [f"{name_of(one['patient'])}:"] if several else []
    parts = [" ".join([*parts, payer_of(one)]), *(f"{word} {one[key]}" for word, key in named if one[key])]
    parts += [span(one) or "no dates given"]
    parts += [_KINDS[one["kind"]]] if one["kind"] in _KINDS else []
    parts += ["EARLY (provisional): the vendor still searches"] if one["provisional"] else []
    numbers = [f"{word} {one[key]}" for word, key in (("trace", "trace_number"), ("account", "account")) if one[key]]
    source = f"told by {', '.join(one['told_by'])}" + (f" ({', '.join(numbers)})" if numbers else "")
    return [" · ".join(parts), source, *_notes(one["warnings"])]


def _notes(warnings: Iterable[Json]) -> list[str]:
    return [f"note: {one['message']}" for one in warnings]


Note = tuple[str | None, str | None, str]
"""Of which answer what was said: its list and path, or its file, and the code."""


def _place(one: Json) -> tuple[str | None, str | None]:
    return one.get("list"), None if one.get("list") == REAL_TIME else one.get("file") or one.get("path")


def _told(found: Iterable[Json]) -> frozenset[Note]:
    """The notes that stand beside coverage."""
    return frozenset((*_place(one), note["code"]) for one in found for note in one["warnings"])


def _searched(task: Json) -> Iterator[list[str]]:
    """Each path that was searched, and the real-time check, with what the answer says."""
    told, several = _told(task["found"]), len(task["patients"]) > 1
    tried = [path for path in task["paths"] if path["list"] in TRIED and path not in task["not_searched"]]
    for path in sorted(tried, key=lambda path: str(path["list"])):
        yield _answered(path["name"], path, _answers(task, path), told, several)
    check = [one for one in task["answers"] if one["list"] == REAL_TIME]
    if task["real_time"] is not None or check:
        yield _answered("real-time check", task["real_time"] or {}, check, told, several)


def _answers(task: Json, path: Json) -> list[Json]:
    place = path["list"], path["position"]
    return [one for one in task["answers"] if (one["list"], one["position"]) == place]


def _answered(
    name: str | None, path: Json, answers: list[Json], told: frozenset[Note] = frozenset(), several: bool = False
) -> list[str]:
    first = [name or "(unnamed)", status_words(path.get("status"))]
    first += [f"payer {path['payer_id']}"] if path.get("payer_id") else []
    first += [path["reason"]] if path.get("reason") else []
    return [" · ".join(first), *(line for one in answers for line in _said(one, told, several))]


def _said(one: Json, told: frozenset[Note], several: bool) -> list[str]:
    """What an answer says, and below it what was rejected and what is odd. Notes that were ``told`` of it are left
    out."""
    said = f"{one['payer'] or 'the payer'} {COVERAGES.get(one['coverage'], one['coverage'])}"
    said += f" of {name_of(one)}" if several else ""
    said += f" ({one['plan']})" if one["plan"] else ""
    said += f", {span(one)}" if span(one) and one["coverage"] != "active" else ""
    ended = [f"it names {payer_of(other)}, whose coverage has ended{_dates(other)}" for other in one["ended_payers"]]
    later = [f"it names {payer_of(other)}, whose coverage begins later{_dates(other)}" for other in one["later_payers"]]
    ask = [f"to be asked, not billed: {one['to_ask']}"] if one["to_ask"] else []
    left = [note for note in one["warnings"] if (*_place(one), note["code"]) not in told]
    rejected = [f"rejected: {rejection_words(rejection)}" for rejection in one["rejections"]]
    return [said, *ended, *later, *ask, *rejected, *_notes(left)]


def _dates(other: Json) -> str:
    """An earlier payer may be named without dates."""
    return f" ({span(other)})" if span(other) else ""


def _silent(task: Json, path: Json) -> list[str]:
    if path["list"] == "pending":
        ends = "still searching" if task["concluded_at"] is None else "not finished when the vendor ended the task"
        return [f"{path['name'] or '(unnamed)'} · {ends}"]
    return _answered(path["name"], path, _answers(task, path), several=len(task["patients"]) > 1)


def _skipped(path: Json) -> str:
    return f"{path['name'] or '(unnamed)'} · {path['reason'] or 'no reason given'}"


def _batch(task: Json, one: Json) -> list[str]:
    first, *more = _said(one, _told(task["found"]), len(task["patients"]) > 1)
    test = " · marked as a test" if one["test"] else ""
    return [f"{first} · {one['file']} · {one['received_at']}{test}", *more]


def _life(task: Json, now: int) -> Iterator[str]:
    yield ""
    yield from _rows(life_rows(task, now))
    yield from _section("history", ([f"{at}  {said}"] for at, said in history_rows(task)))

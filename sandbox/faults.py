"""The faults that the sandbox can be told to have, and the text that tells it.

::

    SPEC    one entry, or several with commas between them
    entry   NAME[:ARGUMENT][=AMOUNT][@WHERE]…, with AMOUNT and WHERE in any order

    AMOUNT  0.05 or 5%   that share of the matching requests (drawn from the seed)
            3x           the first three matching requests
            3each        the first three matching requests at each path
            (none)       every matching request

    WHERE   /coverage-discovery   paths that begin so, after the API prefix
            GET, POST             that method
            token                 the token endpoint
            list                  the list of tasks
            callback              callbacks
            10m-70m, 10m-, -70m   that long after the first request (the vendor's time: divided by the speed)

``expired=0.05,429:30=2%@/coverage-discovery,503@10m-70m`` expires one token in twenty, answers two in a hundred
discovery requests with 429 and ``Retry-After: 30``, and is down for an hour, ten minutes after the first request.

Of several faults that answer in the vendor's place the first one written wins, and likewise of those that break the
connection; all others add up. What spoils the body of a task is drawn once for each task, everything else for each
request. Spans in arguments, and Retry-After, are divided by the speed too.

For callbacks, the time counts from the first of them. What spoils the body of a task spoils its callbacks too; after
``@GET`` or ``@POST`` it spoils the polls or the callbacks alone. The faults of callbacks strike what a task ended with,
once for all its tries; replays are spared.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.catalogue import FAULTS, Fault
from worker.core.instant import duration


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry as understood. ``only`` is the one operation it is for, if one is named; ``share`` is 0 to 1;
    ``first`` counts requests; ``begin`` and ``end`` are milliseconds after the first request, in the vendor's time."""

    fault: Fault
    argument: str
    share: float = 1.0
    first: int | None = None
    each: bool = False
    path: str = ""
    method: str = ""
    only: str = ""
    begin: int = 0
    end: int | None = None


_ONLY = {"token": "token", "list": "discovery_list", "callback": "callback"}
_ENTRY = re.compile(r"(?P<name>[^:=@]+)(?::(?P<argument>[^=@]*))?(?P<rest>(?:[=@][^=@]*)*)")


def parse(spec: str) -> list[Rule]:
    """The rules of a text. Raises ValueError whose message holds one line for each mistake."""
    rules: list[Rule] = []
    wrong: list[str] = []
    for entry in (part.strip() for part in spec.split(",")):
        if entry:
            try:
                rules.append(_rule(entry))
            except ValueError as why:
                wrong += [f"{entry}: {line}" for line in str(why).splitlines()]
    if wrong:
        raise ValueError("\n".join(wrong))
    return rules


def _rule(entry: str) -> Rule:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise ValueError("write it as NAME[:ARGUMENT][=AMOUNT][@WHERE]")
    name = match["name"].strip()
    fault = FAULTS.get(name)
    if fault is None:
        near = difflib.get_close_matches(name.lower(), FAULTS, 1, 0.5)
        raise ValueError(f"there is no fault {name!r}; " + (f"did you mean {near[0]}?" if near else "see `help`"))
    wrong: list[str] = []
    fields: dict[str, object] = {}

    def attempt(read: Callable[[str], dict[str, object]], text: str) -> None:
        try:
            fields.update(read(text.strip()))
        except ValueError as why:
            wrong.append(str(why))

    argument = (match["argument"] or "").strip()
    if argument and not fault.argument:
        wrong.append("this fault takes no argument")
    elif argument:
        attempt(lambda text: _argument(fault, text), argument)
    parts = re.findall(r"([=@])([^=@]*)", match["rest"])
    amounts = [text for sign, text in parts if sign == "="] or ([fault.amount] if fault.amount else [])
    if len(amounts) > 1:
        wrong.append("it has more than one amount")
    for text in amounts:
        attempt(_amount, text)
    for sign, text in parts:
        if sign == "@":
            attempt(_where, text)
    if wrong:
        raise ValueError("\n".join(wrong))
    return Rule(fault, argument or fault.argument, **fields)  # type: ignore[arg-type]


def _argument(fault: Fault, text: str) -> dict[str, object]:
    if fault.span:
        duration(text)
    elif fault.argument.isdigit() and not (text.isascii() and text.isdigit() and int(text) <= 100_000):
        raise ValueError(f"{text!r} is not a whole number up to 100000")
    return {}


def _amount(text: str) -> dict[str, object]:
    if match := re.fullmatch(r"(\d{1,9})(x|each)", text):
        return {"first": int(match[1]), "each": match[2] == "each"}
    if match := re.fullmatch(r"(\d{1,3}(?:\.\d+)?|\.\d+)(%?)", text):
        share = float(match[1]) / (100 if match[2] else 1)
        if share <= 1:
            return {"share": share}
    raise ValueError(f"{text!r} is not an amount: write a share (0.05 or 5%), 3x or 3each")


def _where(text: str) -> dict[str, object]:
    if text.startswith("/"):
        return {"path": text}
    if text.upper() in ("GET", "POST"):
        return {"method": text.upper()}
    if text in _ONLY:
        return {"only": _ONLY[text]}
    begin, dash, end = text.partition("-")
    if dash and (begin or end):
        window = {"begin": duration(begin) if begin else 0, "end": duration(end) if end else None}
        if end and duration(end) <= (duration(begin) if begin else 0):
            raise ValueError(f"{text!r} ends before it begins")
        return dict(window)
    raise ValueError(f"{text!r} is not a place or a time: write /a-path, GET, POST, token, list, callback or 10m-70m")


def help_text() -> str:
    """Every fault with one line on it, and the grammar."""
    titles = {
        "instead": "In place of the answer",
        "token": "In the answer of the token endpoint",
        "life": "In the token itself",
        "body": "In the body of a task",
        "list": "In the list of tasks",
        "ids": "In the ids of tasks",
        "callback": "In the callbacks",
        "link": "In the Link header of a real-time answer",
        "after": "The answer is spoiled (what was asked for has happened)",
        "manner": "On the connection",
        "delay": "In time",
        "option": "What a customer can have switched on",
    }
    width = max(map(len, FAULTS)) + 2
    lines = [(__doc__ or "").split("::", 1)[1].strip("\n").replace("``", ""), ""]
    for kind, title in titles.items():
        lines += [f"{title}:", *(f"  {f.name:{width}}{f.summary}" for f in FAULTS.values() if f.kind == kind), ""]
    return "\n".join(lines)

"""What ``cdpoll show --benefits`` prints: all that the answers about a task say, in words."""

from collections.abc import Iterator
from typing import Any

from cli.output import joined
from worker.core.x12.words import (
    coverage_level,
    date_qualifier,
    entity,
    insurance_type,
    reference_qualifier,
    service_type,
    time_period,
)

Json = dict[str, Any]

_NETWORK = {"Y": "in network", "N": "out of network", "W": "in and out of network"}
_AUTHORIZATION = {"Y": "authorization required", "N": "no authorization required"}


def answer_lines(teller: str, said: Json) -> Iterator[str]:
    """An answer line by line; ``said`` is its JSON."""
    person = said.get("dependent") or said.get("subscriber") or {}
    name = joined(", ", person.get("last_name"), person.get("first_name")) or "no patient named"
    yield ""
    yield f"{teller} in full: {name}"
    yield from (f"  {line}" for line in _about(said.get("payer") or {}, "payer"))
    yield from (f"  {line}" for line in _about(said.get("provider") or {}, "provider"))
    yield from (f"  {line}" for line in _about(person, "patient"))
    yield from (f"  {_date(one)}" for one in said.get("dates") or ())
    for one in said.get("rejections") or ():
        yield "  " + joined(": ", "rejected", one.get("text") or "no reason given", one.get("follow_up_text"))
    for one in said.get("benefits") or ():
        first, *more = _benefit(one)
        yield f"  {first}"
        yield from (f"      {line}" for line in more)


def _about(one: Json, role: str) -> Iterator[str]:
    if one:
        name = joined(", ", one.get("last_name") or one.get("name"), one.get("first_name"))
        yield joined(" · ", joined(" ", role, name), one.get("id"), *one.get("address", ()), *one.get("contacts", ()))
    yield from (_reference(ref) for ref in one.get("references", ()))
    yield from (f"message: {text}" for text in one.get("messages", ()))
    yield from ("*".join(details) for details in one.get("details", ()))


def _benefit(one: Json) -> Iterator[str]:
    amount = one.get("amount")
    percent = one.get("percent")
    yield joined(
        " · ",
        one.get("text"),
        joined(", ", *map(service_type, one.get("service_types", ()))),
        coverage_level(one.get("level", "")),
        insurance_type(one.get("insurance_type", "")),
        one.get("plan"),
        joined(" ", amount, f"{percent} of the whole" if percent else None, one.get("quantity")),
        time_period(one.get("time_period", "")),
        _NETWORK.get(one.get("in_network", "")),
        _AUTHORIZATION.get(one.get("authorization", "")),
        ":".join(one.get("procedure", ())),
    )
    yield from (_date(each) for each in one.get("dates", ()))
    yield from (_reference(each) for each in one.get("references", ()))
    yield from (f"message: {text}" for text in one.get("messages", ()))
    for each in one.get("related", ()):
        yield from _about(each, entity(each.get("entity", "")) or "named")
    yield from ("*".join(details) for details in one.get("details", ()))


def _date(one: Json) -> str:
    first, last = one.get("first"), one.get("last")
    days = first if first and first == last else joined(" to ", first or "", last or "") or one.get("text")
    return joined(" ", date_qualifier(one.get("qualifier", "")), days)


def _reference(one: Json) -> str:
    return joined(" ", reference_qualifier(one.get("qualifier", "")), one.get("value"), one.get("text"))

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
            10m-70m, 10m-, -70m   that long after the start of the sandbox (the vendor's time: divided by the speed)

``expired=0.05,429:30=2%@/coverage-discovery,503@10m-70m`` expires one token in twenty, answers two in a hundred
discovery requests with 429 and ``Retry-After: 30``, and is down for an hour, ten minutes from the start.

Of several faults that answer in the vendor's place the first one written wins, and likewise of those that break the
connection; all others add up. What spoils the body of a task is drawn once for each task, everything else for each
request. Spans in arguments, and Retry-After, are divided by the speed too.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

from worker.core.instant import duration

API = frozenset(
    {
        "real_time",
        "real_time_x12",
        "discovery",
        "discovery_x12",
        "discovery_get",
        "discovery_list",
        "transaction_list",
        "transaction_get",
        "healthcheck",
    }
)
ONE = frozenset({"discovery_get", "transaction_get"})
LOOK = frozenset({"discovery_get"})
LINKS = frozenset({"real_time", "real_time_x12"})
BEGIN = frozenset({"real_time", "real_time_x12", "discovery", "discovery_x12"})
TOKEN = frozenset({"token"})
HEALTH = frozenset({"healthcheck"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. ``kind`` says when it acts (see :mod:`sandbox.mischief`); ``span`` marks an argument that is
    a duration."""

    name: str
    kind: str
    where: frozenset[str]
    summary: str
    argument: str = ""
    amount: str = ""
    span: bool = False


def _table(kind: str, where: frozenset[str], *rows: tuple[str, ...]) -> list[Fault]:
    """A row is name, summary, and where it has them, the argument and the amount that count where none is written."""
    padded = ((*row, "", "")[:4] for row in rows)
    return [Fault(name, kind, where, summary, argument, amount) for name, summary, argument, amount in padded]


def _spans(kind: str, where: frozenset[str], *rows: tuple[str, str, str]) -> list[Fault]:
    return [Fault(name, kind, where, summary, argument, span=True) for name, summary, argument in rows]


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        *_table(
            "instead",
            API,
            ("expired", "401 access_token_expired; the token stays expired"),
            ("invalid_product", "401 invalid_product, which no new token cures"),
            ("forbidden", "403 with an array of strings"),
            ("429", "429 with Retry-After in seconds (argument, 30)", "30"),
            ("429_date", "429 with Retry-After as an HTTP date, that many seconds ahead (argument, 30)", "30"),
            ("429_bare", "429 without Retry-After"),
            ("500", "500 with an array of strings"),
            ("503", "503 without Retry-After"),
            ("503_after", "503 with Retry-After in seconds (argument, 60)", "60"),
        ),
        *_table(
            "instead",
            ONE,
            ("404", "404: as if the id belonged to another environment"),
            ("404_then_found", "404 for the first three looks at each id (3each)", "", "3each"),
            ("422", "422: the record cannot be read"),
        ),
        *_table("instead", HEALTH, ("unhealthy", "500 with the status unhealthy")),
        *_table(
            "instead",
            TOKEN,
            ("token_down", "503 from the token endpoint"),
            ("token_refused", "401 invalid_client from the token endpoint"),
        ),
        *_table(
            "token",
            TOKEN,
            ("expires_missing", "the token's expires_in is missing"),
            ("expires_string", "expires_in is a string"),
            ("expires_zero", "expires_in is 0"),
            ("expires_tiny", "expires_in is that many seconds (argument, 1)", "1"),
        ),
        *_table(
            "life",
            TOKEN,
            ("expires_lie", "the token lives that many seconds (argument, 2), whatever expires_in says", "2"),
        ),
        *_table(
            "body",
            LOOK,
            ("end_spelling", "endDatetime in place of endDateTime"),
            ("end_empty", 'endDateTime is "" while pending'),
            ("end_null", "endDateTime is null while pending"),
            ("nine_digits", "instants with nine fractional digits"),
            ("eligibile", "eligibile in place of eligible, in transactions"),
            ("payerid_change", "payeridCHANGEME in place of chcPayerId"),
            ("isa_103", "the 271's ISA is 103 characters long (ISA08 padded to 12)"),
            ("se01", "the 271's SE01 is wrong"),
            ("iea_newline", "a newline after the 271's IEA"),
            ("literal_string", 'the word "string" in place of the 271'),
            ("isa04", "a password in the 271's ISA04"),
            ("same_path_id", "all paths have the same id"),
            ("same_path_name", "all paths have the same name and timestamp"),
            ("revised", "from the second look at a concluded task on, its body differs"),
            ("realtime", "realTime holds the check that began the task"),
            ("realtime_empty", "realTime is {}"),
            ("realtime_null", "realTime is null"),
            ("realtime_flicker", "realTime is there in every second look"),
            ("bare_pending", "pending paths have only a name"),
            ("commas", "traceId and correlationId end in a comma"),
            ("success_alone", "a concluded task is a success without a successful path"),
            ("late_skip", "skipped paths are 50 minutes later than the task's end"),
            ("unknown_status", "the root status is a word nobody documented (argument, in_review)", "in_review"),
            ("no_status", "the root status is missing"),
            ("no_lists", "discoveryPaths is missing"),
            ("wrong_id", "the body of another task than the one asked for"),
        ),
        *_table("ids", BEGIN, ("odd_ids", "the ids of tasks are no UUIDs: 35 characters, other letters, . _ and ~")),
        *_table(
            "link",
            LINKS,
            ("link_lines", "one link header line for each task"),
            ("link_case", "LINK, REL=RELATED: other letter case"),
            ("link_full_path", "the target is the full path, with the API prefix"),
            ("link_absolute", "the target is an absolute URL of this sandbox"),
            ("link_foreign", "the target is an absolute URL of another host"),
            ("link_relative", "the target has no leading slash"),
            ("link_slash", "the target ends in a slash"),
            ("link_query", "the target has a query"),
            ("link_unquoted", "rel=related, without quotes"),
            ("link_order", "rel before title"),
            ("link_empty_members", "empty members between the commas"),
            ("link_title_comma", "titles with commas, semicolons and quotes"),
            ("link_no_title", "no titles"),
            ("link_unreadable", "no angle brackets, so that no id can be read"),
        ),
        *_table(
            "after",
            API,
            ("wrong_tenant", "x-optum-tenant-id names another tenant"),
            ("html", "an HTML page with status 200"),
            ("502", "an HTML page with status 502"),
            ("redirect", "302 to another host (argument, a URL)", "https://elsewhere.invalid/"),
            ("empty", "an empty body"),
            ("truncated", "the JSON stops in the middle, with the right Content-Length"),
            ("not_object", "JSON, but a string"),
            ("not_utf8", "bytes that are no UTF-8"),
            ("deep", "JSON nested 100,000 levels deep"),
            ("gzip", "Content-Encoding: gzip, unasked"),
            ("gzip_bomb", "a gzip body that inflates to that many MB (argument, 64)", "64"),
            ("oversized", "that many MB of blanks after the body (argument, 64)", "64"),
        ),
        *_table(
            "manner",
            API,
            ("cut", "the connection is cut in the middle of the body"),
            ("reset", "the connection is reset without an answer"),
        ),
        *_spans(
            "manner",
            API,
            ("drip", "the body comes byte by byte, that far apart (argument, 1s)", "1s"),
            ("drip_headers", "headers and body come byte by byte (argument, 1s)", "1s"),
        ),
        *_spans("delay", API, ("slow", "the answer comes that late (argument, 30s)", "30s")),
        *_spans(
            "option",
            LINKS,
            ("dedup", "an equal request within that time replays its answer (argument, 24h)", "24h"),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry as understood. ``share`` is 0 to 1; ``first`` counts requests; ``begin`` and ``end`` are milliseconds
    after the start, in the vendor's time."""

    fault: Fault
    argument: str
    share: float = 1.0
    first: int | None = None
    each: bool = False
    path: str = ""
    method: str = ""
    token: bool = False
    begin: int = 0
    end: int | None = None


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
    raise ValueError(f"{text!r} is no amount: write a share (0.05 or 5%), 3x or 3each")


def _where(text: str) -> dict[str, object]:
    if text.startswith("/"):
        return {"path": text}
    if text.upper() in ("GET", "POST"):
        return {"method": text.upper()}
    if text == "token":
        return {"token": True}
    begin, dash, end = text.partition("-")
    if dash and (begin or end):
        window = {"begin": duration(begin) if begin else 0, "end": duration(end) if end else None}
        if end and duration(end) <= (duration(begin) if begin else 0):
            raise ValueError(f"{text!r} ends before it begins")
        return dict(window)
    raise ValueError(f"{text!r} is no place or time: write /a-path, GET, POST, token or 10m-70m")


def help_text() -> str:
    """Every fault with one line on it, and the grammar."""
    titles = {
        "instead": "In place of the answer",
        "token": "In the answer of the token endpoint",
        "life": "In the token itself",
        "body": "In the body of a task",
        "ids": "In the ids of tasks",
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

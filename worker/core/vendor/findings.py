"""What came of a task, in words: the statuses of its paths, and one headline over everything that is known of it.

Paths and coverages are given as ``cdpoll show --json`` has them. Everything here is for people: nothing is decided by
it, and the outcome stays the vendor's word.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.core.problems import counted
from worker.core.vendor.document import REAL_TIME

Json = Mapping[str, Any]

TRIED = ("successful", "unsuccessful")

# With one of these the payer gave no answer: a failure with one of them is not the same as "no coverage".
NO_ANSWER = ("processing_error", "payer_unavailable")
NOT_SEARCHED = (*NO_ANSWER, "payer_not_in_system")
TELLING = ("active", "inactive", "not_covered")
"""What a payer's answer says who did look for the patient."""

STATUSES = {
    "eligible": "eligible",
    "ineligible": "not eligible",
    "patient_unknown": "the payer does not know the patient",
    "payer_not_in_system": "the vendor does not know the payer",
    "payer_unavailable": "the payer gave no answer",
    "processing_error": "the inquiry could not be processed",
}

NO_SUCCESSFUL_PATH = "the vendor says success and names no path that found coverage"

COVERAGES = {
    "active": "says active",
    "inactive": "says inactive",
    "not_covered": "says not covered",
    "rejected": "rejects the inquiry",
    "undetermined": "does not say whether there is coverage",
}


def status_words(status: str | None) -> str:
    """The status of a transaction in words; one that the contract does not name stands as it came."""
    found = normal_status(status)
    return STATUSES.get(found, found) or "without a status"


def normal_status(status: str | None) -> str:
    """The status as the contract spells it: samples have blanks round it, capitals, and ``eligibile``."""
    found = (status or "").strip().lower()
    return "eligible" if found == "eligibile" else found


def rejection_words(rejection: Json) -> str:
    """Why an answer was rejected and what the payer says is to be done, with the code (AAA03)."""
    follow_up = f"; {rejection['follow_up_text']}" if rejection["follow_up_text"] else ""
    return f"{rejection['text'] or 'without a reason'} ({rejection['code'] or '-'}){follow_up}"


def unsearched(paths: Iterable[Json], answers: Iterable[Json]) -> list[Json]:
    """The paths on which no payer looked for the patient: they are still pending, or their status says so and no 271 of
    theirs tells of coverage."""
    told = {(one["list"], one["position"]) for one in answers if one["coverage"] in TELLING}
    return [
        path
        for path in paths
        if path["list"] == "pending"
        or (
            path["list"] in TRIED
            and normal_status(path["status"]) in NOT_SEARCHED
            and (path["list"], path["position"]) not in told
        )
    ]


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known of a task.

    ``outcome`` is that of its latest body, ``not_searched`` what :func:`unsearched` says of it, ``found`` each coverage
    once (:func:`distinct`), ``real_time`` what the vendor says of the check that began the discovery, with what its 271
    says (``coverage``).
    """

    state: str
    outcome: str | None = None
    paths: Sequence[Json] = ()
    not_searched: Sequence[Json] = ()
    found: Sequence[Json] = ()
    real_time: Json | None = None
    polls: int = 0
    last_error: str | None = None
    several: bool = False
    """Answers speak of more than one patient, so each coverage is told with a name."""


def headline(known: Findings) -> str:
    """What came of a task, in one line.

    ::

        state      what is known                               the line begins
        concluded  success, a path lists coverage              coverage found: PAYER (id) …
                   success, no path does                       the vendor says success and names no path that found …
                   failure, the real-time check said eligible  no further coverage; the real-time check said eligible …
                   failure, an answer tells of coverage        no coverage found by the discovery, but …
                   failure, nothing else                       no coverage found
        pending    early coverage                              still searching; early (provisional) coverage: …
                   anything else                               still searching
        abandoned                                              abandoned
    """
    match known.state, known.outcome:
        case "concluded", "success":
            return "; ".join(_success(known))
        case "concluded", _:
            return "; ".join(_failure(known))
        case "abandoned", _:
            said = ["abandoned: cdpoll asks no more, and what came of it is not known", *_early(known)]
            return "; ".join(said)
        case _:
            return "; ".join(_pending(known))


def _success(known: Findings) -> list[str]:
    own = [one for one in known.found if one["list"] == "successful"]
    others = [one for one in known.found if one["list"] != "successful"]
    if own:
        return ["coverage found: " + _first(own, others, several=known.several)]
    but = f", but {', and '.join(clauses(others, several=known.several))}" if others else ""
    return [NO_SUCCESSFUL_PATH + but, *_silent(known)]


def _failure(known: Findings) -> list[str]:
    check = _check_said(known)
    beside = [one for one in known.found if not (check and _is_check(one) and one["kind"] in ("active", "path"))]
    others = clauses(beside, several=known.several)
    if check:
        said = [f"no further coverage; {check}"]
        said += [f"but {', and '.join(others)}"] if others else []
    elif others:
        said = [f"no coverage found by the discovery, but {', and '.join(others)}"]
    else:
        said = ["no coverage found"]
    if not any(path["list"] in TRIED for path in known.paths):
        said.append("no path was searched")
    return said + _silent(known)


def _pending(known: Findings) -> list[str]:
    waits = [str(path["name"] or "a path") for path in known.paths if path["list"] == "pending"]
    said = ["still searching" + (f" ({_few(waits)})" if waits else ""), *_early(known)]
    if known.last_error:
        said.append(f"the last poll brought nothing usable ({known.last_error})")
    elif not known.polls and not known.found:
        said.append("not polled yet")
    return said


def _early(known: Findings) -> list[str]:
    """What is known before the end: of the body of a pending task, and of batches."""
    early = [one for one in known.found if one["provisional"] and not _is_check(one)]
    said = [f"early (provisional) coverage: {_first(early, several=known.several)}"] if early else []
    check = _check_said(known)
    said += [check] if check else []
    rest = [one for one in known.found if not one["provisional"] or (_is_check(one) and not check)]
    return said + clauses(rest, several=known.several)


def _check_said(known: Findings) -> str | None:
    """That the real-time check said eligible, if it did: by its status, or by its 271."""
    told = next((one for one in known.found if _is_check(one) and one["kind"] == "active"), None)
    check = known.real_time
    eligible = check is not None and normal_status(check["status"]) == "eligible"
    if told is None and not eligible:
        return None
    payer = (check["payer_id"] if check else None) or (told and (told["payer_id"] or told["payer"]))
    said = "the real-time check said eligible" + (f" ({payer})" if payer else "")
    coverage = check["coverage"] if check else None
    return f"{said}, but its 271 {COVERAGES[coverage]}" if coverage in _OTHERWISE else said


_OTHERWISE = ("inactive", "not_covered", "rejected")


def _silent(known: Findings) -> list[str]:
    tried = sum(path["list"] in TRIED for path in known.paths)
    silent = sum(path["list"] in TRIED and normal_status(path["status"]) in NO_ANSWER for path in known.not_searched)
    return [f"{silent} of {tried} paths gave no answer"] if silent else []


def _is_check(coverage: Json) -> bool:
    return coverage["list"] == REAL_TIME  # type: ignore[no-any-return]


_MOST_NAMES = 3


def clauses(found: Iterable[Json], *, several: bool) -> list[str]:
    """What answers tell beside the vendor's own word, one clause for each answer and kind; at most three."""
    named: dict[tuple[str, str], list[str]] = {}
    for one in found:
        verbs = {
            "active": "says active",
            "path": "is listed as eligible",
            "managed_care": "names a managed care plan to bill",
        }
        verb = verbs.get(one["kind"], "names another payer")
        who = (one["path"] or "an unnamed path") if one["kind"] == "path" else teller(one)
        named.setdefault((who, verb), []).append(payer_of(one) + (f" for {name_of(one['patient'])}" if several else ""))
    said = [f"{who} {verb}: {_few(list(dict.fromkeys(names)))}" for (who, verb), names in named.items()]
    more = len(said) - _MOST_NAMES
    rest = [f"{counted(more, 'more answer')} {'does' if more == 1 else 'do'} so"] if more > 0 else []
    return [*said[:_MOST_NAMES], *rest]


def distinct(found: Iterable[Json]) -> list[dict[str, Any]]:
    """Each coverage once, although several refs, answers and paths tell of it; ``told_by`` says which answers do."""
    told = sorted(found, key=lambda coverage: coverage["list"] != "successful")
    return [
        one | {"told_by": list(dict.fromkeys(map(teller, same)))} for one, same in _each_with_its_equals(told, among=())
    ]


def each_once(found: Iterable[Json]) -> list[dict[str, Any]]:
    """The lines of ``cdpoll found`` without those that tell the same coverage again for the same number and ref."""
    return [one for one, _ in _each_with_its_equals(found, among=("seq", "id", "ref"))]


def each_coverage(found: Iterable[Json]) -> list[dict[str, Any]]:
    """These lines without those that tell the same coverage again for the same ref, as two tasks of one check may; what
    has no ref is told by its task."""
    refs = [{**one, "of": ("ref", one["ref"]) if one["ref"] else ("id", one["id"], one["seq"])} for one in found]
    return [one for one, _ in _each_with_its_equals(refs, among=("of",))]


def _each_with_its_equals(found: Iterable[Json], among: Sequence[str]) -> Iterator[tuple[dict[str, Any], list[Json]]]:
    """The first of the coverages that are the same, with the warnings of all, and all of them; those that differ in a
    key of ``among`` are not the same."""
    groups: dict[tuple[object, ...], list[Json]] = {}
    for one in found:
        groups.setdefault((*(one[key] for key in among), *_coverage_key(one)), []).append(one)
    for same in groups.values():
        warnings = [warning for one in same for warning in one["warnings"]]
        once = [warning for number, warning in enumerate(warnings) if warning not in warnings[:number]]
        yield {**same[0], "warnings": once}, same


_SAME = ("kind", "provisional", "payer", "member_id", "plan", "group_number", "begins", "ends")


def _coverage_key(one: Json) -> tuple[object, ...]:
    """What makes two lines one coverage. The answer of a path has the id that the vendor gives for its payer, and the
    very same answer elsewhere has its own: where the payer has a name, and the member a number, it makes no difference;
    nor where the answer has a number, which it keeps elsewhere."""
    payer = one["payer_id"]
    if one["kind"] == "active" and one["payer"] and (one["member_id"] or one.get("trace_number")):
        payer = None if one["member_id"] else ("trace", one["trace_number"])
    path = one["path"] if one["kind"] == "path" else None
    return *one["patient"].values(), *(one[key] for key in _SAME), payer, path


def name_of(person: Json) -> str:
    """``LAST, FIRST``, or what there is of both."""
    return (
        ", ".join([part for part in (person["last_name"], person["first_name"]) if part]) or "a patient without a name"
    )


def teller(coverage: Json) -> str:
    """Which answer tells of a coverage."""
    if coverage["source"] == "batch":
        return f"the batch file {coverage['file']}" if coverage["file"] else "a batch file"
    return (
        "the real-time check's answer" if _is_check(coverage) else f"{coverage['path'] or 'an unnamed path'}'s answer"
    )


def payer_of(coverage: Json) -> str:
    """``NAME (id)``, or what there is of both."""
    name, number = coverage["payer"], coverage["payer_id"]
    if not name and coverage.get("kind") == "path":
        name = coverage["path"]
    return f"{name} ({number})" if name and number else name or number or "a payer without a name"


# Codes of warnings: why a path that the vendor lists as successful has no details.
_DOUBTS = {
    "271_says_otherwise": "but its 271 tells of no coverage",
    "no_271": "without a 271 that can be read",
    "271_not_read_yet": "whose 271 is still to be read",
}


def _first(found: Sequence[Json], more: Sequence[Json] = (), *, several: bool) -> str:
    """The first coverage in full, and how many others there are. One that an answer calls active goes first."""
    order = {"active": 0, "path": 1}
    one = min(found, key=lambda coverage: order.get(coverage["kind"], 2))
    said = [payer_of(one) + (f" for {name_of(one['patient'])}" if several else "")]
    said += [f"member {one['member_id']}"] if one["member_id"] else []
    said += [span(one)] if span(one) else []
    if one["kind"] == "path":
        said += [_DOUBTS[warning["code"]] for warning in one["warnings"] if warning["code"] in _DOUBTS]
    elif one["kind"] != "active":
        said.append(f"which {teller(one)} names")
    others = len(found) + len(more) - 1
    return ", ".join(said) + (f"; and {others} more below" if others else "")


def span(coverage: Json) -> str:
    """From when to when, as far as the answer says."""
    begins, ends = coverage["begins"], coverage["ends"]
    return " ".join([*([f"from {begins}"] if begins else []), *([f"to {ends}"] if ends else [])])


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES} more"

"""To which task an answer of a batch belongs. A wrong join tells one patient's coverage as another's, so an
answer whose task is not certain is joined to none.

========== ==========================================================================================================
matched    the exact text of its set stands in results of exactly one task; or a trace number of the inquiry that came
           back (TRN01 2) is, with its originator, what was handed in with the id of exactly one task, and neither
           member id nor birth date, where both sides know it, says otherwise
candidate  anything weaker: the same text in results of several tasks, several tasks with that trace number, a known
           difference, the trace number or BHT03 alone. Kept for a person to look at, and never joined
unmatched  everything else
========== ==========================================================================================================

Where a task was recorded with neither member id nor birth date, or the answer has none, nothing speaks against the
trace number; but two answers that name different patients (by member id, birth date or name) are never both joined by
it, even where the task was recorded with one of these: a family shares a member id, twins share a birth date.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from worker.core.x12.answer import Answer
from worker.core.x12.people import Person, Trace
from worker.core.x12.value import Whole
from worker.store.db.store import Store

MatchState = Literal["matched", "candidate", "unmatched", "test"]
"""``test``: it is held back, and not looked at."""

# Tasks listed as candidates of one answer; more say no more.
MOST_CANDIDATES = 5

_NOT_ID = re.compile(r"[^A-Z0-9]")
_NOT_NAME = re.compile(r"[\W_]")
_NOT_DIGIT = re.compile(r"\D")


class MatchKeys(Whole, frozen=True):
    """What an answer can be matched by. Nothing is prepared here: most answers meet no task that looks like theirs."""

    sha256: str | None
    traces: tuple[Trace, ...]
    reference: str
    """BHT03."""
    member_id: str
    subscriber: Person | None
    dependent: Person | None

    @property
    def ours(self) -> list[tuple[str, str]]:
        """(TRN02, TRN03) of the traces with TRN01 2."""
        return [(one.number, one.originator) for one in self.traces if one.ours and one.number]

    @property
    def numbers(self) -> list[str]:
        """Every TRN02."""
        return [one.number for one in self.traces if one.number]

    @property
    def patient(self) -> "_Patient":
        """The patient, who is the dependent where there is one, by the member ids of both."""
        ids = {self.member_id}
        birth_date = name = ""
        for person in (self.subscriber, self.dependent):
            if person is not None:
                ids.add(person.id)
                birth_date, name = (
                    _digits(person.birth_date or person.birth_date_as_received),
                    _named(person.last_name, person.first_name),
                )
        return _Patient(frozenset([found for one in ids if one and (found := _plain(one))]), birth_date, name)


class Match(NamedTuple):
    """``task`` is the row of the task joined, ``by`` its text or its trace; ``candidates`` are (task, reason)."""

    state: MatchState
    task: int | None = None
    candidates: tuple[tuple[int, str], ...] = ()
    by: Literal["", "text", "trace"] = ""


class _Patient(NamedTuple):
    """What tells one patient from another; what is empty is not known."""

    member_ids: frozenset[str]
    birth_date: str
    name: str
    """Last and first, as they are compared."""


JoinedPatients = dict[int, set[_Patient]]
"""By the row of a task, the patients of the answers that are joined to it."""


class _TracedTask(NamedTuple):
    seq: int
    originator_id: str
    member_id: str
    birth_date: str


class _Found(NamedTuple):
    """What the database holds for the keys of a page, each by its key."""

    texts: dict[str, set[int]]
    """Rows of the tasks in whose results the text stands."""
    traced: dict[str, list[_TracedTask]]
    """Tasks that were recorded with the trace number."""
    by_trace_number: dict[str, set[int]]
    """Rows of the tasks in whose polled results the trace number stands."""
    by_reference: dict[str, set[int]]
    """Rows of the tasks in whose polled results the reference stands."""


def match_keys(answer: Answer, sha256: str | None) -> MatchKeys:
    """The :class:`MatchKeys` of an answer that stands in the set with this identity."""
    return MatchKeys(sha256, answer.traces, answer.reference, answer.member_id, answer.subscriber, answer.dependent)


def match_all(
    store: Store, keys_of_all: Sequence[MatchKeys], joined_before: JoinedPatients | None = None
) -> list[Match]:
    """The :class:`Match` of each, with what the database holds now; it takes a few statements for any number.

    In a dry run ``joined_before`` is what the calls before this one have joined; what this one joins is added to it.
    """
    if not _anything(store):
        return [Match("unmatched")] * len(keys_of_all)
    found = _Found(
        _texts(store, {one.sha256 for one in keys_of_all if one.sha256}),
        _traces(store, {number for one in keys_of_all for number in (*one.numbers, one.reference) if number}),
        _alike(store, "trace_number", {number for one in keys_of_all for number in one.numbers}),
        _alike(store, "reference", {one.reference for one in keys_of_all if one.reference}),
    )
    joined: JoinedPatients = {}
    if joined_before:
        seqs = {task.seq for tasks in found.traced.values() for task in tasks}
        joined = {seq: set(joined_before[seq]) for seq in seqs & joined_before.keys()}
    matches = [_one(store, keys, found, joined) for keys in keys_of_all]
    sure = [_sure(one, keys, joined) for one, keys in zip(matches, keys_of_all, strict=True)]
    if joined_before is not None:
        for one, keys in zip(sure, keys_of_all, strict=True):
            if one.task is not None:
                before = joined_before.get(one.task) or _joined_to(store, one.task)
                joined_before[one.task] = before | {keys.patient}
    return sure


def _anything(store: Store) -> bool:
    """Whether there is anything to match with; an installation may have nothing but the drop."""
    row = store.one(
        """
        SELECT EXISTS (SELECT 1 FROM texts) OR EXISTS (SELECT 1 FROM tasks WHERE trace_number IS NOT NULL) AS found
        """
    )
    return row is not None and bool(row["found"])


def _one(store: Store, keys: MatchKeys, found: _Found, joined: JoinedPatients) -> Match:
    same_text = found.texts.get(keys.sha256, set()) if keys.sha256 else set()
    if len(same_text) == 1:
        return Match("matched", next(iter(same_text)), by="text")
    weak: dict[int, str] = dict.fromkeys(same_text, "text_in_several_results")
    exact = {
        task.seq: task
        for number, originator in keys.ours
        for task in found.traced.get(number, ())
        if originator and task.originator_id == originator
    }
    if len(exact) == 1 and not same_text:
        task = next(iter(exact.values()))
        difference = _difference(task, keys)
        if difference is None and _others_agree(store, task, keys, joined):
            return Match("matched", task.seq, by="trace")
        weak[task.seq] = difference or "another_patient_joined"
    for seq in exact:
        weak.setdefault(seq, "trace_number_of_several_tasks")
    for number in keys.numbers:
        for task in found.traced.get(number, ()):
            weak.setdefault(task.seq, "trace_number_alone")
        for seq in found.by_trace_number.get(number, ()):
            weak.setdefault(seq, "trace_number_of_a_result")
    for task in found.traced.get(keys.reference, ()):
        weak.setdefault(task.seq, "reference")
    for seq in found.by_reference.get(keys.reference, ()):
        weak.setdefault(seq, "reference_of_a_result")
    return Match("candidate", None, tuple(weak.items())[:MOST_CANDIDATES]) if weak else Match("unmatched")


def _difference(task: _TracedTask, keys: MatchKeys) -> str | None:
    """What is known on both sides and differs."""
    patient = keys.patient
    if task.birth_date and patient.birth_date and task.birth_date != patient.birth_date:
        return "birth_date_differs"
    if task.member_id and patient.member_ids and task.member_id not in patient.member_ids:
        return "member_id_differs"
    return None


def _others_agree(store: Store, task: _TracedTask, keys: MatchKeys, joined: JoinedPatients) -> bool:
    """Whether nothing joined to the task by batches before names another patient.

    What the task was recorded with does not settle it: a member id is shared by a family, a birth date by twins.
    """
    patients = joined.get(task.seq)
    if patients is None:
        patients = joined[task.seq] = _joined_to(store, task.seq)
    mine = keys.patient
    agree = all(_may_be_one(one, mine) for one in patients)
    patients.add(mine)
    return agree


def _joined_to(store: Store, task: int) -> set[_Patient]:
    rows = store.read(
        """
        SELECT DISTINCT answers.member_id, answers.birth_date, answers.last_name, answers.first_name
        FROM results JOIN answers ON answers.result = results.seq
        WHERE results.task = :task AND results.source = 'batch' AND answers.match = 'matched' LIMIT 50
        """,
        {"task": task},
    )
    return {
        _Patient(
            frozenset({_plain(row["member_id"])} - {""}),
            _digits(row["birth_date"]),
            _named(row["last_name"], row["first_name"]),
        )
        for row in rows
    }


def _may_be_one(one: _Patient, other: _Patient) -> bool:
    if one.birth_date and other.birth_date and one.birth_date != other.birth_date:
        return False
    if one.name and other.name and one.name != other.name:
        return False
    return not (one.member_ids and other.member_ids) or not one.member_ids.isdisjoint(other.member_ids)


def _named(last: str, first: str) -> str:
    """Last and first name as they are compared: letters in upper case, and digits, which tell newborns apart."""
    return " ".join([word for part in (last, first) if (word := _letters(part.upper()))])


def _letters(text: str) -> str:
    return text if text.isalnum() else _NOT_NAME.sub("", text)


def _sure(one: Match, keys: MatchKeys, joined: JoinedPatients) -> Match:
    """The match, unless a later answer of the same call named another patient for the same task."""
    if one.task is None or one.by != "trace":
        return one
    patients = joined.get(one.task, set())
    mine = keys.patient
    if all(_may_be_one(each, mine) for each in patients):
        return one
    return Match("candidate", None, ((one.task, "another_patient_joined"),))


def _texts(store: Store, identities: Iterable[str]) -> dict[str, set[int]]:
    """The tasks in whose results a text stands, by its identity."""
    found: dict[str, set[int]] = {}
    for names, params in _lists(identities):
        for row in store.read(
            f"SELECT DISTINCT texts.sha256, results.task FROM texts JOIN results ON results.seq = texts.result"  # noqa: S608
            f" WHERE texts.sha256 IN ({names}) AND results.task IS NOT NULL",
            params,
        ):
            found.setdefault(row["sha256"], set()).add(row["task"])
    return found


def _traces(store: Store, numbers: Iterable[str]) -> dict[str, list[_TracedTask]]:
    """The tasks that were recorded with a trace number."""
    found: dict[str, list[_TracedTask]] = {}
    for names, params in _lists(numbers):
        for row in store.read(
            "SELECT seq, trace_number, originator_id, member_id, birth_date FROM tasks"  # noqa: S608
            f" WHERE trace_number IN ({names})",
            params,
        ):
            one = _TracedTask(
                row["seq"],
                (row["originator_id"] or "").strip(),
                _plain(row["member_id"] or ""),
                _digits(row["birth_date"] or ""),
            )
            found.setdefault(row["trace_number"], []).append(one)
    return found


def _alike(store: Store, column: Literal["trace_number", "reference"], values: Iterable[str]) -> dict[str, set[int]]:
    """The tasks in whose polled results a number stands; few of each."""
    found: dict[str, set[int]] = {}
    for names, params in _lists(values):
        hits = store.read(
            f"SELECT DISTINCT {column} AS value FROM answers WHERE from_set IS NULL AND {column} IN ({names})",  # noqa: S608
            params,
        )
        for hit in hits:
            rows = store.read(
                f"SELECT results.task FROM answers JOIN results ON results.seq = answers.result"  # noqa: S608
                f" WHERE answers.from_set IS NULL AND answers.{column} = :value LIMIT {4 * MOST_CANDIDATES}",
                {"value": hit["value"]},
            )
            found[hit["value"]] = {row["task"] for row in rows if row["task"] is not None}
    return found


def _lists(values: Iterable[str]) -> Iterable[tuple[str, dict[str, str]]]:
    """Names and values of parameters, in lists of a length that every database takes."""
    ordered = sorted(values)
    for start in range(0, len(ordered), 500):
        params = {f"v{n}": value for n, value in enumerate(ordered[start : start + 500])}
        yield ",".join(f":{name}" for name in params), params


def _plain(text: str) -> str:
    """A member id as it is compared: letters in upper case and digits."""
    if text.isascii() and text.isalnum():
        return text.upper()
    return _NOT_ID.sub("", text.upper())


def _digits(text: str) -> str:
    """A birth date as it is compared: ``CCYYMMDD``, whether it came with dashes or without."""
    found = text.replace("-", "")
    if not found.isdecimal():
        found = _NOT_DIGIT.sub("", text)
    return found if len(found) == 8 else ""

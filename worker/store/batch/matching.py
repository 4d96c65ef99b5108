"""To which task, or expected answer, an answer of a batch belongs. A wrong join tells one patient's coverage as
another's, so an answer of which that is not certain is joined to none.

========== ==========================================================================================================
matched    to a task: the exact text of its set stands in results of exactly one task; or a trace number of the inquiry
           that came back (TRN01 2) is, with its originator, what was handed in with the id of exactly one task, and
           neither member id nor birth date, where both sides know it, says otherwise.
           To an expected answer, where no task has trace number and originator: such a trace number is that of an
           expected answer of exactly one ref, with its originator or, where none was told, with its member id; and
           neither member id nor birth date says otherwise
candidate  anything weaker: the same text in results of several tasks, several tasks or refs with that trace number, a
           known difference, the trace number or BHT03 alone. Kept for a person to look at, and never joined
unmatched  everything else
========== ==========================================================================================================

A task goes before an expected answer of one of its refs, which the same answer then answers. An expected answer of
another ref makes the task a candidate, and so does a task without an originator an expected answer of another ref.

Where a task was recorded with neither member id nor birth date, or the answer has none, nothing speaks against the
trace number; but two answers that name different patients are never both joined by it
(:mod:`worker.store.batch.patients`), and where they were left for that, a third one is left too.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from msgspec import DecodeError
from msgspec.json import decode

from worker.core.x12.answer import Answer
from worker.core.x12.people import Person, Trace
from worker.core.x12.value import Whole
from worker.store.batch.claims import MOST_CANDIDATES, Claim, Known, anything, known
from worker.store.batch.patients import Joined, JoinedPatients, Owner, Patient, joined_to, may_be_one, patient_of
from worker.store.db.store import Store

MatchState = Literal["matched", "candidate", "unmatched", "test"]
"""``test``: it is held back, and not looked at."""


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
    def patient(self) -> Patient:
        return patient_of(self.member_id, self.subscriber, self.dependent)


class Match(NamedTuple):
    """``task`` and ``expected`` are the rows of what is joined, ``by`` its text or its trace; where both are there, the
    task has the ref of the expected answer. ``candidates`` are (task, reason)."""

    state: MatchState
    task: int | None = None
    candidates: tuple[tuple[int, str], ...] = ()
    by: Literal["", "text", "trace"] = ""
    expected: int | None = None

    @property
    def owners(self) -> list[Owner]:
        """What is joined."""
        task = [] if self.task is None else [Owner("task", self.task)]
        return task if self.expected is None else [*task, Owner("expected", self.expected)]


class _Finding(NamedTuple):
    """A match, and all that has its trace number: what is joined to one of them may name no other patient."""

    match: Match
    owners: tuple[Owner, ...] = ()


def match_keys(answer: Answer, sha256: str | None) -> MatchKeys:
    """The :class:`MatchKeys` of an answer that stands in the set with this identity."""
    return MatchKeys(sha256, answer.traces, answer.reference, answer.member_id, answer.subscriber, answer.dependent)


def match_keys_said(body: bytes, sha256: str | None) -> MatchKeys | None:
    """The same of the JSON of an answer that is stored; ``None`` where an early reader wrote it."""
    try:
        said = decode(body, type=_Said)
    except DecodeError:
        return None
    return MatchKeys(sha256, said.traces, said.reference, said.member_id, said.subscriber, said.dependent)


class _Said(Whole, frozen=True):
    traces: tuple[Trace, ...]
    reference: str
    member_id: str
    subscriber: Person | None
    dependent: Person | None


def match_all(
    store: Store, keys_of_all: Sequence[MatchKeys], joined_before: JoinedPatients | None = None
) -> list[Match]:
    """The :class:`Match` of each, with what the database holds now; it takes a few statements for any number.

    In a dry run ``joined_before`` is what the calls before this one have joined; what this one joins is added to it.
    """
    if not anything(store):
        return [Match("unmatched")] * len(keys_of_all)
    found = known(
        store,
        {one.sha256 for one in keys_of_all if one.sha256},
        {number for one in keys_of_all for number in one.numbers},
        {one.reference for one in keys_of_all if one.reference},
    )
    joined = Joined(store, joined_before or {})
    findings = [_one(keys, found, joined) for keys in keys_of_all]
    sure = [_sure(one, keys, joined) for one, keys in zip(findings, keys_of_all, strict=True)]
    if joined_before is not None:
        for one, keys in zip(sure, keys_of_all, strict=True):
            for owner in one.owners:
                before = joined_before.get(owner) or joined_to(store, owner)
                joined_before[owner] = before | {keys.patient}
    return sure


def _one(keys: MatchKeys, found: Known, joined: Joined) -> _Finding:
    same_text = found.texts.get(keys.sha256, set()) if keys.sha256 else set()
    expected = _expected(keys, found)
    if len(same_text) == 1:
        seq = next(iter(same_text))
        answers = not _against(expected, found.refs.get(seq, frozenset()), keys)
        return _Finding(Match("matched", seq, by="text", expected=_first(expected) if answers else None))
    exact = {
        task.owner.seq: task
        for number, originator in keys.ours
        for task in found.traced.get(number, ())
        if originator and task.originator_id == originator
    }
    weak: dict[int, str] = dict.fromkeys(same_text, "text_in_several_results")
    if len(exact) == 1 and not same_text:
        task = next(iter(exact.values()))
        against = task.difference(keys.patient) or _against(expected, found.refs.get(task.owner.seq, frozenset()), keys)
        owners: tuple[Owner, ...] = (task.owner, *(one.owner for one in expected))
        if against is None and _is_alone(keys, (task, *expected), found) and joined.agree(owners, keys.patient):
            return _Finding(Match("matched", task.owner.seq, by="trace", expected=_first(expected)), owners)
        weak[task.owner.seq] = against or "another_patient_joined"
    elif expected and not exact and not same_text:
        owners = _of_one_ref(expected, keys, found)
        if owners and _is_alone(keys, expected, found) and joined.agree(owners, keys.patient):
            return _Finding(Match("matched", by="trace", expected=_first(expected)), owners)
    for seq in exact:
        weak.setdefault(seq, "trace_number_of_several_tasks")
    _add_weaker(weak, keys, found)
    if weak or any(number in found.expected for number in keys.numbers):
        return _Finding(Match("candidate", None, tuple(weak.items())[:MOST_CANDIDATES]))
    return _Finding(Match("unmatched"))


def _add_weaker(weak: dict[int, str], keys: MatchKeys, found: Known) -> None:
    """The tasks that have nothing but a number in common with the answer."""
    for number in keys.numbers:
        for task in found.traced.get(number, ()):
            weak.setdefault(task.owner.seq, "trace_number_alone")
        for seq in found.by_trace_number.get(number, ()):
            weak.setdefault(seq, "trace_number_of_a_result")
    for task in found.traced.get(keys.reference, ()):
        weak.setdefault(task.owner.seq, "reference")
    for seq in found.by_reference.get(keys.reference, ()):
        weak.setdefault(seq, "reference_of_a_result")


def _expected(keys: MatchKeys, found: Known) -> list[Claim]:
    """The expected answers that this one may be: by its trace number and originator; and by the trace number where no
    originator was told and nothing that is known differs. The former stand first."""
    if not found.expected:
        return []
    claims = [(one, originator) for number, originator in keys.ours for one in found.expected.get(number, ())]
    exact = [one for one, originator in claims if one.originator_id and one.originator_id == originator]
    return exact + [one for one, _ in claims if not one.originator_id and one.difference(keys.patient) is None]


def _first(expected: Sequence[Claim]) -> int | None:
    return expected[0].owner.seq if expected else None


def _against(expected: Sequence[Claim], refs: frozenset[str], keys: MatchKeys) -> str | None:
    """Why the answer may not be of the task with these refs: what is expected is of another ref, or differs."""
    if any(one.ref not in refs for one in expected):
        return "expected_for_another_ref"
    return next((why for one in expected if (why := one.difference(keys.patient))), None)


def _is_alone(keys: MatchKeys, claims: Sequence[Claim], found: Known) -> bool:
    """Whether no other patient that these claims may mean has come with the trace number, and was left unjoined."""
    others = {one for number, _ in keys.ours for one in found.unjoined.get(number, ())}
    return all(may_be_one(other, keys.patient) or any(claim.difference(other) for claim in claims) for other in others)


def _of_one_ref(expected: Sequence[Claim], keys: MatchKeys, found: Known) -> tuple[Owner, ...]:
    """All that has the trace number, if that is for one ref alone and sure to be this answer's; else nothing."""
    patient, ref = keys.patient, expected[0].ref
    told = any(one.originator_id or one.member_id in patient.member_ids for one in expected)
    tasks = [
        task
        for number, _ in keys.ours
        for task in found.traced.get(number, ())
        if not task.originator_id and task.difference(patient) is None
    ]
    if (
        not told
        or any(one.ref != ref or one.difference(patient) for one in expected)
        or any(ref not in found.refs.get(task.owner.seq, ()) for task in tasks)
    ):
        return ()
    return tuple(one.owner for one in (*expected, *tasks))


def _sure(one: _Finding, keys: MatchKeys, joined: Joined) -> Match:
    """The match, unless a later answer of the same call named another patient for the same trace number."""
    if one.match.by != "trace" or joined.still_agree(one.owners, keys.patient):
        return one.match
    task = one.match.task
    return Match("candidate", None, () if task is None else ((task, "another_patient_joined"),))

"""What one 271 set says, patient by patient."""

from collections.abc import Iterator
from typing import Literal

from worker.core.x12.asked import asked_span
from worker.core.x12.benefits import Benefit
from worker.core.x12.coverage import CoverageWord, coverage
from worker.core.x12.dates import Period
from worker.core.x12.delimiters import Delimiters
from worker.core.x12.envelope import TransactionSet
from worker.core.x12.frame import (
    MANY_PATIENTS,
    day_of_answer,
    framed,
    head_issues,
    head_rejections,
    patients,
    repeats_too_much,
    version_issues,
)
from worker.core.x12.in_force import inherited
from worker.core.x12.issues import Issue, issue
from worker.core.x12.loops import (
    DEPENDENT,
    NO_HL,
    RECEIVER,
    SOURCE,
    SUBSCRIBER,
    HlTree,
    body,
    first_lost,
    plain_text,
    too_much,
)
from worker.core.x12.other_payers import NAMING, NO_OTHERS, OtherPayer, others, with_medicare
from worker.core.x12.patient import Patient, read_party_loop, read_patient
from worker.core.x12.people import Party, Person, Rejection, Trace
from worker.core.x12.policy import account, group, member_id, plans, suspect_id
from worker.core.x12.terminators import terminator_lost
from worker.core.x12.value import Whole

_PADDING = [""] * 5
_SEGMENTS = {"id_suspect": "NM1", "impossible_date": "DMG", "answer_empty": "HL"}
"""Where an issue of an answer stands, if not in its benefits."""
_PARTY_LEVELS = (SOURCE, RECEIVER)


class Answer(Whole, frozen=True):
    """What a set says of one patient; or, with ``level`` ``payer``, that the payer refused without naming any."""

    level: Literal["subscriber", "dependent", "payer"]
    coverage: CoverageWord
    hl: int
    """The patient's HL, counted from 1 in the set."""
    reference: str
    """BHT03, the inquiry's own number come back. Not unique."""
    created: str
    """BHT04, ``CCYYMMDD``."""
    payer: Party | None = None
    provider: Party | None = None
    subscriber: Person | None = None
    """The policy holder, who is the patient where ``dependent`` is ``None``."""
    dependent: Person | None = None
    member_id: str = ""
    plan: str = ""
    group: str = ""
    group_name: str = ""
    account: str = ""
    """The patient's account with the provider (REF*EJ)."""
    begins: str = ""
    """When the coverage begins or began, ``YYYY-MM-DD``; empty where it is not told."""
    ends: str = ""
    traces: tuple[Trace, ...] = ()
    dates: tuple[Period, ...] = ()
    """DTP of the patient; of a dependent, those of the subscriber too that it has not and does not contradict."""
    rejections: tuple[Rejection, ...] = ()
    """Every AAA that concerns the patient: those above, its own, and those under its benefits."""
    other_payers: tuple[OtherPayer, ...] = ()
    managed_care: tuple[OtherPayer, ...] = ()
    """Managed care plans that are to be billed."""
    to_ask: tuple[Party, ...] = ()
    """Whom the payer says to ask about the plan."""
    benefits: tuple[Benefit, ...] = ()
    issues: tuple[Issue, ...] = ()

    @property
    def patient(self) -> Person | None:
        return self.dependent or self.subscriber

    @property
    def retryable(self) -> bool:
        """Whether it is a rejection that asks for the same inquiry again."""
        return self.coverage == "rejected" and any(one.retryable for one in self.rejections)


class ParsedSet(Whole, frozen=True):
    """One 271, ready to be read patient by patient."""

    reference: str
    """BHT03."""
    created: str
    """BHT04."""
    answered: str
    """The day of the answer, ``CCYYMMDD``: BHT04, else GS04, else ISA09."""
    subscribers: int
    """2000C loops."""
    rejections: tuple[Rejection, ...]
    """AAA before the first HL, where none belongs: they concern every patient."""
    issues: tuple[Issue, ...]
    """What concerns the set as a whole; an answer's own issues stand in the answer."""
    delimiters: Delimiters
    tree: HlTree
    texts: tuple[str, ...]
    """For each HL of the tree the segments between it and the next."""
    patients: tuple[int, ...]
    """The numbers of those HL that an answer is made of."""
    begun: dict[int, Patient]
    """By the number of its HL, the first patient, from :meth:`begin` until its answer is made."""

    def begin(self) -> None:
        """Read the first patient beforehand: a step of its own for the readings of many sets."""
        number = self.patients[0] if self.patients else 0
        if number and (level := self.tree.levels[number - 1]) not in _PARTY_LEVELS:
            try:
                self.begun[number] = read_patient(self.texts[number - 1], level, number, self.delimiters)
            except Exception:  # it comes again, where the answer is made
                return

    def answers(self) -> Iterator[Answer]:
        """One by one, so that a set of thousands of patients takes little memory."""
        reader = _AnswerReader(self)
        for number in self.patients:
            try:
                answer = reader.answer(number)
            except Exception:  # a fault in one patient's segments does not stop the reading of the others
                answer = reader.unreadable(number)
            yield answer


def parse_271(tset: TransactionSet) -> ParsedSet:
    """Read the frame of a set: its version, its BHT and its HL tree. It never raises."""
    try:
        return _parse(tset)
    except Exception:  # a set that breaks the reader is held, and its neighbours are read
        return ParsedSet(
            "", "", "", 0, (), (issue("set_unreadable", "ST"),), tset.interchange.delimiters, NO_HL, (), (), {}
        )


def _parse(tset: TransactionSet) -> ParsedSet:
    delimiters = tset.interchange.delimiters
    text, issues = plain_text(tset, delimiters)
    issues += version_issues(tset.version)
    if (code := too_much(text, delimiters)) is not None:
        return ParsedSet("", "", "", 0, (), (*issues, issue(code, "HL")), delimiters, NO_HL, (), (), {})
    head, tree, texts = framed(body(tset, text), delimiters)
    issues += [issue(code, "HL", f"HL {number}" if number else "") for code, number in tree.notes]
    if tset.issues and any(one.code == "se_count" for one in tset.issues):
        issues += _miscounted(text, tree, delimiters)
    if text.count(f"{delimiters.terminator}BHT{delimiters.element}") > 1:
        issues.append(issue("bht_repeated", "BHT"))
    _, found, bht = head.rpartition(f"{delimiters.terminator}BHT")
    reference = created = ""
    if found:
        values = bht.partition(delimiters.terminator)[0].split(delimiters.element) + _PADDING
        reference, created = values[3].strip(), values[4].strip()
    more = head.count(delimiters.terminator) > 1
    rejections = head_rejections(head, delimiters) if more else ()
    numbers = tree.leaves if tree.plain else patients(tree, texts, delimiters, rejected=bool(rejections))
    if len(numbers) >= MANY_PATIENTS and repeats_too_much(head, tree, texts, len(numbers)):
        return ParsedSet("", "", "", 0, (), (*issues, issue("set_too_large", "HL")), delimiters, NO_HL, (), (), {})
    if number := first_lost(tree, texts, delimiters):
        issues.append(issue("hl_lost", "HL", f"HL {number}"))
    if not any(tree.levels):
        issues.append(issue("no_hierarchy", "HL"))
    else:
        if more or not found:
            issues += head_issues(head, delimiters)
        if not numbers:
            issues.append(issue("no_patient", "HL"))
    subscribers = tree.levels.count(SUBSCRIBER)
    return ParsedSet(
        reference,
        created,
        day_of_answer(created, tset),
        subscribers,
        rejections,
        tuple(issues),
        delimiters,
        tree,
        texts,
        numbers,
        {},
    )


def _miscounted(text: str, tree: HlTree, delimiters: Delimiters) -> list[Issue]:
    """What else says that something is missing in a set, where SE01 does; many payers count wrongly."""
    found = [issue("set_spliced", "HL")] if any(code == "hl_gap" for code, _ in tree.notes) else []
    return [*found, issue("terminator_lost", "SE")] if terminator_lost(text, delimiters) else found


class _AnswerReader:
    """Reads loops to answers; a subscriber above several dependents is read only once."""

    def __init__(self, parsed: ParsedSet) -> None:
        self.parsed = parsed
        self.holder: tuple[int, Patient] | None = None

    def answer(self, number: int) -> Answer:
        parsed = self.parsed
        tree, texts, delimiters = parsed.tree, parsed.texts, parsed.delimiters
        issues: list[Issue] = []
        payer = provider = None
        rejections = parsed.rejections
        subscriber = dependent = None
        for one in (*reversed(tree.ancestors[number - 1]), number):
            level = tree.levels[one - 1]
            if level in _PARTY_LEVELS:
                above = read_party_loop(texts[one - 1], level, delimiters)
                if above.notes:
                    issues += [issue(code, segment, f"HL {one}") for code, segment in above.notes]
                rejections += above.rejections
                if level == SOURCE:
                    payer = above.party
                else:
                    provider = above.party
            elif one != number:
                subscriber = self.policy_holder(one)
                rejections += subscriber.rejections
                issues += [each for each in subscriber.issues if each.code != "deceased"]
        level = tree.levels[number - 1]
        if level in _PARTY_LEVELS:
            return self.refusal(number, payer, provider, rejections, tuple(issues))
        own = parsed.begun.pop(number, None) or read_patient(texts[number - 1], level, number, delimiters)
        if level == DEPENDENT:
            dependent = own
        else:
            subscriber = own
        return self.about(number, subscriber, dependent, (payer, provider), rejections, issues)

    def about(
        self,
        number: int,
        subscriber: Patient | None,
        dependent: Patient | None,
        parties: tuple[Party | None, Party | None],
        rejections: tuple[Rejection, ...],
        issues: list[Issue],
    ) -> Answer:
        """The answer about one patient, who is the dependent if there is one; ``parties`` are payer and provider."""
        payer, provider = parties
        own = dependent or subscriber
        assert own is not None
        rejections += own.rejections
        answered = self.parsed.answered
        alone = True
        for benefit in own.telling:
            if benefit.rejections:
                rejections += benefit.rejections
            if benefit.related or benefit.code in NAMING:
                alone = False
        issues += own.issues
        traces, dates = own.traces, own.dates
        persons = [own.person]
        if dependent is not None and subscriber is not None:
            persons.append(subscriber.person)
            if True not in [one.ours for one in traces]:
                traces += subscriber.traces
            dates = inherited(dates, subscriber.dates, answered)
        found = coverage(own.telling, rejections, dates, answered)
        named = NO_OTHERS if alone else others(own.telling, payer, own.person, asked_span(dates, answered))
        if found.word not in ("active", "rejected"):
            named = with_medicare(named, own.person, own.benefits, payer)
        suspects = [one for one in persons if suspect_id(one, provider)]
        codes = list(found.issues)
        if suspects:
            codes.append("id_suspect")
        if not alone:
            codes += named.warnings()
        if not (own.benefits or rejections):
            codes.append("answer_empty")
        if own.person.birth_date[:4] > (answered or "9999"):
            codes.append("impossible_date")
        issues += [issue(code, _SEGMENTS.get(code, "EB"), f"HL {number}") for code in codes]
        group_number, group_name = group(persons, own.telling)
        # By position, in the order of the fields: names take eight times as long.
        return Answer(
            "subscriber" if dependent is None else "dependent",
            found.word,
            number,
            self.parsed.reference,
            self.parsed.created,
            payer,
            provider,
            subscriber.person if subscriber else None,
            dependent.person if dependent else None,
            member_id(persons, suspects, found.active),
            plans(persons, found.active),
            group_number,
            group_name,
            account(persons, own.telling),
            found.begins,
            found.ends,
            traces,
            dates,
            rejections,
            named.payers,
            named.managed_care,
            named.to_ask,
            own.benefits,
            tuple(issues),
        )

    def refusal(
        self,
        number: int,
        payer: Party | None,
        provider: Party | None,
        rejections: tuple[Rejection, ...],
        issues: tuple[Issue, ...],
    ) -> Answer:
        """The answer of a payer that names no patient."""
        return Answer(
            level="payer",
            coverage="rejected" if rejections else "undetermined",
            hl=number,
            reference=self.parsed.reference,
            created=self.parsed.created,
            payer=payer,
            provider=provider,
            rejections=rejections,
            issues=issues,
        )

    def unreadable(self, number: int) -> Answer:
        """The answer of a patient whose segments could not be read."""
        found = issue("answer_unreadable", "HL", f"HL {number}")
        return self.refusal(number, None, None, (), (found,))

    def policy_holder(self, number: int) -> Patient:
        """The subscriber above a dependent, read once for all of its dependents."""
        if self.holder is None or self.holder[0] != number:
            text = self.parsed.texts[number - 1]
            self.holder = (number, read_patient(text, SUBSCRIBER, number, self.parsed.delimiters))
        return self.holder[1]

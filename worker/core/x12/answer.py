"""What one 271 set says, patient by patient."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from worker.core.x12.benefits import Benefit
from worker.core.x12.coverage import Coverage, OtherPayer, coverage, other_payers
from worker.core.x12.delimiters import Delimiters
from worker.core.x12.envelope import TransactionSet
from worker.core.x12.issues import Issue, issue
from worker.core.x12.loops import (
    DEPENDENT,
    RECEIVER,
    SOURCE,
    SUBSCRIBER,
    Loop,
    Tree,
    body,
    head_and_loops,
    plain_text,
    too_much,
)
from worker.core.x12.patient import Above, Patient, group, member_id, plan, read_above, read_patient
from worker.core.x12.people import Party, Person, Rejection, Trace
from worker.core.x12.periods import Period

_PADDING = [""] * 5


class Answer(NamedTuple):
    """What a set says of one patient; or, with ``level`` ``payer``, that the payer refused without naming any."""

    level: Literal["subscriber", "dependent", "payer"]
    hl: int
    """The patient's HL, counted from 1 in the set."""
    reference: str
    """BHT03, the inquiry's own number come back. Not unique."""
    created: str
    """BHT04, ``CCYYMMDD``."""
    payer: Party | None
    provider: Party | None
    subscriber: Person | None
    """The policy holder, who is the patient where ``dependent`` is ``None``."""
    dependent: Person | None
    member_id: str
    traces: tuple[Trace, ...]
    rejections: tuple[Rejection, ...]
    """Every AAA that concerns the patient: those above, its own, and those under its benefits."""
    dates: tuple[Period, ...]
    """DTP of the patient; where it is a dependent without any, those of the subscriber."""
    benefits: tuple[Benefit, ...]
    coverage: Coverage
    other_payers: tuple[OtherPayer, ...]
    plan: str
    group: str
    group_name: str
    issues: tuple[Issue, ...]

    @property
    def patient(self) -> Person | None:
        return self.dependent or self.subscriber

    @property
    def found_other_payer(self) -> bool:
        """Whether the answer names another payer: a discovered coverage even where its own is inactive."""
        return bool(self.other_payers)

    @property
    def retryable(self) -> bool:
        """Whether it is a rejection that asks for the same inquiry again."""
        return self.coverage == "rejected" and any(one.retryable for one in self.rejections)


class Reading(NamedTuple):
    """One 271, ready to be read patient by patient."""

    reference: str
    """BHT03."""
    created: str
    """BHT04."""
    subscribers: int
    """2000C loops."""
    issues: tuple[Issue, ...]
    """What concerns the set as a whole; an answer's own issues stand in the answer."""
    delimiters: Delimiters
    loops: tuple[Loop, ...]
    """Every HL that is read."""
    patients: tuple[Loop, ...]
    """Those of them that an answer is made of."""

    def answers(self) -> Iterator[Answer]:
        """One by one, so that a set of thousands of patients takes little memory."""
        reader = _Reader(self)
        for loop in self.patients:
            try:
                answer = reader.answer(loop)
            except Exception:  # whatever one patient's segments do, the others are read
                answer = reader.unreadable(loop)
            yield answer


def parse_271(tset: TransactionSet) -> Reading:
    """Read the frame of a set: its version, its BHT and its HL tree. It never raises."""
    try:
        return _parse(tset)
    except Exception:  # a set that breaks the reader is held, and its neighbours are read
        return Reading("", "", 0, (issue("set_unreadable", "ST"),), tset.interchange.delimiters, (), ())


def _parse(tset: TransactionSet) -> Reading:
    delimiters = tset.interchange.delimiters
    text, issues = plain_text(tset.raw, delimiters)
    version = tset.version.upper()
    if not version.startswith("005010X279"):
        issues.append(issue("version_4010" if version.startswith("004010X092") else "version_unknown", "ST"))
    if (code := too_much(text, delimiters)) is not None:
        return Reading("", "", 0, (*issues, issue(code, "HL")), delimiters, (), ())
    head, tree, loops = head_and_loops(body(tset, text), delimiters)
    if tree.notes:
        issues += [issue(code, "HL", f"HL {number}") for code, number in tree.notes]
    _, _, bht = head.rpartition(f"{delimiters.terminator}BHT")
    values = bht.partition(delimiters.terminator)[0].split(delimiters.element) + _PADDING
    reference, created = values[3:5] if len(bht) < len(head) else ("", "")
    patients = _patients(tree, loops, delimiters)
    if not loops:
        issues.append(issue("no_hierarchy", "HL"))
    elif not patients:
        issues.append(issue("no_patient", "HL"))
    return Reading(
        reference.strip(),
        created.strip(),
        tree.levels.count(SUBSCRIBER),
        tuple(issues),
        delimiters,
        tuple(loops),
        tuple(patients),
    )


def _patients(tree: Tree, loops: list[Loop], delimiters: Delimiters) -> list[Loop]:
    """The loops that an answer is made of.

    The patient is the deepest level: a 2000D, else the 2000C. A 2000C above dependents is an answer of its own where it
    has benefits, and instead of theirs where only it has a trace. A payer's or provider's loop with nobody below is one
    where it was rejected.
    """
    if tree.plain:
        return [loop for loop in loops if loop.level == SUBSCRIBER]
    element, terminator = delimiters.element, delimiters.terminator

    def has(loop: Loop, *names: str) -> bool:
        text = terminator + loop.text
        return any(f"{terminator}{name}{element}" in text for name in names)

    leaves = set(tree.leaves)
    by_number = {loop.number: loop for loop in loops}
    alone: set[int] = set()
    if DEPENDENT in tree.levels:
        dependents = [loop for loop in loops if loop.level == DEPENDENT]
        heard = {loop.above[0] for loop in dependents if loop.above and has(loop, "TRN", "EB", "AAA")}
        heard |= leaves
        alone = {loop.number for loop in loops if loop.level == SUBSCRIBER and loop.number not in heard}
        alone = {number for number in alone if has(by_number[number], "TRN")}
    found = []
    for loop in loops:
        if loop.level == SUBSCRIBER:
            wanted = loop.number in leaves or loop.number in alone or has(loop, "EB")
        elif loop.level == DEPENDENT:
            wanted = not alone.intersection(loop.above)
        else:
            wanted = loop.number in leaves and any(
                has(one, "AAA") for one in (loop, *(by_number[number] for number in loop.above))
            )
        if wanted:
            found.append(loop)
    return found


class _Reader:
    """Reads loops to answers; a subscriber above several dependents is read only once."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.delimiters = reading.delimiters
        self.by_number = {loop.number: loop for loop in reading.loops}
        self.holder: tuple[int, Patient] | None = None

    def answer(self, loop: Loop) -> Answer:
        issues: list[Issue] = []
        payer = provider = None
        rejections: tuple[Rejection, ...] = ()
        subscriber = dependent = own = None
        for number in (*reversed(loop.above), loop.number):
            one = self.by_number[number]
            level = one.level
            if level in (SOURCE, RECEIVER):
                above = self.over(one, issues)
                rejections += above.rejections
                if level == SOURCE:
                    payer = above.party
                else:
                    provider = above.party
            elif number != loop.number:
                subscriber = self.policy_holder(one)
                rejections += subscriber.rejections
                issues += subscriber.issues
            else:
                own = read_patient(loop, self.delimiters)
        if own is None:
            return self.refusal(loop, payer, provider, rejections, tuple(issues))
        if loop.level == DEPENDENT:
            dependent = own
        else:
            subscriber = own
        return self.about(loop, own, subscriber, dependent, payer, provider, rejections, issues)

    def about(
        self,
        loop: Loop,
        own: Patient,
        subscriber: Patient | None,
        dependent: Patient | None,
        payer: Party | None,
        provider: Party | None,
        rejections: tuple[Rejection, ...],
        issues: list[Issue],
    ) -> Answer:
        rejections += own.rejections
        for benefit in own.telling:
            if benefit.rejections:
                rejections += benefit.rejections
        issues += own.issues
        traces, dates = own.traces, own.dates
        persons = [own.person]
        if dependent is not None and subscriber is not None:
            persons.append(subscriber.person)
            traces, dates = traces or subscriber.traces, dates or subscriber.dates
        word, out_of_force = coverage(own.telling, rejections, dates, self.reading.created)
        if out_of_force:
            issues.append(issue("not_in_force", "EB", f"HL {loop.number}"))
        if not own.benefits and not rejections:
            issues.append(issue("answer_empty", "HL", f"HL {loop.number}"))
        group_number, group_name = group(persons, own.telling)
        return Answer(
            "subscriber" if dependent is None else "dependent",
            loop.number,
            self.reading.reference,
            self.reading.created,
            payer,
            provider,
            subscriber.person if subscriber else None,
            dependent.person if dependent else None,
            member_id(persons),
            traces,
            rejections,
            dates,
            own.benefits,
            word,
            other_payers(own.telling, payer),
            plan(persons, own.telling),
            group_number,
            group_name,
            tuple(issues),
        )

    def refusal(
        self,
        loop: Loop,
        payer: Party | None,
        provider: Party | None,
        rejections: tuple[Rejection, ...],
        issues: tuple[Issue, ...],
    ) -> Answer:
        """The answer of a payer that names no patient."""
        return Answer(
            "payer",
            loop.number,
            self.reading.reference,
            self.reading.created,
            payer,
            provider,
            subscriber=None,
            dependent=None,
            member_id="",
            traces=(),
            rejections=rejections,
            dates=(),
            benefits=(),
            coverage="rejected" if rejections else "undetermined",
            other_payers=(),
            plan="",
            group="",
            group_name="",
            issues=issues,
        )

    def unreadable(self, loop: Loop) -> Answer:
        """The answer of a patient whose segments could not be read."""
        found = issue("answer_unreadable", "HL", f"HL {loop.number}")
        return self.refusal(loop, None, None, (), (found,))

    def over(self, loop: Loop, issues: list[Issue]) -> Above:
        """A payer's or provider's loop."""
        found = read_above(loop.text, loop.level, self.delimiters.element, self.delimiters.terminator)
        if found.notes:
            issues += [issue(code, segment, f"HL {loop.number}") for code, segment in found.notes]
        return found

    def policy_holder(self, loop: Loop) -> Patient:
        """The subscriber above a dependent, read once for all of its dependents."""
        if self.holder is None or self.holder[0] != loop.number:
            self.holder = (loop.number, read_patient(loop, self.delimiters))
        return self.holder[1]

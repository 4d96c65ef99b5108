"""Whom an answer of a batch speaks of, and whether two of them may be one patient.

Two answers that name different patients (by member id, birth date or name) are never both joined by a trace number,
even where it was recorded with one of these: a family shares a member id, twins share a birth date.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from worker.core.x12.people import Person
from worker.store.db.store import Row, Store

_NOT_ID = re.compile(r"[^A-Z0-9]")
_NOT_NAME = re.compile(r"[\W_]")
_NOT_DIGIT = re.compile(r"\D")


class Patient(NamedTuple):
    """What tells one patient from another; what is empty is not known."""

    member_ids: frozenset[str]
    birth_date: str
    name: str
    """Last and first, as they are compared."""


class Owner(NamedTuple):
    """Whom answers are joined to: a row of ``tasks`` or of ``expected``."""

    kind: Literal["task", "expected"]
    seq: int


JoinedPatients = dict[Owner, set[Patient]]
"""By owner, the patients of the answers that are joined to it."""


def patient_of(member_id: str, subscriber: Person | None, dependent: Person | None) -> Patient:
    """The patient, who is the dependent where there is one, by the member ids of both."""
    ids = {member_id}
    birth_date = name = ""
    for person in (subscriber, dependent):
        if person is not None:
            ids.add(person.id)
            birth_date, name = (
                digits(person.birth_date or person.birth_date_as_received),
                _named(person.last_name, person.first_name),
            )
    return Patient(frozenset([found for one in ids if one and (found := plain(one))]), birth_date, name)


def may_be_one(one: Patient, other: Patient) -> bool:
    """Whether nothing that is known of both differs."""
    if one.birth_date and other.birth_date and one.birth_date != other.birth_date:
        return False
    if one.name and other.name and one.name != other.name:
        return False
    return not (one.member_ids and other.member_ids) or not one.member_ids.isdisjoint(other.member_ids)


class Joined:
    """The patients of what is joined, and of what one call would join."""

    def __init__(self, store: Store, before: Mapping[Owner, Iterable[Patient]]) -> None:
        """``before``: what a dry run would have joined so far."""
        self._store = store
        self._before = before
        self._patients: JoinedPatients = {}

    def agree(self, owners: Iterable[Owner], patient: Patient) -> bool:
        """Whether nothing joined to one of the owners names another patient than this one, who is joined to them now.

        What they were recorded with does not settle it: a member id is shared by a family, a birth date by twins.
        """
        agree = True
        for owner in owners:
            patients = self._patients.get(owner)
            if patients is None:
                patients = set(self._before.get(owner) or joined_to(self._store, owner))
                self._patients[owner] = patients
            agree = agree and all(may_be_one(one, patient) for one in patients)
            patients.add(patient)
        return agree

    def still_agree(self, owners: Iterable[Owner], patient: Patient) -> bool:
        """The same, once every answer of the call was looked at."""
        return all(may_be_one(one, patient) for owner in owners for one in self._patients.get(owner, ()))


_OF = {"task": "results.task = :seq", "expected": "results.expected = :seq"}


def joined_to(store: Store, owner: Owner) -> set[Patient]:
    """The patients of the answers that are joined to a task, or to an expected answer."""
    rows = store.read(
        f"""
        SELECT DISTINCT answers.member_id, answers.birth_date, answers.last_name, answers.first_name
        FROM results JOIN answers ON answers.result = results.seq
        WHERE {_OF[owner.kind]} AND results.source = 'batch' AND answers.match = 'matched' LIMIT 50
        """,  # noqa: S608 - constants
        {"seq": owner.seq},
    )
    return {patient_of_row(row) for row in rows}


def patient_of_row(row: Row) -> Patient:
    """The patient of a row of ``answers``."""
    ids = frozenset({plain(row["member_id"])} - {""})
    return Patient(ids, digits(row["birth_date"]), _named(row["last_name"], row["first_name"]))


def _named(last: str, first: str) -> str:
    """Last and first name as they are compared: letters in upper case, and digits, which tell newborns apart."""
    return " ".join([word for part in (last, first) if (word := _letters(part.upper()))])


def _letters(text: str) -> str:
    return text if text.isalnum() else _NOT_NAME.sub("", text)


def plain(text: str) -> str:
    """A member id as it is compared: letters in upper case and digits."""
    if text.isascii() and text.isalnum():
        return text.upper()
    return _NOT_ID.sub("", text.upper())


def digits(text: str) -> str:
    """A birth date as it is compared: ``CCYYMMDD``, whether it came with dashes or without."""
    found = text.replace("-", "")
    if not found.isdecimal():
        found = _NOT_DIGIT.sub("", text)
    return found if len(found) == 8 else ""

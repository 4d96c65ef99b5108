"""A real-time transaction and its body, in the vendor's normalized JSON."""

from dataclasses import dataclass
from typing import Any

from sandbox.inquiry import Inquiry
from sandbox.x12text import PLANS, write_271
from worker.core.instant import iso

# The one sentence that the vendor's document fixes.
NO_NPI = (
    "No valid NPI identified for this request. "
    "Please reach out to the Enhanced Eligibility team if assistance is needed."
)
_WORDS = {
    "eligible": "Coverage is in force",
    "ineligible": "No coverage is in force on the date asked about",
    "payer_unavailable": "The payer did not answer",
    "payer_not_in_system": "The payer is not known to the clearinghouse",
    "processing_error": "The request could not be processed",
    "patient_unknown": "The payer does not know the patient",
}


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction. It is visible from ``at`` on (milliseconds UTC); ``source_id`` names the one it came from."""

    id: str
    at: int
    ask: Inquiry
    status: str
    family: str
    payer: tuple[str, str]
    control: int
    correlation_id: str
    source_type: str = "new"
    source_id: str = ""
    hmo: bool = False
    no_npi: bool = False

    def x12(self) -> str | None:
        """The payer's answer as a 271, if it gave one."""
        return write_271(self.ask, self.status, self.family, self.payer, self.at, self.control)

    def body(self) -> dict[str, Any]:
        """The transaction as the vendor shows it, fit for both real-time operations and for the lists."""
        ask = self.ask
        words = NO_NPI if self.no_npi else _WORDS[self.status]
        person = _present(
            firstName=ask.first_name.upper(),
            lastName=ask.last_name.upper(),
            memberId=ask.member_id,
            gender=ask.gender,
            dateOfBirth=_date(ask.birth_date),
        )
        body: dict[str, Any] = {
            "id": self.id,
            **_present(sourceId=self.source_id, correlationId=self.correlation_id),
            "sourceType": self.source_type,
            "processedDate": iso(self.at),
            "status": {"value": self.status, "description": words},
        }
        if self.status == "processing_error":
            body["errors"] = [words]
        body |= {"payer": _present(chcId=self.payer[0], name=self.payer[1]), "subscriber": person}
        if ask.record_number:
            body["patient"] = {**person, "mrn": ask.record_number}
        else:
            body["patient"] = dict(person)
        if self.status == "eligible":
            body |= self._coverage()
        text = self.x12()
        if text is not None:
            body["x12-271"] = text
        return body

    def _coverage(self) -> dict[str, Any]:
        _, name = PLANS[self.family]
        year = (self.ask.service_date or "20260101")[:4]
        plan: dict[str, Any] = {
            "description": name,
            "beginDate": f"{year}-01-01",
            "endDate": f"{year}-12-31",
            "number": f"PLAN{self.control % 10_000:04d}",
        }
        if self.hmo:
            plan["hmo"] = {"name": name, "planNumber": plan["number"]}
        benefits = [
            {
                "service": "Health Benefit Plan Coverage",
                "name": "deductible",
                "value": str(self.control % 4000 + 250),
                "type": "monetary",
            },
            {
                "service": "Professional (Physician) Visit - Office",
                "name": "coinsurance",
                "value": "20",
                "type": "percent",
            },
        ]
        return {"plan": plan, "benefits": benefits}


def _present(**fields: str) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


def _date(text: str) -> str:
    """``1950-01-31`` from ``19500131``."""
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 else ""

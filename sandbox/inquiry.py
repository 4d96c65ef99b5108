"""What a request asks for, in one shape, whether it came as JSON or as an X12 270."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One eligibility question. Dates are ``YYYYMMDD``; what was not said is ``""``."""

    member_id: str = ""
    first_name: str = ""
    last_name: str = ""
    birth_date: str = ""
    gender: str = ""
    payer_id: str = ""
    payer_name: str = ""
    provider_name: str = ""
    npi: str = ""
    service_date: str = ""
    reference: str = ""
    trace_number: str = ""
    originator_id: str = ""
    account_number: str = ""
    record_number: str = ""
    control_number: str = ""

    @property
    def key(self) -> str:
        """The same patient asked about at the same payer for the same day has the same key."""
        return "|".join(
            (self.member_id, self.last_name, self.first_name, self.birth_date, self.payer_id, self.service_date)
        ).upper()


def valid_npi(npi: str) -> bool:
    """Ten digits, the first 1 or 2, whose Luhn check digit (over the prefix 80840) is right."""
    if len(npi) != 10 or not (npi.isascii() and npi.isdigit()) or npi[0] not in "12":
        return False
    return npi[9] == npi_check_digit(npi[:9])


def npi_check_digit(first_nine: str) -> str:
    """The tenth digit of an NPI."""
    total = 24  # what the constant prefix 80840 contributes
    for place, digit in enumerate(reversed(first_nine)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def from_json(body: Mapping[str, Any]) -> Inquiry:
    """The question in a JSON request that :mod:`sandbox.requests` has found valid."""
    subscriber = body.get("subscriber") or {}
    # A dependent, where there is one, is the patient; the subscriber then only holds the policy.
    patient = (body.get("dependents") or [subscriber])[0]
    provider = body.get("provider") or {}
    encounter = body.get("encounter") or {}
    more = subscriber.get("additionalIdentification") or {}
    return Inquiry(
        member_id=subscriber.get("memberId") or patient.get("memberId") or "",
        first_name=patient.get("firstName", ""),
        last_name=patient.get("lastName", ""),
        birth_date=patient.get("dateOfBirth", ""),
        gender=patient.get("gender", ""),
        payer_id=body.get("tradingPartnerServiceId", ""),
        payer_name=body.get("tradingPartnerName", ""),
        provider_name=provider.get("organizationName") or provider.get("lastName") or "",
        npi=provider.get("npi", ""),
        service_date=encounter.get("dateOfService", ""),
        reference=body.get("submitterTransactionIdentifier", ""),
        account_number=more.get("patientAccountNumber", ""),
        record_number=more.get("medicalRecordIdentificationNumber", ""),
        control_number=body.get("controlNumber", ""),
    )


class NotX12(ValueError):
    """The text is not the interchange it should be; the message says why, without quoting it."""


def segments(text: str, kind: str) -> Iterator[list[str]]:
    """The segments of the first interchange in ``text``, which must hold a set of ``kind`` (``270`` or ``271``).

    Delimiters are found by counting: the vendor's own samples have interchange headers of the wrong width.
    Raises :class:`NotX12`.
    """
    text = text.strip()
    if not text.startswith("ISA") or len(text) < 20:
        raise NotX12("it does not begin with an ISA segment")
    separator = text[3]
    head = text.split(separator, 16)
    if len(head) < 17 or len(head[16]) < 2:
        raise NotX12("its ISA segment does not have 16 elements")
    terminator = head[16][1]
    if terminator.isalnum() or terminator == separator:
        raise NotX12("its segment terminator cannot be told")
    rows = [row.strip().split(separator) for row in text.split(terminator)]
    if not any(row[0] == "ST" and len(row) > 1 and row[1] == kind for row in rows):
        raise NotX12(f"it holds no {kind} transaction set")
    if not any(row[0] == "SE" for row in rows):
        raise NotX12("its transaction set has no end (SE)")
    return iter(rows)


# Where in a 270 each part of the question stands: segment id and first element, then element number and field. Of
# several segments the last one counts, so that a dependent (NM1*03) takes the place of the subscriber.
_PLACES: dict[tuple[str, str], dict[int, str]] = {
    ("ISA", ""): {13: "control_number"},
    ("BHT", ""): {3: "reference"},
    ("NM1", "PR"): {3: "payer_name", 9: "payer_id"},
    ("NM1", "1P"): {3: "provider_name", 9: "npi"},
    ("NM1", "IL"): {3: "last_name", 4: "first_name", 9: "member_id"},
    ("NM1", "03"): {3: "last_name", 4: "first_name", 9: "member_id"},
    ("DMG", ""): {2: "birth_date", 3: "gender"},
    ("TRN", "1"): {2: "trace_number", 3: "originator_id"},
    ("DTP", "291"): {3: "service_date"},
    ("REF", "EJ"): {2: "account_number"},
    ("REF", "EA"): {2: "record_number"},
}


def from_x12(text: str) -> Inquiry:
    """The question in an X12 270. Raises :class:`NotX12`."""
    found: dict[str, str] = {}
    for row in segments(text, "270"):
        places = _PLACES.get((row[0], "")) or _PLACES.get((row[0], row[1] if len(row) > 1 else ""), {})
        found |= {field: row[place] for place, field in places.items() if len(row) > place and row[place]}
    if "last_name" not in found and "member_id" not in found:
        raise NotX12("it names no subscriber (NM1*IL)")
    return Inquiry(**found)

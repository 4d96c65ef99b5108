"""Whether a request is as the vendor's document requires; the mistakes, in words, where it is not.

The rules for the fields of an eligibility request are a table: a field is text with a longest length, and perhaps a
pattern or a list of allowed words. Fields that the table does not name are allowed, as in the vendor's document.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sandbox.codes import INDUSTRY_CODES, PROVIDER_CODES, SERVICE_TYPES
from sandbox.inquiry import NotX12, segments


@dataclass(frozen=True, slots=True)
class Text:
    """A text field. ``what`` says in words what ``pattern`` (matched whole) means."""

    longest: int = 0
    pattern: str = ""
    what: str = ""
    words: frozenset[str] = frozenset()
    shortest: int = 0


@dataclass(frozen=True, slots=True)
class Rows:
    """An array: of texts or of objects."""

    item: "Text | Fields"
    fewest: int = 0
    most: int = 0


Fields = Mapping[str, "Text | Rows | Fields"]

T50, T55, T60, T80 = Text(50), Text(55), Text(60), Text(80)
_ALNUM = r"[A-Za-z0-9]+"
_DAY = Text(pattern=r"\d{8}|", what="a date as YYYYMMDD")
_FREE = Text()
_PROVIDER_TYPES = frozenset(
    {
        "payer",
        "third-party administrator",
        "employer",
        "hospital",
        "facility",
        "gateway provider",
        "plan sponsor",
        "provider",
    }
)


def _words(words: str) -> Text:
    return Text(words=frozenset(words.split()))


def _each(rule: Text, names: str) -> "Fields":
    """The same rule for several fields."""
    return dict.fromkeys(names.split(), rule)


_ADDRESS: Fields = {
    "address1": T55,
    "address2": T55,
    "city": Text(30),
    "state": Text(2),
    "postalCode": Text(15),
    "countryCode": _FREE,
    "locationIdentifier": _FREE,
    "countrySubDivisionCode": _FREE,
}
_PERSON: Fields = {
    # the vendor has stopped using these dates, and sets no bounds for them
    **_each(
        _FREE,
        "beginningCardIssueDate endCardIssueDate idCardIssueDate planIssueDate beginningPlanIssueDate endPlanIssueDate",
    ),
    "birthSequenceNumber": Text(9, r"\d+", "digits"),
    "firstName": Text(35),
    "middleName": Text(25),
    "lastName": T60,
    "suffix": Text(10),
    "gender": _words("M F"),
    "dateOfBirth": _DAY,
    "ssn": T50,
    "groupNumber": T50,
    "idCard": T50,
    "providerCode": Text(words=PROVIDER_CODES - {"SB"}),
    "referenceIdentificationQualifier": _words("9K D3 EI HPI PXC SY TJ"),
    "providerIdentifier": Text(50, _ALNUM, "letters and digits"),
    "healthCareCodeInformation": Rows(
        {
            "diagnosisTypeCode": _words("BK ABK BF ABF"),
            "diagnosisCode": Text(30, _ALNUM, "letters and digits"),
        },
        most=8,
    ),
    "address": _ADDRESS,
    "additionalIdentification": _each(
        T50,
        "planNumber policyNumber memberIdentificationNumber contractNumber "
        "medicalRecordIdentificationNumber patientAccountNumber healthInsuranceClaimNumber "
        "identificationCardSerialNumber insurancePolicyNumber planNetworkIdentificationNumber "
        "agencyClaimNumber",
    ),
}
_PROCEDURE: Fields = {
    "productOrServiceIDQualifier": _words("AD CJ HC ID IV N4 ZZ"),
    "procedureCode": Text(48),
    "procedureModifiers": Rows(_FREE, most=4),
    "diagnosisCodePointer": Rows(_FREE, most=4),
}
ELIGIBILITY: Fields = {
    "submitterTransactionIdentifier": _FREE,
    "controlNumber": Text(9, r"(?!0{9})\d{9}", "exactly nine digits, and positive"),
    "tradingPartnerServiceId": T80,
    "tradingPartnerName": T80,
    "provider": {
        "organizationName": T60,
        "firstName": Text(35),
        "lastName": T60,
        **_each(
            T80,
            "npi serviceProviderNumber payorId taxId ssn pharmacyProcessorNumber servicesPlanID employersId",
        ),
        "providerCode": Text(words=PROVIDER_CODES),
        "referenceIdentification": _FREE,
        "providerType": Text(words=_PROVIDER_TYPES),
    },
    "portalUsername": T50,
    "portalPassword": T50,
    "informationReceiverName": {
        **_each(
            T50,
            "stateLicenceNumber medicareProviderNumber medicaidProviderNumber facilityIdNumber "
            "contactNumber devicePinNumber submitterIdNumber nationalProviderIdentifier "
            "providerPlanNetworkIdNumber facilityNetworkIdNumber priorIdentifierNumber "
            "socialSecurityNumber federalTaxpayerIdentificationNumber "
            "informationReceiverAdditionalIdentifierState",
        ),
        "address": _ADDRESS,
    },
    "subscriber": {
        **_PERSON,
        "memberId": Text(80, r"[A-Za-z0-9-]+", "letters, digits and hyphens"),
        "caseNumber": Text(50, _ALNUM, "letters and digits"),
        "medicaidRecipientIdentificationNumber": Text(80, _ALNUM, "letters and digits"),
        "spendDownAmount": Text(18),
        "spendDownTotalBilledAmount": Text(18),
        "coverageLevelCode": Text(3),
    },
    "dependents": Rows(
        {
            **_PERSON,
            "memberId": Text(80, r"[A-Za-z0-9-]+", "letters, digits and hyphens", shortest=2),
            "individualRelationshipCode": _words("01 19 34"),
            "issueNumber": T50,
            "eligibilityCategory": T50,
        },
        fewest=1,
    ),
    "encounter": {
        "beginningDateOfService": _DAY,
        "endDateOfService": _DAY,
        "dateOfService": Text(pattern=r"\d{8}", what="a date as YYYYMMDD"),
        "serviceTypeCodes": Rows(Text(words=SERVICE_TYPES), most=99),
        "priorAuthorizationOrReferralNumber": _FREE,
        "referenceIdentificationQualifier": _words("9F G1"),
        "industryCode": Text(words=INDUSTRY_CODES),
        **_PROCEDURE,
        "medicalProcedures": Rows(_PROCEDURE, most=98),
    },
}
_TRANSACTION_STATUS = _words(
    "eligible ineligible payer_unavailable payer_not_in_system processing_error patient_unknown"
)


class Invalid(ValueError):
    """The request is refused with 400; ``lines`` says why, one mistake each."""

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


def json_object(body: bytes) -> dict[str, Any]:
    """The request's body. Raises Invalid."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise Invalid("Bad Request - the body is not JSON") from None
    if not isinstance(value, dict):
        raise Invalid("Bad Request - the body is not a JSON object")
    return value


def mistakes(value: object, rule: "Text | Rows | Fields", where: str) -> list[str]:
    """What is wrong with ``value`` by ``rule``; ``where`` is its name. Never quotes the value."""
    if isinstance(rule, Text):
        return _text_mistakes(value, rule, where)
    if isinstance(rule, Rows):
        if not isinstance(value, list):
            return [f"Field '{where}' must be an array"]
        found = [line for n, item in enumerate(value) for line in mistakes(item, rule.item, f"{where}[{n}]")]
        if len(value) < rule.fewest or (rule.most and len(value) > rule.most):
            found.append(f"Field '{where}' has too {'few' if len(value) < rule.fewest else 'many'} items")
        return found
    if not isinstance(value, dict):
        return [f"Field '{where}' must be an object"]
    dot = f"{where}." if where else ""
    return [line for name, r in rule.items() if name in value for line in mistakes(value[name], r, dot + name)]


def _text_mistakes(value: object, rule: Text, where: str) -> list[str]:
    if not isinstance(value, str):
        return [f"Field '{where}' must be a string"]
    if rule.words and value not in rule.words:
        return [f"Field '{where}' is not one of the allowed values"]
    if rule.longest and len(value) > rule.longest:
        return [f"Field '{where}' is longer than {rule.longest} characters"]
    if len(value) < rule.shortest:
        return [f"Field '{where}' is shorter than {rule.shortest} characters"]
    if rule.pattern and not re.fullmatch(rule.pattern, value, re.ASCII):
        return [f"Field '{where}' must be {rule.what}"]
    if rule.what.startswith("a date") and value and not _is_day(value):
        return [f"Field '{where}' is not a day of the calendar"]
    return []


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def check_eligibility(body: Mapping[str, Any], where: str = "") -> None:
    """An eligibility request. Raises Invalid with every mistake."""
    dot = f"{where}." if where else ""
    found = [f"Field '{dot}{name}' is required" for name in ("subscriber", "encounter") if name not in body]
    encounter = body.get("encounter")
    if isinstance(encounter, dict) and "dateOfService" not in encounter:
        found.append(f"Field '{dot}encounter.dateOfService' is required")
    _refuse(found + mistakes(body, ELIGIBILITY, where))


def check_x12(value: object, where: str, kind: str) -> str:
    """The X12 text of a field. Raises Invalid."""
    if not isinstance(value, str) or not value.strip():
        raise Invalid(f"Failed Precondition - Field '{where}' is required")
    try:
        segments(value, kind)
    except NotX12 as why:
        raise Invalid(f"Failed Precondition - Field '{where}' is no X12 {kind}: {why}") from None
    return value


def check_discovery(body: Mapping[str, Any]) -> None:
    """What both kinds of direct discovery have in common. Raises Invalid."""
    found = []
    if not isinstance(body.get("dryRun", False), bool):
        found.append("Field 'dryRun' must be a boolean")
    url = body.get("callbackUrl", "")
    if not isinstance(url, str) or (url and not re.match(r"https?://[^/\s]", url)):
        found.append("Field 'callbackUrl' must be an http or https URL")
    answer = body.get("canonicalEligibilityResponse", {})
    rule: Fields = {
        "status": {"value": _TRANSACTION_STATUS},
        "plan": {},
        "payer": {},
        "subscriber": {},
        "x12-271": _FREE,
        "metadata": {"clearinghouse": _words("CLR CI IMN"), "x12-270": _FREE},
    }
    _refuse(found + mistakes(answer, rule, "canonicalEligibilityResponse"))


def _refuse(found: list[str]) -> None:
    if found:
        raise Invalid(*(f"Failed Precondition - {line}" for line in found))

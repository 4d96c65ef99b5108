"""The code lists of the 271 that people meet, in words of our own. Unknown codes are kept and shown as they came."""

ACTIVE = frozenset("12345")
INACTIVE = frozenset("678")

BENEFITS = {
    "1": "active",
    "2": "active, full-risk capitation",
    "3": "active, services capitated",
    "4": "active, services capitated to the primary care provider",
    "5": "active, under investigation",
    "6": "inactive",
    "7": "inactive, update pending",
    "8": "inactive, under investigation",
    "A": "co-insurance",
    "B": "co-payment",
    "C": "deductible",
    "CB": "basis of coverage",
    "D": "description of the benefit",
    "E": "exclusions",
    "F": "limitations",
    "G": "out-of-pocket limit",
    "H": "unlimited",
    "I": "not covered",
    "J": "cost containment",
    "K": "reserve",
    "L": "primary care provider",
    "M": "pre-existing condition",
    "MC": "managed care coordinator",
    "N": "services restricted to the provider named",
    "O": "not deemed medically necessary",
    "P": "disclaimer",
    "Q": "second opinion required",
    "R": "another payer",
    "S": "history of an earlier year",
    "T": "card reported lost or stolen",
    "U": "ask the party named",
    "V": "cannot be processed",
    "W": "another source of data",
    "X": "health care facility",
    "Y": "spend-down",
}

REJECTIONS = {
    "04": "more is asked than is allowed",
    "15": "data needed for the search is missing",
    "33": "input errors",
    "35": "out of network",
    "41": "access is not authorised",
    "42": "the payer cannot answer now",
    "43": "provider identification invalid or missing",
    "44": "provider name invalid or missing",
    "45": "provider specialty invalid or missing",
    "46": "provider phone number invalid or missing",
    "47": "provider state invalid or missing",
    "48": "referring provider identification invalid or missing",
    "49": "the provider is not the primary care physician",
    "50": "the provider may not inquire",
    "51": "provider not on file",
    "52": "service dates outside of the provider's enrolment",
    "53": "the inquiry does not fit the benefit",
    "54": "product or service code does not fit",
    "55": "product or service code does not fit the patient's age",
    "56": "date of service does not fit",
    "57": "date of service invalid or missing",
    "58": "date of birth invalid or missing",
    "60": "date of birth after the date of service",
    "61": "date of death before the date of service",
    "62": "date of service outside of the period that may be asked for",
    "63": "date of service in the future",
    "64": "patient identification invalid or missing",
    "65": "patient name invalid or missing",
    "66": "patient gender invalid or missing",
    "67": "patient not found",
    "68": "patient identification found more than once",
    "69": "does not fit the patient's age",
    "70": "does not fit the patient's gender",
    "71": "date of birth differs from the payer's",
    "72": "member identification invalid or missing",
    "73": "subscriber name invalid or missing",
    "74": "subscriber gender invalid or missing",
    "75": "subscriber not found",
    "76": "subscriber identification found more than once",
    "77": "subscriber found, patient not found",
    "78": "the subscriber is not in the group or plan named",
    "79": "payer identification invalid",
    "80": "no answer from the payer",
    "97": "provider address invalid or missing",
    "98": "experimental service or procedure",
    "AA": "authorisation number not found",
    "AE": "primary care provider's authorisation required",
    "AF": "diagnosis code invalid or missing",
    "AG": "procedure code invalid or missing",
    "AO": "additional patient condition needed",
    "CI": "certification does not fit the patient",
    "E8": "medical review required",
    "IA": "authorisation number format invalid",
    "MA": "authorisation number missing",
    "T4": "payer name or identification missing",
}

FOLLOW_UPS = {
    "C": "correct and send again",
    "N": "sending again is not allowed",
    "P": "send the original inquiry again",
    "R": "may be sent again",
    "S": "do not send again, the inquiry goes to another payer",
    "W": "wait at least thirty days",
    "X": "wait at least ten days",
    "Y": "do not send again, the answer will follow",
}

RETRYABLE_REASONS = frozenset(("42", "80"))
RETRYABLE_FOLLOW_UPS = frozenset("RP")

PAYERS = frozenset(("PR", "PRP", "SEP", "TTP"))
"""NM101 of a payer named under a benefit."""


def words(table: dict[str, str], code: str) -> str:
    """The text for a code; for one that is not in the table, the code itself."""
    return table.get(code, f"code {code}" if code else "")

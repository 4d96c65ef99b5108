"""What a person can do about a path that was not searched, was skipped or had its inquiry rejected, in a sentence.

It is made of the vendor's status of a path, the reason why a path was skipped, and the reason and the follow-up action
(AAA03, AAA04) of a rejection.
"""

import re

from worker.core.vendor.findings import normal_status
from worker.core.x12.codes import RETRYABLE_FOLLOW_UPS, RETRYABLE_REASONS

NO_PATH = "ask the vendor, with this id, which path found coverage; see `cdpoll show ID` for what the answers say"
SAYS_OTHERWISE = "ask the payer before you bill it; see `cdpoll show ID` for what its 271 says"
NO_271 = "ask the payer for the member id and the dates before you bill it, or the vendor, with this id, for the 271"
CHANGED = "ask the vendor, with this id, which of its answers holds; see `cdpoll show ID` for what the latest says"

_STATUSES = {
    "payer_unavailable": "send the inquiry again later, or ask the payer",
    "processing_error": "check the provider's NPI and the patient's data of the inquiry, then send it again",
    "payer_not_in_system": "check the payer id and the enrollment with the vendor, or ask the payer",
}

_AS_CONFIGURED = re.compile(
    r"\bnot (meet|met)\b|found coverage|coverage (was |has been )?(already )?found", re.IGNORECASE
)
_CACHED = re.compile(r"\bcached?\b|\b72[ -]?h(ou)?rs?\b|\b72[ -]?h\b", re.IGNORECASE)
_BROKEN = re.compile(
    r"error|missing|invalid|could not|cannot|unable|\bfail(s|ed|ure)?\b|(?<!not )required|incomplete|reject",
    re.IGNORECASE,
)


def path_advice(status: str | None) -> str | None:
    """What to do about a path with this status; ``None`` where it was searched."""
    return _STATUSES.get(normal_status(status))


def skip_advice(reason: str | None) -> str | None:
    """What to do about a path that was skipped; ``None`` where a person cannot mend it.

    A path whose conditions were not met, or that was not needed since another one had found coverage, was skipped as
    configured, unless the reason also names something wrong. A reason that is not known here is left to the person.
    """
    said = reason or ""
    if _CACHED.search(said):
        return "the same was asked within 72 hours: see the earlier task, or send the inquiry again after that time"
    if _BROKEN.search(said):
        return "correct what the reason names in the inquiry, and send it again"
    if _AS_CONFIGURED.search(said):
        return None
    return "read the reason; where it does not help, ask the vendor why the path was skipped"


_WRONG = {
    "43": "the provider's NPI and its enrollment with the payer",
    "44": "the provider's name",
    "45": "the provider's specialty",
    "46": "the provider's phone number",
    "47": "the provider's state",
    "48": "the referring provider's number",
    "50": "the provider's NPI and its enrollment with the payer",
    "51": "the provider's NPI and its enrollment with the payer",
    "97": "the provider's address",
    "41": "the provider's authorization with the payer and the vendor",
    "79": "the ids of payer and provider",
    "T4": "the payer's name and id",
    "15": "that the inquiry has all data that the payer asks for",
    "33": "the data of the inquiry",
    "52": "the date of service and the provider's enrollment",
    "56": "the dates of the inquiry",
    "57": "the date of service",
    "60": "the date of birth and the date of service",
    "61": "the date of death and the date of service",
    "62": "the date of service",
    "63": "the date of service",
    "58": "the date of birth",
    "71": "the date of birth",
    "59": "the date of death",
    "64": "the member id",
    "72": "the member id",
    "65": "the patient's name",
    "73": "the subscriber's name",
    "66": "the patient's gender",
    "74": "the subscriber's gender",
    "67": "member id, name and date of birth",
    "75": "member id, name and date of birth",
    "77": "the patient's name and date of birth",
    "78": "the group number and the member id",
    "68": "the member id, of which the payer has two",
    "76": "the member id, of which the payer has two",
    "53": "the service type of the inquiry",
    "54": "the service type of the inquiry",
    "55": "the service type of the inquiry",
    "69": "the service type and the date of birth",
    "70": "the service type and the gender",
}

_FOLLOW_UPS = {
    "S": "do not send it again: the payer passes the inquiry on to another one",
    "W": "wait thirty days, then send the inquiry again",
    "X": "wait ten days, then send the inquiry again",
    "Y": "do not send it again: the answer will follow",
}


def rejection_advice(code: str, follow_up: str) -> str:
    """What to do about an AAA with this reason (AAA03) and this follow-up action (AAA04)."""
    if follow_up in _FOLLOW_UPS:
        return _FOLLOW_UPS[follow_up]
    wrong = _WRONG.get(code)
    if code in RETRYABLE_REASONS or (wrong is None and follow_up in RETRYABLE_FOLLOW_UPS):
        return "send the inquiry again later, or ask the payer"
    if wrong is not None:
        return f"check {wrong}; " + ("ask the payer, which takes no second inquiry" if follow_up == "N" else _CORRECT)
    return "correct what the reason names, and send the inquiry again" if follow_up == "C" else "ask the payer"


_CORRECT = "correct what is wrong and send the inquiry again, or ask the payer"

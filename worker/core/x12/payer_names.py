"""The names of payers: what the public ones are called, and whether two names are those of one payer."""

import re
from functools import lru_cache
from typing import Literal

_MEDICARE_NAMES = re.compile(r"\b(?:MEDICARE|CMS)\b", re.IGNORECASE)
_MEDICAID_NAMES = re.compile(
    r"\b(?:MEDICAID|MEDI.?CAL|MEDICAL ASSISTANCE|DEP(?:T|ARTMENT) OF (?:HEALTH|HUMAN|SOCIAL|COMMUNITY)|DHCS|DHHS|DHS"
    r"|DSHS|AHCA|AHCCCS|APPLE HEALTH|BADGERCARE|DENALICARE|DHCF|DMAHS|DMAS|EMEDNY|FAMILYCARE|FORWARDHEALTH|HAWK-I|HCPF"
    r"|HEALTH FIRST COLORADO|HFS|HHSC|HUSKY HEALTH|IHCP|INDIANA HEALTH COVERAGE|KANCARE|MAINECARE|MASSHEALTH|MCD|MDCH"
    r"|MED-QUEST|MO HEALTHNET|NYSDOH|PA PROMISE|SCDHHS|SOONERCARE|TENNCARE|TMHP)\b|MMIS",
    re.IGNORECASE,
)
"""What Medicaid is called: by itself, by the department or the system that runs it, and in some states."""
_MEDICAID_IDS = re.compile(r"MEDICAID|MCD\b|\bMCD", re.IGNORECASE)
"""Ids under which clearing houses list Medicaid: UTMCD, AZMCD, …"""

_IGNORED_WORDS = frozenset(
    "AND CO COMPANY CORP CORPORATION INC INCORPORATED INS INSURANCE LLC LP LTD OF PLC THE".split()  # noqa: SIM905
)
"""Words that make no difference between two names of a payer."""
_KINDS_OF_COMPANY = frozenset(
    """
    ADDRESS ASSURANCE BENEFIT BENEFITS CENTER CLAIM CLAIMS COMPANIES DEPARTMENT DEPT DIVISION GROUP HEALTH HEALTHCARE
    LIFE MAIL MAILING OFFICE PLAN PLANS PROCESSING SERVICE SERVICES UNIT
    """.split()  # noqa: SIM905
)
"""Words that make none behind a whole name: AETNA LIFE is AETNA, while HEALTH PARTNERS is not HEALTH NET."""

_WORD = re.compile(r"[^\W_]+")
_BLUES = re.compile(r"BLUE\W*CROSS(?:\W*(?:AND|&)?\W*BLUE\W*SHIELD)?")
_ADDED = re.compile(r"(?<=\w) [-(].*")
"""What some payers add to their name: a region behind a hyphen, or in brackets."""


def is_medicare(name: str) -> bool:
    return _MEDICARE_NAMES.search(name) is not None


def is_medicaid(name: str, number: str = "") -> bool:
    return _MEDICAID_NAMES.search(name) is not None or _MEDICAID_IDS.search(number) is not None


def is_state(name: str) -> bool:
    """Whether it is the name of a state, or of its Medicaid."""
    return is_medicaid(name) or name.upper().startswith("STATE OF ")


def likeness(one: str, payer: str) -> Literal["same", "like", "longer", ""]:
    """Whether a name is that of the payer; or like it, one of them with more words behind it; or longer than it.

    A name of one word says little, so a longer one may well be another payer's: UNITED CONCORDIA is not UNITED. So is
    that of a public payer: MEDICARE is not MEDICARE ADVANTAGE.
    """
    first, second = _telling_words(one), _telling_words(payer)
    if not (first and second):
        return ""
    if "".join(first) == "".join(second) or "".join(_words(one)) == "".join(_words(payer)):
        return "same"
    # The words of a name may be written apart or together.
    short, long = sorted((first, second), key=lambda words: len("".join(words)))
    begins = "".join(short)
    more = next((long[count:] for count in range(1, len(long)) if "".join(long[:count]) == begins), None)
    if more is None:
        return ""
    if _KINDS_OF_COMPANY.issuperset(more):
        return "same"
    if len(short) > 1 or " ".join(_words(one)).endswith(" OF " + " ".join(more)):
        return "like"
    public = is_medicare(one) or is_medicaid(one)
    return "like" if short is first and not public else "longer"


@lru_cache(maxsize=1024)
def _words(name: str) -> tuple[str, ...]:
    """The words of a name in upper case."""
    return tuple(_WORD.findall(_BLUES.sub("BCBS", _ADDED.sub("", name.upper().replace("'", "")))))


def _telling_words(name: str) -> tuple[str, ...]:
    """A name as it is compared: without words that make no difference."""
    words = _words(name)
    return tuple([word for word in words if word not in _IGNORED_WORDS]) or words

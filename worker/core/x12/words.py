"""Codes of a 271 in words of our own, for those who read an answer. Nothing is decided by them.

A code that is in no table is told as ``code XX``, an empty one as an empty text. The words begin in lower case, so that
they may stand anywhere in a sentence.
"""

from worker.core.x12.codes import words
from worker.core.x12.service_types import SERVICE_TYPES

DATE_QUALIFIERS = {
    "096": "discharge",
    "102": "issue",
    "152": "change takes effect",
    "193": "period begins",
    "194": "period ends",
    "198": "completion",
    "290": "coordination of benefits",
    "291": "plan",
    "292": "benefit",
    "295": "primary care provider",
    "304": "latest visit",
    "307": "eligibility",
    "318": "added",
    "340": "COBRA begins",
    "341": "COBRA ends",
    "342": "premium paid from",
    "343": "premium paid to",
    "346": "plan begins",
    "347": "plan ends",
    "348": "benefit begins",
    "349": "benefit ends",
    "356": "eligibility begins",
    "357": "eligibility ends",
    "382": "enrollment",
    "435": "admission",
    "442": "death",
    "458": "certification",
    "472": "service",
    "539": "policy takes effect",
    "540": "policy expires",
    "636": "last update",
    "771": "status",
}

INSURANCE_TYPES = {
    "12": "Medicare second to the employer's plan (working and aged)",
    "13": "Medicare second to the employer's plan (kidney failure)",
    "14": "Medicare second to no-fault or auto insurance",
    "15": "Medicare second to workers' compensation",
    "16": "Medicare second to a federal agency",
    "41": "Medicare second to black lung benefits",
    "42": "Medicare second to Veterans Affairs",
    "43": "Medicare second to a large group plan (disabled)",
    "47": "Medicare second to other liability insurance",
    "AP": "auto insurance",
    "C1": "commercial",
    "CO": "COBRA",
    "CP": "Medicare first, on condition",
    "D": "disability",
    "DB": "disability benefits",
    "E": "Medicare POS",
    "EP": "EPO",
    "FF": "family or friends",
    "GP": "group policy",
    "HM": "HMO",
    "HN": "Medicare Advantage HMO",
    "HS": "Medicare beneficiary of low income",
    "IN": "indemnity",
    "IP": "individual policy",
    "LC": "long-term care",
    "LD": "long-term policy",
    "LI": "life insurance",
    "LT": "litigation",
    "MA": "Medicare Part A",
    "MB": "Medicare Part B",
    "MC": "Medicaid",
    "MH": "Medigap Part A",
    "MI": "Medigap Part B",
    "MP": "Medicare first",
    "OT": "other",
    "PE": "personal property insurance",
    "PL": "personal",
    "PP": "the patient pays, no insurance",
    "PR": "PPO",
    "PS": "POS",
    "QM": "qualified Medicare beneficiary",
    "RP": "real property insurance",
    "SP": "supplemental policy",
    "TF": "TEFRA",
    "U": "plan with several options",
    "WC": "workers' compensation",
    "WU": "wrap-up policy",
}

TIME_PERIODS = {
    "1": "chargeable periods",
    "2": "periods held",
    "3": "free periods",
    "4": "Saturdays, Sundays and holidays",
    "5": "other periods of allowance",
    "6": "hour",
    "7": "day",
    "8": "no period",
    "9": "first visit",
    "10": "6 hours",
    "11": "12 hours",
    "12": "18 hours",
    "13": "24 hours",
    "14": "debit days",
    "15": "credit days",
    "16": "excess days",
    "17": "hazardous days",
    "18": "holidays",
    "19": "Saturdays and Sundays",
    "20": "Sundays and holidays",
    "21": "years",
    "22": "year of service",
    "23": "calendar year",
    "24": "year so far",
    "25": "contract",
    "26": "episode",
    "27": "visit",
    "28": "outlier",
    "29": "what remains",
    "30": "exceeded",
    "31": "not exceeded",
    "32": "lifetime",
    "33": "what remains of the lifetime",
    "34": "month",
    "35": "week",
    "36": "admission",
    "37": "three months",
    "Z": "as agreed",
}

COVERAGE_LEVELS = {
    "CHD": "children only",
    "DEP": "dependents only",
    "E1D": "employee and one dependent",
    "E2D": "employee and two dependents",
    "E3D": "employee and three dependents",
    "E5D": "employee and at least one dependent",
    "E6D": "employee and at least two dependents",
    "E7D": "employee and at least three dependents",
    "E8D": "employee and at least four dependents",
    "E9D": "employee and at least five dependents",
    "ECH": "employee and children",
    "EMP": "employee only",
    "ESP": "employee and spouse",
    "FAM": "family",
    "IND": "individual",
    "S1C": "subscriber and one child",
    "S5C": "subscriber and at least one child",
    "S6C": "subscriber and at least two children",
    "SPC": "spouse and children",
    "SPO": "spouse only",
    "SS1": "subscriber, spouse and one child",
    "SS5": "subscriber, spouse and at least one child",
    "SS6": "subscriber, spouse and at least two children",
    "SSP": "subscriber and spouse",
    "TWO": "two persons",
}

ENTITIES = {
    "03": "dependent",
    "13": "contracted service provider",
    "1I": "PPO",
    "1P": "provider",
    "2B": "third-party administrator",
    "36": "employer",
    "73": "other physician",
    "80": "hospital",
    "FA": "facility",
    "GP": "gateway provider",
    "GW": "group",
    "I3": "association of independent physicians",
    "IL": "insured person",
    "LR": "legal representative",
    "OC": "carrier of origin",
    "P3": "primary care provider",
    "P4": "earlier insurer",
    "P5": "plan sponsor",
    "PR": "payer",
    "PRP": "first payer",
    "SEP": "second payer",
    "TTP": "third payer",
    "VER": "party that verifies",
    "VN": "vendor",
    "VY": "organization that completes a change",
    "X3": "utilization management organization",
    "Y2": "managed care organization",
}

REFERENCE_QUALIFIERS = {
    "0B": "state license number",
    "0F": "subscriber number",
    "18": "plan number",
    "1C": "Medicare provider number",
    "1D": "Medicaid provider number",
    "1J": "facility number",
    "1L": "group or policy number",
    "1W": "member number",
    "3H": "case number",
    "49": "family unit number",
    "4A": "personal identification number",
    "55": "sequence number",
    "6P": "group number",
    "9F": "referral number",
    "A6": "employee number",
    "ALS": "alternative list",
    "CE": "class of contract",
    "CLI": "coverage list",
    "CT": "contract number",
    "D3": "pharmacy number",
    "EA": "medical record number",
    "EI": "employer's tax number",
    "EJ": "patient account number",
    "EL": "PIN of the electronic device",
    "EO": "submitter number",
    "F6": "Medicare number",
    "FO": "drug formulary number",
    "G1": "prior authorization number",
    "GH": "identification card serial number",
    "HJ": "identity card number",
    "HPI": "national provider number",
    "IF": "issue number",
    "IG": "insurance policy number",
    "JD": "user number",
    "M7": "medical assistance category",
    "ML": "military number",
    "N5": "plan network number of the provider",
    "N6": "plan network",
    "N7": "facility network number",
    "NQ": "Medicaid number",
    "Q4": "earlier number",
    "SY": "Social Security number",
    "TJ": "federal tax number",
    "Y4": "agency claim number",
}


def service_type(code: str) -> str:
    """EB03: ``30`` is the health plan as a whole."""
    return words(SERVICE_TYPES, code)


def date_qualifier(code: str) -> str:
    """DTP01."""
    return words(DATE_QUALIFIERS, code)


def insurance_type(code: str) -> str:
    """EB04."""
    return words(INSURANCE_TYPES, code)


def time_period(code: str) -> str:
    """EB06, and HSD05."""
    return words(TIME_PERIODS, code)


def coverage_level(code: str) -> str:
    """EB02."""
    return words(COVERAGE_LEVELS, code)


def entity(code: str) -> str:
    """NM101."""
    return words(ENTITIES, code)


def reference_qualifier(code: str) -> str:
    """REF01."""
    return words(REFERENCE_QUALIFIERS, code)

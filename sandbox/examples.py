"""Valid requests about invented patients, for the demo, the tests and for trying things out by hand.

Patient ``n`` is always the same person for one ``seed``, and different from every other. No patient is real: the
names are made of letters and numbers. ``words`` steers the sandbox (``TWO-MINUTES``, see :mod:`sandbox.steering`).
"""

import random
import string
from typing import Any

from sandbox.inquiry import Inquiry, npi_check_digit
from sandbox.x12text import write_270, write_271

# 2026-01-15T12:00:00Z: the moment the X12 examples say they were written
_WRITTEN_AT_MS = 1_768_478_400_000
_PAYERS = (
    ("SBXPAY1", "FIRST INVENTED PAYER"),
    ("SBXPAY2", "SECOND INVENTED PAYER"),
    ("SBXPAY3", "THIRD INVENTED PAYER"),
)

# What the patients' checks lead to, in turn: most tasks take seconds, some minutes, a few many hours.
COURSES = (
    *("ONE-SECONDS",) * 9,
    *("ONE-MINUTES",) * 4,
    *("TWO-SECONDS",) * 2,
    "TWO-MINUTES",
    "ONE-HOURS",
    "ONE-SECONDS-UNSEARCHED",
    "NONE-ELIGIBLE",
    "THREE-SECONDS",
)


def patient(n: int, seed: int = 1, words: str = "") -> Inquiry:
    """Invented patient number ``n`` and a question about them."""
    chance = random.Random(f"{seed}|patient|{n}")
    letters = "".join(chance.choices(string.ascii_uppercase, k=5))
    payer = chance.choice(_PAYERS)
    nine = f"1{chance.randrange(10**8):08d}"
    tail = f"{n:06d}{chance.randrange(1000):03d}"
    return Inquiry(
        member_id=f"SBX-{words.strip('-').upper()}-{tail}" if words else f"{letters[:3]}{tail}",
        first_name=f"TEST{n}",
        last_name=f"INVENTED{letters}",
        birth_date=f"{chance.randrange(1935, 2006)}{chance.randrange(1, 13):02d}{chance.randrange(1, 29):02d}",
        gender=chance.choice("MF"),
        payer_id=payer[0],
        payer_name=payer[1],
        provider_name="INVENTED CLINIC",
        npi=nine + npi_check_digit(nine),
        service_date="20260115",
        reference=f"REF{seed}-{n}",
        trace_number=f"TRACE{n:08d}",
        originator_id="9CDPOLL001",
        account_number=f"ACCT{n:06d}",
        control_number=f"{n % 999_999_999 + 1:09d}",
    )


def real_time_request(n: int, seed: int = 1, words: str = "") -> dict[str, Any]:
    """The body of a real-time check (JSON)."""
    ask = patient(n, seed, words)
    return {
        "submitterTransactionIdentifier": ask.reference,
        "controlNumber": ask.control_number,
        "tradingPartnerServiceId": ask.payer_id,
        "tradingPartnerName": ask.payer_name,
        "provider": {"organizationName": ask.provider_name, "npi": ask.npi},
        "subscriber": {
            "memberId": ask.member_id,
            "firstName": ask.first_name,
            "lastName": ask.last_name,
            "gender": ask.gender,
            "dateOfBirth": ask.birth_date,
            "additionalIdentification": {"patientAccountNumber": ask.account_number},
        },
        "encounter": {"dateOfService": ask.service_date, "serviceTypeCodes": ["30"]},
    }


def real_time_x12_request(n: int, seed: int = 1, words: str = "") -> dict[str, Any]:
    """The body of a real-time check that carries a 270."""
    return {"x12": _question(patient(n, seed, words))}


def discovery_request(n: int, seed: int = 1, words: str = "", *, dry_run: bool = False) -> dict[str, Any]:
    """The body of a direct discovery (JSON)."""
    body: dict[str, Any] = {"canonicalEligibilityRequest": real_time_request(n, seed, words)}
    return {**body, "dryRun": True} if dry_run else body


def discovery_x12_request(n: int, seed: int = 1, words: str = "", *, dry_run: bool = False) -> dict[str, Any]:
    """The body of a direct discovery that carries a 270 and the 271 that answered it."""
    ask = patient(n, seed, words)
    answer = write_271(ask, "patient_unknown", "Commercial", (ask.payer_id, ask.payer_name), _WRITTEN_AT_MS, n + 1)
    body: dict[str, Any] = {"x12-270": _question(ask), "x12-271": answer}
    return {**body, "dryRun": True} if dry_run else body


def _question(ask: Inquiry) -> str:
    return write_270(ask, _WRITTEN_AT_MS, int(ask.control_number))

"""Codes in words: every code of the 005010X279A1 271 has some, an unknown code is told as it is."""

from collections.abc import Callable

import pytest

from worker.core.x12 import words

SERVICE_TYPES = (
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 30 31 32 33 34 35 36 37 38 39 40 41 42"
    " 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79 80"
    " 81 82 83 84 85 86 87 88 89 90 91 92 93 94 95 96 97 98 99 A0 A1 A2 A3 A4 A5 A6 A7 A8 A9 AA AB AC AD AE AF AG AH AI"
    " AJ AK AL AM AN AO AQ AR B1 B2 B3 BA BB BC BD BE BF BG BH BI BJ BK BL BM BN BP BQ BR BS BT BU BV BW BX BY BZ C1 CA"
    " CB CC CD CE CF CG CH CI CJ CK CL CM CN CO CP CQ DG DM DS GF GN GY IC MH NI ON PT PU RN RT TC TN UC"
)
DATES = (
    "096 102 152 193 194 198 290 291 292 295 304 307 318 340 341 342 343 346 347 348 349 356 357 382 435 442 458 472"
    " 539 540 636 771"
)
INSURANCE_TYPES = (
    "D 12 13 14 15 16 41 42 43 47 AP C1 CO CP DB EP FF GP HM HN HS IN IP LC LD LI LT MA MB MC MH MI MP OT PE PL PP PR"
    " PS QM RP SP TF WC WU"
)
TIME_PERIODS = "6 7 13 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36"
LEVELS = "CHD DEP ECH EMP ESP FAM IND SPC SPO"
ENTITIES = "03 13 1I 1P 2B 36 73 80 FA GP GW I3 IL LR OC P3 P4 P5 PR PRP SEP TTP VER VN VY X3 Y2"
REFERENCES = (
    "0B 0F 18 1C 1D 1J 1L 1W 3H 49 4A 55 6P 9F A6 ALS CLI CT EA EI EJ EL EO F6 FO G1 GH HJ HPI IF IG JD M7 ML N5 N6 N7"
    " NQ Q4 SY TJ Y4"
)


@pytest.mark.parametrize(
    ("told", "codes", "example"),
    [
        (words.service_type, SERVICE_TYPES, ("88", "pharmacy")),
        (words.date_qualifier, DATES, ("346", "plan begins")),
        (words.insurance_type, INSURANCE_TYPES, ("MC", "Medicaid")),
        (words.time_period, TIME_PERIODS, ("23", "calendar year")),
        (words.coverage_level, LEVELS, ("FAM", "family")),
        (words.entity, ENTITIES, ("Y2", "managed care organization")),
        (words.reference_qualifier, REFERENCES, ("F6", "Medicare number")),
    ],
)
def test_every_code_of_a_271_has_words_of_its_own(
    told: Callable[[str], str], codes: str, example: tuple[str, str]
) -> None:
    texts = {code: told(code) for code in codes.split()}
    assert [code for code, text in texts.items() if not text or text == f"code {code}"] == []
    assert len(set(texts.values())) == len(texts)
    assert told(example[0]) == example[1]
    assert told("QZ") == "code QZ"
    assert told("") == ""

"""How a rehearsal chooses what happens: by the member id it sends.

A member id of the form ``SBX-WORD-WORD-…-anything`` steers the answer; any other id gets a seeded one. The words
combine in any order and any letter case; a part that holds a digit is not a word and only keeps the ids of several
patients apart (``SBX-TWO-MINUTES-NOTHING-0042``). An unknown word is refused with 400 and a suggestion. In X12 the
member id is NM109 of ``NM1*IL``.

=============  =====================================================================================================
word           what happens
=============  =====================================================================================================
`ELIGIBLE`     the real-time answer: eligible (no task, unless a number of tasks is asked for)
`HMO`          eligible in an HMO plan, which starts a discovery
`INELIGIBLE`   ineligible, which starts a discovery
`UNKNOWN`      patient unknown, which starts a discovery (so it is where no answer is asked for)
`UNAVAILABLE`  payer unavailable, no task
`NOPAYER`      payer not in the system, no task
`ERROR`        processing error, no task
`NONE`         no task: no Link header; a direct discovery is refused with 422
`ONE`          one task (so it is where no number is asked for); a direct discovery answers 202
`TWO`          two tasks in one Link header; a direct discovery answers 207
`THREE`        three tasks, likewise
`MIXED`        a direct discovery answers 207 with one accepted and one refused task; in real time one task
`SERIAL`       the first task is serial: its paths run side by side
`CHAINED`      the first task is chained: its paths run one after the other until one finds coverage
`NOW`          every path is done at the first poll
`SECONDS`      only paths that are done in seconds take part
`MINUTES`      the task takes 2 to 30 minutes
`HOURS`        the task takes 1 to 23 hours
`DAYS`         the task takes 1 to 3 days
`NEVER`        one path stays pending for ever
`FOUND`        the task ends in success
`NOTHING`      the task ends in failure: every path answered, and found nothing
`UNSEARCHED`   the task ends in failure: no path got an answer from its payer
`SKIPPED`      the task ends in failure: every path was skipped
=============  =====================================================================================================

Times are the vendor's; the sandbox divides them by its speed.
"""

import difflib
import random
from dataclasses import dataclass

from sandbox.inquiry import Inquiry

ANSWERS = {
    "ELIGIBLE": "eligible",
    "HMO": "eligible",
    "INELIGIBLE": "ineligible",
    "UNKNOWN": "patient_unknown",
    "UNAVAILABLE": "payer_unavailable",
    "NOPAYER": "payer_not_in_system",
    "ERROR": "processing_error",
}
NUMBERS = {"NONE": 0, "ONE": 1, "TWO": 2, "THREE": 3, "MIXED": 1}
KINDS = {"SERIAL": "serial", "CHAINED": "chained"}
PACES = ("NOW", "SECONDS", "MINUTES", "HOURS", "DAYS", "NEVER")
ENDS = ("FOUND", "NOTHING", "UNSEARCHED", "SKIPPED")
WORDS = (*ANSWERS, *NUMBERS, *KINDS, *PACES, *ENDS)
PREFIX = "SBX-"


@dataclass(frozen=True, slots=True)
class Course:
    """What shall happen. ``pace`` and ``end`` are ``""`` where the seed decides."""

    answer: str
    hmo: bool
    tasks: int
    mixed: bool
    kind: str
    pace: str
    end: str


class UnknownWord(ValueError):
    """A member id steers with a word that means nothing; the message says which, and what is near it."""


def course(ask: Inquiry, chance: random.Random) -> Course:
    """The course of one inquiry: steered by its member id, else drawn from ``chance``. Raises UnknownWord."""
    if not ask.member_id.upper().startswith(PREFIX):
        return _drawn(chance)
    words = [w for w in ask.member_id.upper()[len(PREFIX) :].split("-") if w and not any(c.isdigit() for c in w)]
    for word in words:
        if word not in WORDS:
            near = difflib.get_close_matches(word, WORDS, 1)
            hint = f"did you mean {near[0]}?" if near else "see the sandbox's table of steering words"
            raise UnknownWord(f"the member id steers the sandbox with {word!r}, which it does not know; {hint}")
    answer = next((w for w in words if w in ANSWERS), "")
    number = next((w for w in words if w in NUMBERS), "")
    starts = not answer or answer in ("HMO", "INELIGIBLE", "UNKNOWN")
    return Course(
        answer=ANSWERS[answer or "UNKNOWN"],
        hmo=answer == "HMO",
        tasks=NUMBERS[number] if number else int(starts),
        mixed=number == "MIXED",
        kind=next((KINDS[w] for w in words if w in KINDS), "serial"),
        pace=next((w for w in words if w in PACES), ""),
        end=next((w for w in words if w in ENDS), ""),
    )


def _drawn(chance: random.Random) -> Course:
    answer = chance.choices(
        ("patient_unknown", "ineligible", "eligible", "payer_unavailable", "payer_not_in_system", "processing_error"),
        (38, 30, 24, 4, 2, 2),
    )[0]
    hmo = answer == "eligible" and chance.random() < 0.3
    starts = hmo or answer in ("patient_unknown", "ineligible")
    tasks = (2 if chance.random() < 0.25 else 1) if starts else 0
    kind = "chained" if chance.random() < 0.25 else "serial"
    return Course(answer, hmo, tasks, False, kind, "", "")


def help_text() -> str:
    """The table of steering words, for people."""
    return (__doc__ or "").partition("\n\n")[2].replace("``", "").replace("`", " ").strip() + "\n"

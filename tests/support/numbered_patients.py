"""Small batches of numbered patients, and whether one of them is shown with what belongs to another.

Patient k has the member number M<k>, the name HOLDER<k>, the plan PLAN<k> and the trace number OURS-<k>, each with four
digits.
"""

import re
from typing import Any

from tests.support.cdpoll_process import House
from tests.support.x12_samples import Segment, a_set, group, interchange, subscriber


def numbered_set(k: int) -> list[Segment]:
    """One set about one patient."""
    middle = subscriber(("EB", "1", "", "30^88", "C1", f"PLAN{k:04d}"), last=f"HOLDER{k:04d}", member=f"M{k:04d}")
    traced = [("TRN", "2", f"OURS-{k:04d}", "9000000001") if one[0] == "TRN" else one for one in middle]
    return a_set(traced, control=f"{k:04d}")


def numbered_batch(count: int, first: int = 0) -> bytes:
    """A file of this number of patients, the first of whom has the number ``first``."""
    return interchange(group(*(numbered_set(k) for k in range(first, first + count)))).encode()


def set_starts(data: bytes) -> list[int]:
    """Where the sets of a file begin, in bytes."""
    return [match.start() for match in re.finditer(rb"ST\*271", data)]


def wrong_pairs(house: House) -> list[tuple[str, list[str], list[str]]]:
    """Rows of the views that show one patient with the plan of another: (view, patients, plans)."""
    wrong = []
    for view in ("batch_answers", "found_coverage"):
        for row in house.rows(f"SELECT * FROM {view}"):
            shown = " ".join(map(str, row))
            patients = {a or b for a, b in re.findall(r"\bM(\d{4})|HOLDER(\d{4})", shown)}
            plans = set(re.findall(r"PLAN(\d{4})", shown))
            if patients and plans - patients:
                wrong.append((view, sorted(patients), sorted(plans)))
    return wrong


def held(report: dict[str, Any]) -> bool:
    """Whether what ``ingest`` says of a file shows that not all of it is here."""
    return report["state"] in ("incomplete", "quarantined") or report["quarantined_sets"] > 0

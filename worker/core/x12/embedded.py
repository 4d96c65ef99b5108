"""The 271 texts inside a polled result, read as far as they go, and what they say in the form that is stored.

What is wrong with a text is kept beside its answers. No text is held: the outcome of the task is the vendor's word,
never this text's. But where a batch would hold a set because its patients may be mixed, its answers tell no coverage.
Nothing here raises, and nothing here decides anything about a task.
"""

import io
import re
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from msgspec.structs import replace

from worker.core.vendor.document import REAL_TIME, parse_json, read_paths, read_real_time
from worker.core.x12.answer import Answer, parse_271
from worker.core.x12.answer_columns import answer_columns
from worker.core.x12.answer_json import answer_json
from worker.core.x12.delimiters import ISA_WIDTHS, USUAL
from worker.core.x12.envelope import FileEnd, TransactionSet
from worker.core.x12.issues import Issue, issue
from worker.core.x12.stream import transaction_sets

READER_VERSION = 8
"""Raised whenever the reader says something else of the same text: what an older reader derived is derived anew."""

MOST_ANSWERS_PER_TEXT = 200
"""The vendor's texts hold one answer; a text with more is a batch in the wrong place, and the first ones are kept."""


class EmbeddedText(NamedTuple):
    """One 271 of a task's body, and where it stands: at ``position``, counted from 0, of the list of that name; the one
    of the real-time check at 0 of :data:`~worker.core.vendor.document.REAL_TIME`."""

    list: str
    position: int
    x12: str


@dataclass(frozen=True, slots=True)
class Derived:
    """What the texts of one body say: values for the rows of ``answers``, and the identities of the sets for
    ``texts``."""

    answers: tuple[dict[str, Any], ...]
    texts: frozenset[str]


def derive(body: bytes) -> Derived:
    """Read every 271 in the body of a task. It takes some 20 ms for 128 KiB, so it is done outside transactions."""
    rows: list[dict[str, Any]] = []
    identities: set[str] = set()
    for name, position, text in texts_of(body):
        try:
            found = read_embedded(text)
            # What is wrong with the text is wrong with each of its answers: a hole may have joined two patients.
            answers = [replace(one, issues=found.issues + one.issues) for one in found.answers[:MOST_ANSWERS_PER_TEXT]]
            said = [
                {
                    "list": name,
                    "position": position,
                    **answer_columns(answer)._asdict(),
                    "said": answer_json(answer).decode(),
                }
                for answer in answers
            ]
        except Exception:  # noqa: S112 - a fault of the reader must never cost the result that is being kept
            continue
        if len(found.answers) <= MOST_ANSWERS_PER_TEXT:
            # Of a text that was cut, the answers of a batch with the same sets are still to be told.
            identities.update(one.sha256 for one in found.sets if one.raw)
        rows += said
    return Derived(tuple(rows), frozenset(identities))


def texts_of(body: bytes) -> list[EmbeddedText]:
    """Every 271 in a task's body, in the order of the body, the one of the real-time check last."""
    content = parse_json(body)
    if not isinstance(content, dict):
        return []
    found = [EmbeddedText(one.list, one.position, one.x12) for one in read_paths(content) if one.x12 is not None]
    check = read_real_time(content)
    if check is not None and check.x12 is not None:
        found.append(EmbeddedText(REAL_TIME, 0, check.x12))
    return found


class Embedded(NamedTuple):
    """What the text in a result's ``x12-271`` field says."""

    kind: Literal["absent", "placeholder", "271", "other", "unreadable"]
    """``placeholder`` is the literal text ``string``; ``other`` holds sets, but no 271 (a 270, say)."""
    answers: tuple[Answer, ...]
    sets: tuple[TransactionSet, ...]
    """The 271 among them, broken ones too."""
    issues: tuple[Issue, ...]
    """Of the text, its envelope and its sets; an answer's own stand in the answer."""


_BARE = re.compile(r"\s*ST([^A-Za-z0-9\s]).{1,80}?([^A-Za-z0-9\s]|\n)\s*BHT\1", re.IGNORECASE | re.DOTALL)


def read_embedded(text: object) -> Embedded:
    """Read the field as far as it goes; it may be absent, a placeholder, wrapped, cut, or without any envelope."""
    if not isinstance(text, str) or not text.strip():
        return Embedded("absent", (), (), ())
    if text.strip().lower() == "string":
        return Embedded("placeholder", (), (), ())
    issues: list[Issue] = []
    enveloped = text
    bare = _BARE.match(text.lstrip("\ufeff"))
    if bare is not None:
        enveloped = _enveloped(text.lstrip("\ufeff").strip(), bare[1], bare[2])
        issues.append(issue("no_envelope", "ISA"))
    sets: list[TransactionSet] = []
    answers: list[Answer] = []
    others = 0
    for item in transaction_sets(io.BytesIO(enveloped.encode(errors="replace"))):
        if isinstance(item, FileEnd):
            issues += item.issues if bare is None else ()
        elif item.code == "271":
            parsed = parse_271(item)
            sets.append(item)
            issues += item.issues + parsed.issues
            mixed = not _MIXED.isdisjoint([one.code for one in item.issues + parsed.issues])
            answers += map(_undetermined, parsed.answers()) if mixed else parsed.answers()
        else:
            others += 1
            issues += item.issues
    kind: Literal["271", "other", "unreadable"] = "271" if sets else "other" if others else "unreadable"
    return Embedded(kind, tuple(answers), tuple(sets), tuple(issues))


_MIXED = frozenset(("bht_repeated", "hl_lost", "hl_orphan", "nul_bytes", "set_spliced", "terminator_lost"))
"""Issues that say that what stands under one patient may be another's."""


def _undetermined(answer: Answer) -> Answer:
    """The answer without what it tells of coverage: in a batch its set is held."""
    return replace(answer, coverage="undetermined", other_payers=(), managed_care=(), to_ask=())


def _enveloped(text: str, element: str, terminator: str) -> str:
    """A bare ST…SE in an envelope of its own delimiters, the usual ones where it does not show them."""
    component = USUAL.component if USUAL.component not in (element, terminator) else ">"
    repetition = USUAL.repetition if USUAL.repetition not in (element, terminator) else "!"
    widths = zip(("00", "", "00", "", "ZZ", "", "ZZ", "", "0" * 6, "0" * 4), ISA_WIDTHS, strict=False)
    values = [*(value.ljust(width) for value, width in widths), repetition, "00501", "000000001", "0", "P", component]
    header = element.join(["ISA", *values]) + terminator
    group = element.join(["GS", "HB", "", "", "", "", "1", "X", "005010X279A1"]) + terminator
    return header + group + text + ("" if text.endswith(terminator) else terminator)

"""One set's text to its HL tree. The tree comes from HL01 and HL02, not from the order of the loops."""

import re
from functools import lru_cache

from msgspec.structs import replace

from worker.core.x12.delimiters import Delimiters
from worker.core.x12.envelope import TransactionSet
from worker.core.x12.envelope_patterns import is_tidy
from worker.core.x12.issues import Issue, issue
from worker.core.x12.value import Whole

SOURCE, RECEIVER, SUBSCRIBER, DEPENDENT = "20", "21", "22", "23"
_LEVELS = frozenset((SOURCE, RECEIVER, SUBSCRIBER, DEPENDENT))
"""In the order of their numbers: a level stands below every smaller one, and one between may be left out."""
_LEVEL_OF = {**dict.fromkeys(("1P", "77", "80", "82", "85", "FA"), RECEIVER), "PR": SOURCE}
"""NM101 of providers and payers, who are never the patient."""
_NO_PATIENTS = {*_LEVEL_OF, "1I", "2B", "36", "GP", "IN", "P3", "P5", "PRP", "SEP", "TTP", "VN", "X3", "Y2"}
"""NM101 of further ones who are no patients: insurers, sponsors, physicians, …"""
_LEVEL_ABOVE = {RECEIVER: SOURCE, SUBSCRIBER: RECEIVER, DEPENDENT: SUBSCRIBER}

# Elements that hold codes, for sets written in lower case: names and free text keep their letters.
_CODES = {
    "HL": (3,),
    "NM1": (1, 2, 8),
    "TRN": (1,),
    "REF": (1,),
    "DMG": (1, 3),
    "INS": (1,),
    "DTP": (1, 2),
    "AAA": (1, 3, 4),
    "EB": (1, 2, 3, 4, 6, 9, 11, 12),
    "PER": (1, 3, 5, 7),
}


# What one set may hold, so that reading it takes some tens of megabytes at most: each byte of a patient takes
# up to forty once it is read, and each HL some eight hundred.
LONGEST_PATIENT_CHARS = 512 * 1024
"""Characters from one HL to the next: five thousand benefits of a hundred each. The longest answer in the vendor's
samples has 109; five amounts for each of a hundred service types, in and out of network, would be a thousand."""
_LONGEST_HL01_CHARS = 12
MOST_HL_SEGMENTS = 20_000
"""The guide foresees 99 patients in a set, which are some 200 HL; trading partners may agree on more."""


class HlTree(Whole, frozen=True):
    """The shape of a set: for each HL its level and the numbers of those above it, and what is wrong with it.

    The number of an HL is its place among those of the set, counted from 1: what an issue calls ``HL 3``.
    """

    levels: tuple[str, ...]
    """Empty for an HL that is not read."""
    ancestors: tuple[tuple[int, ...], ...]
    """The nearest first."""
    leaves: tuple[int, ...]
    """Numbers of the loops that nothing stands under."""
    notes: tuple[tuple[str, int], ...]
    """Codes of issues, and the number of the HL."""
    plain: bool
    """Every leaf is a subscriber, so the leaves are the patients."""


def plain_text(tset: TransactionSet, delimiters: Delimiters) -> tuple[str, list[Issue]]:
    """A set as text, with nothing between its segments but the terminator and with segment names in upper case."""
    raw = tset.raw
    issues: list[Issue] = []
    if b"\n" in raw or b"\r" in raw:
        raw = raw.translate(None, delimiters.line_breaks)
    if raw.isascii() or not "".join(delimiters).isascii():
        text = raw.decode("latin-1")
    else:
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text = raw.decode("cp1252", errors="replace")
            issues.append(issue("not_utf8", "ST"))
    if not (tset.tidy or is_tidy(raw, delimiters.terminator.encode("latin-1"))):
        text = _tidied(text, delimiters, issues)
    element, terminator = delimiters.element, delimiters.terminator
    if _padding(element, terminator).search(text):
        # Some senders pad what is shorter than its field, behind it or before it. It is not cut off by an expression:
        # those take the square of a long run of blanks that stands elsewhere.
        for end in (element, terminator):
            text = end.join([piece.strip(" ") for piece in text.split(end)])
    if b"\0" in raw:
        issues.append(issue("nul_bytes", "ST"))
    return text, issues


@lru_cache(maxsize=64)
def _padding(element: str, terminator: str) -> re.Pattern[str]:
    ends = f"[{re.escape(element)}{re.escape(terminator)}]"
    return re.compile(f" (?:(?={ends})|(?<={re.escape(element)} ))")


def too_much(text: str, delimiters: Delimiters) -> str | None:
    """The code of what a set has more of than any real one; ``None`` for every real one, at hardly any cost."""
    if len(text) <= 8 * MOST_HL_SEGMENTS:
        return None
    start = f"{delimiters.terminator}HL{delimiters.element}"
    if text.count(start) > MOST_HL_SEGMENTS:
        return "too_many_hl"
    at = 0
    while len(text) - at > LONGEST_PATIENT_CHARS:
        following = text.rfind(start, at + 1, at + LONGEST_PATIENT_CHARS)
        if following < 0:
            return "patient_too_large"
        at = following
    return None


def first_lost(tree: HlTree, texts: tuple[str, ...], delimiters: Delimiters) -> int:
    """The number of the first HL behind which a patient's own is lost; 0 if there is none.

    What opens a patient's loop stands under a benefit then, or a second name before the first one; or a patient's name
    or benefits stand in the payer's or provider's loop, or in one that is not read. A name between LS and LE is no
    patient's; where a status follows before LE, it is unclear whose.
    """
    benefit, name, insured, opening = _starts(delimiters)
    for number, (level, text) in enumerate(zip(tree.levels, texts, strict=True), 1):
        if level in (SUBSCRIBER, DEPENDENT):
            first = text.find(benefit)
            if first >= 0 and opening.search(text, first) and opening.search(_unnamed(text[first:], delimiters)):
                return number
            # No terminator stands before the first segment.
            named = text.count(name, 0, first if first >= 0 else len(text)) + text.startswith(name[1:])
            if named > 1 and _named_twice(text[:first] if first >= 0 else text, delimiters):
                return number
        elif benefit in text or insured in text or text.startswith((benefit[1:], insured[1:])):
            return number
    return 0


def _named_twice(text: str, delimiters: Delimiters) -> bool:
    """Whether two names stand before the first benefit, but for those between LS and LE, and those of no patients."""
    _, name, _, _ = _starts(delimiters)
    _, *behind = _unnamed(f"{delimiters.terminator}{text}", delimiters).split(name)
    return len([one for one in behind[1:] if one.partition(delimiters.element)[0] not in _NO_PATIENTS]) > 0


def named_levels(tree: HlTree, texts: tuple[str, ...], delimiters: Delimiters) -> HlTree:
    """The tree with a provider or payer as one, where its HL03 says that it is a patient.

    Some senders put a level between, so that the provider stands under 22 and the member under 23. Its number would be
    taken for a member's.
    """
    _, name, insured, _ = _starts(delimiters)
    sourced = SOURCE in tree.levels
    if sourced and tree.plain and len(tree.leaves) == 1 and insured in texts[tree.leaves[0] - 1]:
        return tree
    found = {}
    for number, (level, text) in enumerate(zip(tree.levels, texts, strict=True), 1):
        if level == RECEIVER and sourced:
            continue  # a payer or a sponsor may ask, too
        if level and level != SOURCE and insured not in text and not text.startswith(insured[1:]):
            # No terminator stands before the first segment.
            _, _, behind = f"{delimiters.terminator}{text}".partition(name)
            entity = behind.partition(delimiters.element)[0]
            if _LEVEL_OF.get(entity, level) != level:
                found[number] = _LEVEL_OF[entity]
    if not found:
        return tree
    levels = tuple([found.get(number, level) for number, level in enumerate(tree.levels, 1)])
    notes = tuple([("level_mismatch", number) for number in found])
    return replace(tree, levels=levels, notes=tree.notes + notes, plain=False)


def _unnamed(text: str, delimiters: Delimiters) -> str:
    """Without the beginnings of names and of dates of birth between LS and LE, for what may look like a patient's
    there. Where a status follows before LE, they stay: they may be those of a next patient."""
    element, _, _, terminator = delimiters
    kept, *loops = text.split(f"{terminator}LS{element}")
    status = re.compile(f"{re.escape(terminator)}EB{re.escape(element)}[1-8](?![^{re.escape(element + terminator)}])")
    name, birth = f"{terminator}NM1{element}", f"{terminator}DMG{element}"
    parts: list[str] = []
    followed = False
    for loop in reversed(loops):
        within, closed, behind = loop.partition(f"{terminator}LE{element}")
        unclear = status.search(within, max(within.find(name), 0)) or (followed and not closed)
        parts.append(loop if unclear else within.replace(name, "").replace(birth, "") + behind)
        followed = followed or status.search(loop) is not None
    return kept + "".join(reversed(parts))


@lru_cache(maxsize=64)
def _starts(delimiters: Delimiters) -> tuple[str, str, str, re.Pattern[str]]:
    before, behind = delimiters.terminator, delimiters.element
    name = f"{before}NM1{behind}"
    start, end = re.escape(before), re.escape(behind)
    opening = re.compile(f"{start}(?:TRN|INS|DMG|NM1{end}(?:IL|03)){end}")
    return f"{before}EB{behind}", name, f"{name}IL{behind}", opening


def head_and_loops(text: str, delimiters: Delimiters) -> tuple[str, HlTree, tuple[str, ...]]:
    """The segments from ST to the first HL; the tree; and for each HL the segments between it and the next."""
    element, _, _, terminator = delimiters
    head, *blocks = text.split(f"{terminator}HL{element}")
    if not blocks:
        return head, NO_HL, ()
    lines, _, texts = zip(*[block.partition(terminator) for block in blocks], strict=True)
    tree = (_known_tree if len(lines) <= _REMEMBERED_HL_SEGMENTS else _tree)(lines, element)
    return head, tree, texts


def _tree(lines: tuple[str, ...], element: str) -> HlTree:
    """The tree of HL segments, each given without its name. Parents are looked for before the loop, then after it."""
    rows = [tuple([value.strip() for value in (line + element * 3).split(element, 4)[:4]]) for line in lines]
    notes: list[tuple[str, int]] = []
    before: dict[str, int] = {}
    latest: dict[str, int] = {}
    last = {own: number for number, (own, _, level, _) in enumerate(rows, 1) if level in _LEVELS}
    parents: list[int] = []
    with_own: set[int] = set()
    for number, (own, above, level, _) in enumerate(rows, 1):
        parent = 0
        if level not in _LEVELS:
            notes.append(("hl_level", number))
        else:
            if own in before:
                notes.append(("hl_duplicate", number))
            if level != SOURCE:
                parent = before.get(above) or last.get(above, 0)
                if not parent or rows[parent - 1][2] >= level:
                    notes.append(("hl_orphan" if above else "hl_parent", number))
                    parent = latest.get(_LEVEL_ABOVE[level], 0)
                elif rows[parent - 1][2] == SUBSCRIBER:
                    with_own.add(parent)
                elif level == DEPENDENT:
                    # Under the provider or the payer: it is the subscriber's before, who announces some and has none.
                    nearest = latest.get(SUBSCRIBER, 0)
                    announces = nearest and rows[nearest - 1][3] == "1" and nearest not in with_own
                    if announces and parent in (parents[nearest - 1], parents[parents[nearest - 1] - 1]):
                        notes.append(("hl_parent", number))
                        parent = nearest
            before[own] = latest[level] = number
        parents.append(parent)
    numbers = {int(own) for own, *_ in rows if own.isdecimal() and len(own) <= _LONGEST_HL01_CHARS}
    if numbers and max(numbers) - min(numbers) >= len(numbers):
        notes.append(("hl_gap", 0))
    levels = tuple([row[2] if row[2] in _LEVELS else "" for row in rows])
    chains = []
    for parent in parents:
        chain = []
        while parent:
            chain.append(parent)
            parent = parents[parent - 1]
        chains.append(tuple(chain))
    held = set(parents)
    leaves = tuple([number for number, level in enumerate(levels, 1) if level and number not in held])
    plain = all(levels[number - 1] == SUBSCRIBER for number in leaves)
    return HlTree(levels, tuple(chains), leaves, tuple(notes), plain)


NO_HL = HlTree((), (), (), (), plain=True)
_known_tree = lru_cache(maxsize=256)(_tree)
_REMEMBERED_HL_SEGMENTS = 16
"""Most sets have one of a few shapes with at most 16 HL; trees of that size are remembered."""


def body(tset: TransactionSet, text: str) -> str:
    """The text without its SE, without the last terminator, and without a last segment that was cut off."""
    delimiters = tset.interchange.delimiters
    if tset.segments:
        end = text.rfind(f"{delimiters.terminator}SE{delimiters.element}")
        if end >= 0:
            return text[:end]
    return text[: text.rfind(delimiters.terminator)] if delimiters.terminator in text else ""


def _tidied(text: str, delimiters: Delimiters, issues: list[Issue]) -> str:
    element = delimiters.element
    blanks = " \t\r\n\0\x1a\x0b\x0c".replace(element, "").replace(delimiters.terminator, "")
    out = []
    lower = False
    for piece in text.split(delimiters.terminator):
        segment = piece.lstrip(blanks)
        if not segment:
            continue
        name, dash, rest = segment.partition(element)
        upper = name.upper()
        if name != upper:
            lower = True
            values = rest.split(element)
            for index in _CODES.get(upper, ()):
                if index <= len(values):
                    values[index - 1] = values[index - 1].upper()
            segment = upper + dash + element.join(values)
        out.append(segment)
    if lower:
        issues.append(issue("lower_case", "ST"))
    out.append("")
    return delimiters.terminator.join(out)

"""The frame of a set: what stands before its first HL, and of which of its HL an answer is made."""

from functools import lru_cache

from msgspec.structs import replace

from worker.core.x12.dates import day
from worker.core.x12.delimiters import Delimiters
from worker.core.x12.envelope import TransactionSet
from worker.core.x12.issues import Issue, issue
from worker.core.x12.loops import DEPENDENT, SUBSCRIBER, HlTree, head_and_loops, named_levels
from worker.core.x12.people import Rejection, rejection

MANY_PATIENTS = 100
_MOST_SHARED_CHARS = 64 * 1024 * 1024
"""What the answers of one set may repeat of the levels above them: five thousand patients under a payer, a provider and
a subscriber of 13,000 characters each."""


def head_issues(head: str, delimiters: Delimiters) -> list[Issue]:
    """What is wrong with the segments before the first HL, where they are not ST and BHT alone."""
    names = [segment.partition(delimiters.element)[0] for segment in head.split(delimiters.terminator)[1:]]
    issues = [] if "BHT" in names else [issue("bht_missing", "BHT")]
    return issues + [issue("unknown_segment", "", "before the first HL") for name in names if name not in ("BHT", "")]


def head_rejections(head: str, delimiters: Delimiters) -> tuple[Rejection, ...]:
    lines = [segment.split(delimiters.element) for segment in head.split(delimiters.terminator)]
    return tuple([rejection(values, "ST")[0] for values in lines if values[0] == "AAA"])


@lru_cache(maxsize=64)
def version_issues(version: str) -> tuple[Issue, ...]:
    version = version.upper()
    if version.startswith("005010X279"):
        return ()
    return (issue("version_4010" if version.startswith("004010X092") else "version_unknown", "ST"),)


def patients(tree: HlTree, texts: tuple[str, ...], delimiters: Delimiters, *, rejected: bool) -> tuple[int, ...]:
    """The numbers of the HL that an answer is made of, where the set is not a plain one.

    The patient is the deepest level: a 2000D, else the 2000C. A 2000C above dependents is an answer of its own where it
    has benefits, and instead of theirs where only it has a trace. A payer's or provider's loop without a
    patient below it is an answer where it was rejected; ``rejected`` says that the whole set was.
    """
    element, terminator = delimiters.element, delimiters.terminator

    def has(number: int, *names: str) -> bool:
        text = terminator + texts[number - 1]
        return any(f"{terminator}{name}{element}" in text for name in names)

    leaves = set(tree.leaves)
    alone: set[int] = set()
    if DEPENDENT in tree.levels:
        heard = leaves | {
            above[0]
            for number, (level, above) in enumerate(zip(tree.levels, tree.ancestors, strict=True), 1)
            if level == DEPENDENT and above and has(number, "TRN", "EB", "AAA")
        }
        alone = {
            number
            for number, level in enumerate(tree.levels, 1)
            if level == SUBSCRIBER and number not in heard and has(number, "TRN")
        }
    found = []
    for number, (level, above) in enumerate(zip(tree.levels, tree.ancestors, strict=True), 1):
        if level == SUBSCRIBER:
            wanted = number in leaves or number in alone or has(number, "EB")
        elif level == DEPENDENT:
            wanted = not alone.intersection(above)
        else:
            wanted = number in leaves and (rejected or any(has(one, "AAA") for one in (number, *above)))
        if wanted:
            found.append(number)
    return tuple(found)


def framed(text: str, delimiters: Delimiters) -> tuple[str, HlTree, tuple[str, ...]]:
    """The segments of a set before its first HL; its tree; and for each HL the segments between it and the next."""
    head, tree, texts = head_and_loops(text, delimiters)
    tree = named_levels(tree, texts, delimiters)
    return head, tree if tree.plain else _with_holders(tree, texts, delimiters), texts


def _with_holders(tree: HlTree, texts: tuple[str, ...], delimiters: Delimiters) -> HlTree:
    """The tree with each dependent right under a provider given to the subscriber before it, if that one has nothing of
    its own, neither trace nor benefit nor rejection: then it stands there as the holder of the policy."""
    element, terminator = delimiters.element, delimiters.terminator
    ancestors = list(tree.ancestors)
    holders: set[int] = set()
    found: list[int] = []
    holder = 0
    for number, level in enumerate(tree.levels, 1):
        above = tree.ancestors[number - 1]
        if level == SUBSCRIBER:
            holder = number if number in tree.leaves else 0
        elif level == DEPENDENT and holder and above and above == tree.ancestors[holder - 1]:
            text = terminator + texts[holder - 1]
            if not any(f"{terminator}{name}{element}" in text for name in ("TRN", "EB", "AAA")):
                ancestors[number - 1] = (holder, *above)
                holders.add(holder)
                found.append(number)
    if not found:
        return tree
    return replace(
        tree,
        ancestors=tuple(ancestors),
        leaves=tuple([number for number in tree.leaves if number not in holders]),
        notes=tree.notes + tuple([("hl_parent", number) for number in found]),
    )


def repeats_too_much(head: str, tree: HlTree, texts: tuple[str, ...], patients: int) -> bool:
    """Whether the answers of a set, each of which repeats what stands above its patient, would be without measure."""
    leaves = set(tree.leaves)
    above = [len(text) for number, text in enumerate(texts, 1) if number not in leaves]
    return patients * (len(head) + max(above, default=0)) > _MOST_SHARED_CHARS


def day_of_answer(created: str, tset: TransactionSet) -> str:
    """``CCYYMMDD``: BHT04, else GS04, else ISA09."""
    if day(created):
        return created
    if tset.group is not None and day(tset.group.date):
        return tset.group.date
    return "20" + tset.interchange.date[:6]

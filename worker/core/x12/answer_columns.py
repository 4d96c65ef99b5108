"""The columns of one answer of a 271 that people query by."""

from typing import NamedTuple

from worker.core.x12.answer import Answer
from worker.core.x12.fast_tuples import new_tuple


class AnswerColumns(NamedTuple):
    """The columns that people query by. Texts are trimmed and may be empty."""

    level: str
    coverage: str
    payer: str
    payer_id: str
    member_id: str
    last_name: str
    first_name: str
    birth_date: str
    """``YYYY-MM-DD``."""
    plan: str
    group_number: str
    group_name: str
    other_payers: str
    """Names of other payers that the answer discovered, joined by ``; ``."""
    rejections: str
    """AAA03 codes, joined by blanks."""
    reference: str
    trace_number: str
    """Of the inquiry's own trace if it came back, else of the first one."""
    originator_id: str
    begins: str
    """When the coverage begins or began, ``YYYY-MM-DD``."""
    ends: str
    """When it ends or ended, ``YYYY-MM-DD``."""
    managed_care: str
    """Names of managed care plans that are to be billed, joined by ``; ``."""
    to_ask: str
    """Names of those whom the answer says to ask about the plan, joined by ``; ``. They are not to be billed."""
    warnings: str
    """Codes of what is odd in the answer and in its set, joined by blanks."""
    account: str
    """The patient's account with the provider (REF*EJ)."""


def answer_columns(answer: Answer) -> AnswerColumns:
    """The :class:`AnswerColumns` of an answer."""
    # Unpacked, here and below: fields by their names take most of the time, and a slice is unpacked fastest.
    level, _, reference, _, payer, _, subscriber, dependent, member_id, traces, rejections = answer[:11]
    _, _, coverage, others, plan, group, group_name, _ = answer[11:]
    last = first = birth_date = number = originator = name = identity = ""
    if payer is not None:
        _, _, name, _, _, _, _, identity, _, _ = payer[:]
    if (person := dependent or subscriber) is not None:
        last, first, _, _, _, _, birth_date = person[:7]
    for at, (ours, told, by, _) in enumerate(traces):
        if ours or not at:
            number, originator = told, by
            if ours:
                break
    return new_tuple(
        AnswerColumns,
        (
            level,
            coverage,
            name,
            identity,
            member_id,
            last,
            first,
            birth_date,
            plan,
            group,
            group_name,
            "; ".join([one.name or one.plan or "unnamed" for one in others]) if others else "",
            " ".join([one.code for one in rejections]) if rejections else "",
            reference,
            number,
            originator,
            "",
            "",
            "",
            "",
            "",
            "",
        ),
    )

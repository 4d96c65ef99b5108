"""The columns of one answer of a 271 that people query by."""

from typing import NamedTuple

from worker.core.x12.answer import Answer
from worker.core.x12.issues import Issue
from worker.core.x12.other_payers import OtherPayer


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
    """Names of other payers that the answer discovered, of those in force, joined by ``; ``."""
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


def answer_columns(answer: Answer, of_set: tuple[Issue, ...] = ()) -> AnswerColumns:
    """The :class:`AnswerColumns` of an answer; ``of_set`` are the issues of its set, unless they are the answer's."""
    payer, person, traces = answer.payer, answer.patient, answer.traces
    issues = of_set + answer.issues
    trace = next((one for one in traces if one.ours and one.number), traces[0] if traces else None)
    return AnswerColumns(
        answer.level,
        answer.coverage,
        payer.name if payer else "",
        payer.id if payer else "",
        answer.member_id,
        person.last_name if person else "",
        person.first_name if person else "",
        person.birth_date if person else "",
        answer.plan,
        answer.group,
        answer.group_name,
        _names(answer.other_payers) if answer.other_payers else "",
        _codes([one.code for one in answer.rejections]) if answer.rejections else "",
        answer.reference,
        trace.number if trace else "",
        trace.originator if trace else "",
        answer.begins,
        answer.ends,
        _names(answer.managed_care) if answer.managed_care else "",
        "; ".join(dict.fromkeys([one.name for one in answer.to_ask])) if answer.to_ask else "",
        _codes([one.code for one in issues]) if issues else "",
        answer.account,
    )


def _names(payers: tuple[OtherPayer, ...]) -> str:
    """Those that are to be billed, each once."""
    return "; ".join(dict.fromkeys([one.name or one.plan or one.id or "unnamed" for one in payers if one.to_bill]))


def _codes(codes: list[str]) -> str:
    return " ".join(dict.fromkeys([code for code in codes if code]))

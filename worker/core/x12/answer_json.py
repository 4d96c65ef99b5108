"""Everything that one answer of a 271 says, as JSON.

It is an object with the keys ``level``, ``coverage``, ``hl``, ``reference`` (BHT03), ``created`` (BHT04), ``payer``,
``provider``, ``subscriber``, ``dependent``, ``member_id``, ``plan``, ``group``, ``group_name``, ``account`` (REF*EJ),
``begins``, ``ends``, ``traces``, ``dates``, ``rejections``, ``other_payers``, ``managed_care`` (plans that are to be
billed), ``to_ask`` (whom to ask about the plan), ``benefits`` and ``issues``. Codes stand as received; those of
benefits (EB01) and rejections have words beside them. Amounts are text, so that nothing is rounded; days are
``YYYY-MM-DD``. ``ranged`` says that two days were given, and ``text`` is a date as received where it is odd. In the
objects of the lists, and in persons and payers, what is empty is left out.
"""

from msgspec.json import Encoder

from worker.core.x12.answer import Answer

_encode = Encoder().encode


def answer_json(answer: Answer) -> bytes:
    """The JSON of one answer, in UTF-8."""
    return _encode(answer)

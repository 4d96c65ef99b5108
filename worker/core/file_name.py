"""The name of the file that a result becomes, made of a template and kept safe for every file system and its readers.

Letters (of any script), digits and ``_.@+=,-`` stand as they are; every other character becomes ``_``. No name begins
with a dot. A value that is not there is ``none``. Where that changes anything, two results could get one name, so the
number of the result is put at the end, unless the template has it.
"""

import re

from worker.core.delivery import Letter

LONGEST_BYTES = 200

# Of these, the longest ending: ".999999.x12" and the number.
_ENDING_BYTES = 24
_NUMBER_CHARS = 10
_FIELD = re.compile(r"\{([a-z]+)\}")


def name_of(template: str, letter: Letter) -> str:
    """The name without its ending. The number is written with ten digits, so that names can be sorted."""
    values = {"seq": _number(letter), "id": letter.id, "ref": letter.ref, "outcome": letter.outcome}
    altered = False

    def put(field: re.Match[str]) -> str:
        nonlocal altered
        value = values[field[1]]
        safe = "".join(char if char.isalnum() or char in "_.@+=,-" else "_" for char in value or "none")
        altered |= safe != value
        return safe

    name = _FIELD.sub(put, template)
    whole = _cut(name)
    if whole.startswith("."):
        whole, altered = f"_{whole[1:]}", True
    has_number = "{seq}" in template and len(whole) == len(name)
    return numbered(whole, letter) if (altered or whole != name) and not has_number else whole


def numbered(name: str, letter: Letter) -> str:
    """The name with the number of the result at its end, so that no other result has it."""
    return f"{name}-{_number(letter)}"


def _number(letter: Letter) -> str:
    return f"{letter.number:0{_NUMBER_CHARS}d}"


def _cut(name: str) -> str:
    data = name.encode()
    return data[: LONGEST_BYTES - _ENDING_BYTES].decode(errors="ignore")

"""Writes what the simulated vendor has answered as a batch file of X12 271, as it drops them on its SFTP server.

The answers are those of the sandbox's tasks and real-time checks, with the same bytes from ST to SE, so a batch and a
polled result can be told to be the same. Quirks make the file as odd as the vendor's own samples are.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from sandbox.server import Sandbox
from sandbox.transactions import Transaction
from worker.core.instant import iso

SETS_PER_INTERCHANGE = 50


def write_batch(
    sandbox: Sandbox, path: Path, *, quirks: Iterable[str] = (), since: int | None = None, until: int | None = None
) -> int:
    """Write every answer that the vendor has by now to ``path``; the number of transaction sets.

    With ``since`` and ``until`` (ms UTC) only what came after the one and up to the other, and no file for nothing.

    Each interchange has up to :data:`SETS_PER_INTERCHANGE` sets. ``quirks`` are names of :data:`QUIRKS`; raises
    ValueError for others. The file appears under its name only when it is whole.
    """
    now = sandbox.clock.now() if until is None else until
    with sandbox.vendor.lock:
        made = sorted(sandbox.vendor.ledger.transactions.values(), key=lambda one: (one.at, one.id))
    sets = [text for one in made if (since or 0) < one.at <= now and (text := _set_of(one)) is not None]
    if since is not None and not sets:
        return 0
    content = "".join(
        interchange(sets[start : start + SETS_PER_INTERCHANGE], now, number)
        for number, start in enumerate(range(0, len(sets), SETS_PER_INTERCHANGE), 1)
    )
    for name in quirks:
        if name not in QUIRKS:
            raise ValueError(f"there is no quirk {name!r}; there are {', '.join(QUIRKS)}")
        content = QUIRKS[name](content)
    half = path.with_name(f".{path.name}.half")
    half.write_bytes(content.encode())
    half.replace(path)
    return len(sets)


def _set_of(made: Transaction) -> str | None:
    """ST to SE of a transaction's 271, as its result has it; ``None`` where the payer gave no answer."""
    text = made.x12()
    if text is None:
        return None
    start = text.index("~ST*") + 1
    return text[start : text.index("~GE*") + 1]


def interchange(sets: list[str], at: int, control: int) -> str:
    """One interchange around sets that are written already: a group for each, for they all have one number."""
    day, minute = iso(at)[:10].replace("-", ""), iso(at)[11:16].replace(":", "")
    head = (
        f"ISA*00*{'':10}*00*{'':10}*ZZ*{'CDPOLLSANDBOX':15}*ZZ*{'CDPOLLCLIENT':15}*{day[2:]}*{minute}*^*00501"
        f"*{control:09d}*0*P*:~"
    )
    groups = [
        f"GS*HB*CDPOLLSANDBOX*CDPOLLCLIENT*{day}*{minute}*{number}*X*005010X279A1~{text}GE*1*{number}~"
        for number, text in enumerate(sets, 1)
    ]
    return f"{head}{''.join(groups)}IEA*{len(sets)}*{control:09d}~"


def _isa_103(text: str) -> str:
    return re.sub(r"(ISA(?:\*[^*]*){7}\*)([^*]*)", lambda match: match[1] + match[2][:12], text)


def _se01(text: str) -> str:
    return re.sub(r"~SE\*(\d+)\*", lambda match: f"~SE*{int(match[1]) + 9}*", text)


QUIRKS: dict[str, Callable[[str], str]] = {
    "isa_103": _isa_103,
    "se01": _se01,
    "test": lambda text: text.replace("*0*P*:~GS*", "*0*T*:~GS*"),
    "lines": lambda text: text.replace("~", "~\r\n"),
    "wrapped": lambda text: "\r\n".join(text[at : at + 80] for at in range(0, len(text), 80)),
    "newline": lambda text: text + "\n",
    "bom": lambda text: "\ufeff" + text,
    "unterminated": lambda text: text.removesuffix("~"),
    "padded": lambda text: text + "\0" * 64,
}
"""What a batch can look like and still be one: the vendor's own samples and files in the field do."""

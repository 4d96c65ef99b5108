"""X12 texts for the tests, built from segments: every odd form is one visible argument away from a plain one."""

from worker.core.x12.delimiters import ISA_WIDTHS, USUAL, Delimiters

Segment = tuple[str, ...]


def subscriber(*benefits: Segment, last: str = "HOLDER", member: str = "M0001", level: str = "22") -> list[Segment]:
    """A set's middle: payer, provider and one subscriber with the given benefits."""
    return [
        ("BHT", "0022", "11", "INQ-1", "20260304", "0930"),
        ("HL", "1", "", "20", "1"),
        ("NM1", "PR", "2", "PLAN OF PLENTY", "", "", "", "", "PI", "PLENTY"),
        ("HL", "2", "1", "21", "1"),
        ("NM1", "1P", "2", "CORNER CLINIC", "", "", "", "", "XX", "1999999984"),
        ("HL", "3", "2", level, "0"),
        ("TRN", "2", "OURS-1", "9000000001"),
        ("NM1", "IL", "1", last, "ANN", "B", "", "", "MI", member),
        ("DMG", "D8", "19700203", "F"),
        *benefits,
    ]


ACTIVE: Segment = ("EB", "1", "", "30^88", "C1", "SILVER")


def a_set(body: list[Segment] | None = None, control: str = "0001", code: str = "271", **odd: str) -> list[Segment]:
    """ST, the body and SE. ``count`` and ``trailer`` replace SE01 and SE02, ``version`` ST03."""
    middle = subscriber(ACTIVE) if body is None else body
    version = odd.get("version", "005010X279A1")
    start = ("ST", code, control, version) if version else ("ST", code, control)
    return [start, *middle, ("SE", odd.get("count", str(len(middle) + 2)), odd.get("trailer", control))]


def group(*sets: list[Segment], control: str = "7", code: str = "HB", **odd: str) -> list[Segment]:
    """GS, the sets and GE."""
    version = odd.get("version", "005010X279A1")
    start = ("GS", code, "PLENTY", "CLINIC", "20260304", "0930", control, "X", version)
    return [
        start,
        *(one for each in sets for one in each),
        ("GE", odd.get("count", str(len(sets))), odd.get("trailer", control)),
    ]


def interchange(
    *groups: list[Segment],
    marks: Delimiters = USUAL,
    control: str = "000000001",
    isa: dict[int, str] | None = None,
    after: str = "",
    **odd: str,
) -> str:
    """ISA, the groups and IEA as text.

    ``isa`` replaces elements by number, unpadded; ``after`` follows every terminator.

    In element values ``^`` stands for the repetition separator and ``:`` for the component separator.
    """
    values = [
        "00",
        "",
        "00",
        "",
        "ZZ",
        "PLENTY",
        "ZZ",
        "CLINIC",
        "260304",
        "0930",
        "",
        "00501",
        control,
        "0",
        odd.get("usage", "P"),
        "",
    ]
    padded = [value.ljust(width) for value, width in zip(values, ISA_WIDTHS, strict=True)]
    padded[10], padded[15] = marks.repetition or "U", marks.component
    for number, value in (isa or {}).items():
        padded[number - 1] = value
    meant = str.maketrans({"^": marks.repetition or "^", ":": marks.component})
    lines = [marks.element.join(["ISA", *padded])]
    body = [one for each in groups for one in each]
    for segment in [*body, ("IEA", odd.get("count", str(len(groups))), odd.get("trailer", control))]:
        own = [value.translate(meant) for value in segment]
        lines.append(marks.element.join(own))
    return "".join(line + marks.terminator + after for line in lines)


def a_file(*sets: list[Segment], **options: object) -> str:
    """One interchange with one group; without sets, with one plain set."""
    return interchange(group(*(sets or (a_set(),))), **options)  # type: ignore[arg-type]


def wrapped(text: str, width: int = 80, line_end: str = "\r\n") -> str:
    """The text with a line end after every ``width`` characters, wherever that falls."""
    return line_end.join(text[at : at + width] for at in range(0, len(text), width))

"""The code lists that the vendor's document allows in a request, written as short as they can be."""


def _numbers(*spans: tuple[int, int], width: int = 1) -> set[str]:
    return {f"{n:0{width}d}" for first, last in spans for n in range(first, last + 1)}


def _letters(table: str) -> set[str]:
    """``A:0-9AB`` as ``A0``, …, ``AA``, ``AB``: a first letter, then every second character."""
    found = set()
    for row in table.split():
        first, rest = row.split(":")
        found |= {first + second for second in rest}
    return found


SERVICE_TYPES = frozenset(
    _numbers((1, 28), (30, 30), (32, 99))
    | _letters(
        "A:0123456789ABCDEFGHIJKLMNOQR B:123ABCDEFGHIJKLMNPQRSTUVWXYZ C:1ABCDEFGHIJKLMNOPQ "
        "D:GMS G:FNY I:C M:H N:I O:N P:TU R:NT T:CN U:C"
    )
)
INDUSTRY_CODES = frozenset(
    _numbers((1, 26), (31, 34), (41, 42), (49, 58), (60, 62), (65, 65), (71, 72), (81, 81), (99, 99), width=2)
)
PROVIDER_CODES = frozenset({"AD", "AT", "BI", "CO", "CV", "H", "HH", "LA", "OT"}) | frozenset(
    {"P1", "P2", "PC", "PE", "R", "RF", "SB", "SK", "SU"}
)

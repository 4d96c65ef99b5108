"""A log that is read afterwards."""


class KeptLog:
    """Keeps what is said, as (event, fields), of every level in one list."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []

    def debug(self, event: str, **fields: object) -> None:
        self.lines.append((event, fields))

    info = warning = error = debug

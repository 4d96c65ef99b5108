"""Where a setting was written, and what is wrong with it."""

from pathlib import Path
from typing import NamedTuple

from worker.core.errors import BadConfiguration


class Place(NamedTuple):
    """A line of a file, an environment variable, or (all empty) the built-in default.

    ``private`` tells whether the file is readable by its owner alone.
    """

    file: Path | None = None
    line: int | None = None
    variable: str | None = None
    private: bool = False

    def __str__(self) -> str:
        if self.variable is not None:
            return f"environment variable {self.variable}"
        if self.file is None:
            return "default"
        return str(self.file) if self.line is None else f"{self.file}:{self.line}"


BUILT_IN = Place()


class Mistake(NamedTuple):
    """One thing that is wrong (or, in ``Config.warnings``, probably wrong) at one place.

    ``message`` says what is wrong and what to write instead; it never holds a secret.
    """

    place: Place
    section: str | None
    key: str | None
    message: str

    def __str__(self) -> str:
        named = " ".join(part for part in (self.section and f"[{self.section}]", self.key) if part)
        where = "" if self.place == BUILT_IN else str(self.place)
        return ": ".join(part for part in (where, named, self.message) if part)

    def as_json(self) -> dict[str, str | int | None]:
        """``file``, ``line`` and ``variable`` are null where they do not apply."""
        return {
            "file": None if self.place.file is None else str(self.place.file),
            "line": self.place.line,
            "variable": self.place.variable,
            "section": self.section,
            "key": self.key,
            "message": self.message,
        }


class ConfigurationMistakes(BadConfiguration):
    """Everything that is wrong with the configuration at once; the message holds one line for each mistake."""

    def __init__(self, mistakes: list[Mistake], hint: str) -> None:
        super().__init__("\n".join(map(str, mistakes)), hint)
        self.mistakes = mistakes

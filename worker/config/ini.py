"""Reads INI text into entries that know their line.

The dialect is the standard library's, narrowed to what cannot be misread: ``[section]``, ``key = value`` or
``key: value``, whole-line comments with ``#`` or ``;``, and lines indented deeper than their key continue its value.
There is no interpolation and no default section, and nothing may follow a section's bracket. The standard parser is
not used because it stops at the first mistake and forgets line numbers.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from worker.config.mistakes import Mistake, Place

_DELIMITER = re.compile("[=:]")


class Entry(NamedTuple):
    """One ``key = value`` as written; the key in lower case, the lines of a continued value joined by ``\\n``."""

    section: str
    key: str
    text: str
    place: Place


@dataclass(slots=True)
class Ini:
    """What one file holds, in its order.

    ``stray`` are the keys under no section, or under a heading that cannot be read; ``text`` is false where the file
    is none, and nothing was read.
    """

    headings: list[tuple[str, Place]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)
    stray: list[tuple[str, Place]] = field(default_factory=list)
    text: bool = True


@dataclass(slots=True)
class _Reader:
    """Reads line by line. ``section`` is None before the first heading, and "" under one that cannot be read."""

    file: Path
    private: bool
    out: Ini = field(default_factory=Ini)
    section: str | None = None
    indent: int = 0
    open: bool = False
    headings: dict[str, int] = field(default_factory=dict)
    keys: dict[tuple[str, str], int] = field(default_factory=dict)

    def wrong(self, line: int, message: str, key: str | None = None) -> None:
        self.out.mistakes.append(
            Mistake(Place(self.file, line, private=self.private), self.section or None, key, message)
        )

    def line(self, number: int, raw: bytes) -> None:
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            self.open = False
            return self.wrong(number, "not UTF-8 text; save the file as UTF-8")
        stripped = text.strip()
        if not stripped:
            self.open = False
            return None
        if stripped[0] in "#;":
            return None
        odd = invisible(stripped)
        if odd is not None:
            self.open = False
            return self.wrong(number, f"holds the invisible character {odd}; write plain characters and blanks")
        indent = len(text) - len(text.lstrip())
        if self.open and indent > self.indent:
            return self.more(stripped)
        self.open = False
        if stripped[0] == "[":
            return self.heading(number, stripped)
        return self.setting(number, stripped, indent)

    def heading(self, number: int, text: str) -> None:
        name = text[1:-1].strip()
        if not text.endswith("]") or not name or "[" in name or "]" in name:
            self.section = ""
            self.wrong(number, "not a section line; write [section] alone on its line")
            return
        self.section = name
        if self.section in self.headings:
            self.wrong(number, f"the section began in line {self.headings[self.section]} already; write it once")
            return
        self.headings[self.section] = number
        self.out.headings.append((self.section, Place(self.file, number, private=self.private)))

    def setting(self, number: int, text: str, indent: int) -> None:
        # The message does not repeat the text of a broken line: it may be half of a secret.
        delimiter = _DELIMITER.search(text)
        place = Place(self.file, number, private=self.private)
        if delimiter is not None and not self.section:
            self.out.stray.append((text[: delimiter.start()].rstrip().lower(), place))
        if delimiter is None or delimiter.start() == 0:
            self.wrong(number, "neither a [section] nor a setting; write key = value")
        elif self.section is None:
            self.wrong(number, "a setting before the first section; write its [section] line above it")
        elif self.section:
            key = text[: delimiter.start()].rstrip().lower()
            first = self.keys.setdefault((self.section, key), number)
            if first != number:
                self.wrong(number, f"set in line {first} already; write it once", key)
            else:
                self.out.entries.append(Entry(self.section, key, text[delimiter.end() :].lstrip(), place))
                self.open, self.indent = True, indent

    def more(self, text: str) -> None:
        last = self.out.entries[-1]
        joined = f"{last.text}\n{text}" if last.text else text
        self.out.entries[-1] = Entry(last.section, last.key, joined, last.place)


def invisible(text: str) -> str | None:
    """The first invisible character, as ``U+00A0``; blank, tab and line feed are allowed."""
    found = next((c for c in text if not c.isprintable() and c not in "\t\n"), None)
    return None if found is None else f"U+{ord(found):04X}"


def parse(data: bytes, file: Path, private: bool) -> Ini:
    """Read a whole file; mistakes are collected, and the well-formed entries are returned beside them."""
    reader = _Reader(file, private)
    if b"\0" in data:
        reader.wrong(data[: data.index(b"\0")].count(b"\n") + 1, "not a text file; save it as UTF-8 text")
        reader.out.text = False
        return reader.out
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        reader.line(number, raw)
    return reader.out

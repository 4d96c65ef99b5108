"""What became of one batch file, and what was wrong with it."""

from dataclasses import dataclass, field, replace

from worker.core.problems import counted
from worker.core.x12.envelope import FileEnd
from worker.core.x12.issues import Issue
from worker.store.batch.rows import Counts

_MOST_FILE_ISSUES = 100


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one file. ``number`` is its row, if it has one.

    ``was_incomplete``: it, or an earlier one of its name, is incomplete or once was; the server's copy is left alone.
    """

    name: str
    sha256: str
    size: int
    state: str
    counts: Counts = field(default_factory=Counts)
    warnings: tuple[Issue, ...] = ()
    reason: str | None = None
    number: int | None = None
    was_incomplete: bool = False
    as_is: bool = False
    """A person took it, although it is incomplete as ``reason`` says."""


class FileWarnings:
    """The file's own issues, and those of its sets and answers by code, with how often and where first."""

    def __init__(self) -> None:
        self._file: list[Issue] = []
        self._more = 0
        self._counted: dict[str, tuple[Issue, int, int]] = {}
        self._set = 0

    def of_set(self, issues: tuple[Issue, ...]) -> None:
        self._set += 1
        if issues:
            self.of_answer(issues)

    def of_answer(self, issues: tuple[Issue, ...]) -> None:
        for one in issues:
            first, at, count = self._counted.get(one.code, (one, self._set, 0))
            self._counted[one.code] = (first, at, count + 1)

    def note(self, one: Issue) -> None:
        """Of the file as a whole, and said before all others."""
        self._file.insert(0, one)

    def of_file(self, end: FileEnd) -> None:
        room = max(0, _MOST_FILE_ISSUES - len(self._file))
        self._file += end.issues[:room]
        self._more += end.more_issues + len(end.issues[room:])

    def all(self) -> tuple[Issue, ...]:
        found = list(self._file)
        if self._more:
            found.append(Issue("more_warnings", "", f"And {counted(self._more, 'more warning')} of this kind."))
        for first, at, count in self._counted.values():
            sentence = first.message.partition(" (")[0]
            where = f"set {at}" if count == 1 else f"{count} times, first in set {at}"
            found.append(replace(first, message=f"{sentence} ({where})"))
        return tuple(found)

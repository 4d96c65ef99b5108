"""What a call of ``cdpoll record`` has done so far, and how it is told."""

import click

from cli.output import dumped, say
from worker.core.errors import BadData
from worker.core.intake.intake import Intake
from worker.core.intake.pieces import Notes
from worker.core.problems import counted
from worker.store.tasks.recording import Recorded

CURE = "`cdpoll unreadable list` shows what is kept: hand it in rightly, then `cdpoll unreadable drop NUMBER`"


class Summary:
    """What has been done so far, each id once."""

    def __init__(self) -> None:
        self.recorded: dict[str, None] = {}
        self.known: dict[str, None] = {}
        self.abandoned: dict[str, None] = {}
        self.lookups: dict[str, None] = {}
        self.expected = 0
        self.spooled: dict[str, None] = {}
        self._left = {"id": 0, "lookup": 0, "expected answer": 0, "unreadable text": 0}
        self.unreadable: dict[tuple[str, str], None] = {}
        self.refused: list[BadData] = []
        self.notes = Notes()

    @staticmethod
    def complain(message: str, hint: str = "") -> None:
        say(f"cdpoll: {message}", *([f"        {hint}"] if hint else []), err=True)

    def tell(self, as_json: bool) -> None:
        notes = self.notes.told
        for note in notes:
            say(f"note: {note}", err=True)
        for error in self.refused:
            self.complain(error.message, error.hint)
        for _, reason in self.unreadable:
            self.complain(f"unreadable, kept raw: {reason}")
        if self.unreadable:
            say(f"        {CURE}", err=True)
        still = f"{len(self.abandoned)} abandoned and still so: {', '.join(self.abandoned)}"
        if self.abandoned:
            self.complain(still, "`cdpoll retry ID` revives them")
        if as_json:
            notes += [f"{error.message}; {error.hint}" if error.hint else error.message for error in self.refused]
            notes += [still] if self.abandoned else []
            done = {
                "recorded": list(self.recorded),
                "known": list(self.known),
                "spooled": len(self._spooled_alone),
                "lookups": list(self.lookups),
                "expected": self.expected,
                "unreadable": [{"raw": raw, "reason": reason} for raw, reason in self.unreadable],
                "notes": notes,
            }
            click.echo(dumped(done))
        else:
            told = (self.recorded, self.known, self.lookups, self._spooled_alone)
            for word, found in zip(("recorded", "known", "looking for", "spooled"), told, strict=True):
                for task_id in found:
                    click.echo(f"{word} {task_id}")
            if self.expected:
                click.echo(f"expecting {counted(self.expected, 'answer')}")

    def add(self, done: Recorded) -> None:
        """What one or more commits did."""
        self.recorded.update(dict.fromkeys(done.new))
        self.known.update((i, None) for i in done.known if i not in self.recorded)
        self.abandoned.update(dict.fromkeys(done.abandoned))
        self.lookups.update(dict.fromkeys(done.lookups))
        self.expected += done.expected
        if done.purged:
            self.notes.add(f"{', '.join(done.purged)}: what was found was purged; nothing of it goes out any more")

    def add_left(self, whole: Intake) -> None:
        """What is left in the spool, and not recorded yet."""
        ids, lookups = {one.id for one in whole.recordings}, {one.correlation_id for one in whole.lookups}
        self.spooled.update((one.id, None) for one in whole.recordings)
        self.spooled.update((one.correlation_id, None) for one in whole.lookups)
        for what, found in zip(self._left, (ids, lookups, whole.expected, whole.unreadable), strict=True):
            self._left[what] += len(found)

    @property
    def _spooled_alone(self) -> dict[str, None]:
        """An id may have come several times, and have been recorded before the spool was used."""
        done = {**self.recorded, **self.known, **self.lookups}
        return {one: None for one in self.spooled if one not in done}

    @property
    def left(self) -> str:
        """What is left in the spool, in words; empty where nothing is."""
        return ", ".join(counted(n, what) for what, n in self._left.items() if n)

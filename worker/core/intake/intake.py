"""What is handed in comes to this: tasks to be recorded, what is awaited without an id, what is unreadable."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from worker.core.intake.link import Unreadable

_ABOUT_LOOKUP = ("ref", "trace_number", "originator_id", "member_id", "birth_date", "subtenant")
_ABOUT_EXPECTED = ("originator_id", "member_id", "birth_date", "correlation_id", "subtenant")


@dataclass(frozen=True, slots=True)
class Recording:
    """One task to make durable.

    ``source`` is id, link, location, headers, body, jsonl, callback, submit, lookup or backfill; ``host`` is the
    authority of an absolute target, to be compared with the configured one; ``sent_at`` is the Date of the response
    that named the task, in milliseconds UTC.
    What may be patient data does not show in the ``repr``.
    """

    id: str
    source: str
    title: str | None = None
    host: str | None = None
    ref: str | None = field(default=None, repr=False)
    correlation_id: str | None = None
    trace_id: str | None = None
    trace_number: str | None = None
    originator_id: str | None = None
    member_id: str | None = field(default=None, repr=False)
    birth_date: str | None = field(default=None, repr=False)
    subtenant: str | None = None
    sent_at: int | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """A request whose answer was lost: its discoveries are looked for by its correlation id.

    What may be patient data does not show in the ``repr``, here and below.
    """

    correlation_id: str
    ref: str | None = field(default=None, repr=False)
    trace_number: str | None = None
    originator_id: str | None = None
    member_id: str | None = field(default=None, repr=False)
    birth_date: str | None = field(default=None, repr=False)
    subtenant: str | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """An answer of a batch that is expected without an id: it is known by the trace number of its inquiry, and by the
    member id or the birth date."""

    trace_number: str
    ref: str = field(repr=False)
    originator_id: str | None = None
    member_id: str | None = field(default=None, repr=False)
    birth_date: str | None = field(default=None, repr=False)
    correlation_id: str | None = None
    subtenant: str | None = None


def lookup_of(correlation_id: str, about: Recording) -> Lookup:
    """The lookup with what ``about`` says."""
    return Lookup(correlation_id, **{name: getattr(about, name) for name in _ABOUT_LOOKUP})


def expected_of(trace_number: str, ref: str, about: Recording) -> Expected:
    """The expected answer with what ``about`` says."""
    return Expected(trace_number, ref, **{name: getattr(about, name) for name in _ABOUT_EXPECTED})


@dataclass(frozen=True, slots=True)
class Intake:
    """What one piece of input came to: each id once.

    ``without_task``: how many responses of real-time checks that succeeded named no task.
    """

    recordings: tuple[Recording, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()
    without_task: int = 0
    lookups: tuple[Lookup, ...] = ()
    expected: tuple[Expected, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing at all was in it."""
        return not (self.recordings or self.awaited or self.unreadable or self.notes or self.without_task)

    @property
    def awaited(self) -> bool:
        """Whether it tells of something that is awaited without an id."""
        return bool(self.lookups or self.expected)

    def of_subtenant(self, subtenant: str | None) -> "Intake":
        """The same; what names no subtenant itself is of this one."""
        if not subtenant:
            return self
        return replace(
            self,
            recordings=tuple(replace(one, subtenant=one.subtenant or subtenant) for one in self.recordings),
            lookups=tuple(replace(one, subtenant=one.subtenant or subtenant) for one in self.lookups),
            expected=tuple(replace(one, subtenant=one.subtenant or subtenant) for one in self.expected),
        )


def each_once(recordings: Iterable[Recording]) -> tuple[Recording, ...]:
    """Each id once, as it came first."""
    first: dict[str, Recording] = {}
    for recording in recordings:
        first.setdefault(recording.id, recording)
    return tuple(first.values())


def merge(parts: Iterable[Intake]) -> Intake:
    """Several intakes as one, in order. An id may come several times, with different refs; equal recordings go."""
    kept = list(parts)
    return Intake(
        tuple(dict.fromkeys(recording for part in kept for recording in part.recordings)),
        tuple(item for part in kept for item in part.unreadable),
        tuple(note for part in kept for note in part.notes),
        sum(part.without_task for part in kept),
        tuple(dict.fromkeys(one for part in kept for one in part.lookups)),
        tuple(dict.fromkeys(one for part in kept for one in part.expected)),
    )

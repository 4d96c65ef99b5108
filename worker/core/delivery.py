"""What goes out on a way, and what may come of one attempt to send it.

A way is where results go: a folder, a webhook or a command. Each way out has ``send(letter) -> Sent``, in
``worker/gateways/deliver/``; what follows from the answer is decided in ``worker/rounds/deliver/``.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Letter:
    """One result for one of the caller's keys, as a way out is given it. It is patient data.

    ``number`` is the result's number in the outbox, the same at each attempt. ``id`` is the vendor's id of the task,
    ``None`` for an answer of a batch that belongs to no task. ``body`` is the exported result, one JSON object in
    UTF-8; ``thin`` is the same without what a 271 says and without the vendor's own fields. ``x12``: its 271 texts.
    """

    number: int
    id: str | None
    ref: str | None
    outcome: str | None
    subtenant: str | None
    body: bytes = field(repr=False)
    thin: bytes = field(repr=False)
    x12: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has it."""


@dataclass(frozen=True, slots=True)
class LetterRefused:
    """The receiver does not take this letter. Others may go through.

    ``code`` is a word for the table in the documentation, ``detail`` a line for people. Neither holds patient data or a
    secret; so nothing that the receiver said stands in them.
    """

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class ReceiverDown:
    """The receiver takes nothing now: the way rests.

    ``retry_after_ms``: how long the receiver asked to be left alone. ``counts``: whether this was an attempt for the
    letter, too; it was none where the receiver said that there were too many requests.
    """

    code: str
    detail: str
    retry_after_ms: int | None = None
    counts: bool = True


@dataclass(frozen=True, slots=True)
class ReceiverGone:
    """The receiver wants nothing more: the way is stopped until a person starts it again."""

    code: str
    detail: str


Sent = Delivered | LetterRefused | ReceiverDown | ReceiverGone

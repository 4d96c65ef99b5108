"""What a table of keys is made of."""

from typing import NamedTuple

from worker.config.kinds import Kind


class Key(NamedTuple):
    """One key. ``default`` is text as one would write it.

    A key without a default has a ``sample`` to show instead; ``otherwise`` says what holds when the key is not
    written, where the default does not say it. A ``required`` key must be written once its section is.
    """

    name: str
    kind: Kind
    default: str | None
    doc: str
    sample: str = ""
    otherwise: str = ""
    required: bool = False

    @property
    def field(self) -> str:
        """The name of the dataclass field."""
        return self.name + self.kind.suffix


class Section(NamedTuple):
    """One section. An ``optional`` one is absent (None in ``Config``) unless something of it is written."""

    name: str
    doc: str
    keys: tuple[Key, ...]
    optional: bool = False

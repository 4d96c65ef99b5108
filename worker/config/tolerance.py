"""What a command that needs ``[store]`` only may do with a configuration in which something else is wrong.

It goes on where the mistakes cannot be about the database. Each of these may be:

- a mistake in ``[store]``, or in a section that is spelt much like it;
- a main file that could not be read, or is no text;
- a setting that is named like a key of ``[store]`` and stands elsewhere: under an unknown section, under a heading that
  cannot be read, under another section, or indented below another key and so a part of its value;
- a variable of the environment that is named like one of ``[store]``.

A file of ``conf.d`` that could not be read may name another database too. That is left to who opens it: a database
that exists, with its marker beside it, was in use before (cli/opening.py).
"""

import re

from worker.config.keys import KEYS
from worker.config.mistakes import Mistake
from worker.config.sources import PREFIX, Sources
from worker.config.suggestion import near, slip
from worker.config.ways import Known, resembles_way

#: Keys of ``[polling]`` that can contradict one another, so a mistake in one puts all at their defaults.
INTERVALS = ("cadence", "min_interval", "max_interval")

_STORE_KEYS = frozenset(key for section, key in KEYS if section == "store")
_SECTIONS = frozenset(section for section, _ in KEYS)
_SWALLOWED = re.compile(rf"\n(\[|({'|'.join(sorted(_STORE_KEYS))})\s*[=:])")
_VARIABLES = frozenset(f"{section}_{key}".upper() for section, key in KEYS)


def about_store(sources: Sources, known: Known, mistakes: list[Mistake]) -> list[Mistake]:
    """Those of the mistakes that may be about the database."""
    # Keys of [store] that stand where they mean nothing; each stands in a line with a mistake, or under one.
    # A way out has a path of its own, whatever else is wrong with its section.
    strange = [e for e in sources.entries if (e.section, e.key) not in known.keys and not resembles_way(e.section)]
    misplaced = {e.place for e in strange if e.key in _STORE_KEYS}
    misplaced |= {place for key, place in sources.stray if key in _STORE_KEYS}
    misplaced |= {e.place for e in sources.entries if _SWALLOWED.search(e.text)}
    headings = {name for name, _ in sources.headings if name not in _SECTIONS}
    found = [m for m in mistakes if _about_store(m, sources) or m.place in misplaced]
    if not found and misplaced:
        # The line itself is well-formed: its heading is to blame.
        found = [m for m in mistakes if m.section in headings or m.section is None]
    return found


def intervals_wrong(mistakes: list[Mistake]) -> bool:
    """Whether the intervals of ``[polling]`` cannot be used together."""
    return any(m.section == "polling" and m.key in INTERVALS for m in mistakes)


def _about_store(mistake: Mistake, sources: Sources) -> bool:
    place, section = mistake.place, mistake.section
    if sources.main is None and not sources.entries:
        return True  # there is no configuration at all
    if place.file is not None and place.file == sources.main and place.file in sources.unread:
        return True
    if place.variable is not None and section is None:
        meant = near(place.variable.removeprefix(PREFIX), _VARIABLES) or place.variable.removeprefix(PREFIX)
        return meant.startswith("STORE")
    return section is not None and (
        section == "store" or (section not in _SECTIONS and slip(section.lower(), ["store"]))
    )

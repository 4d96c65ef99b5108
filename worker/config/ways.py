"""The sections ``[deliver.NAME]``: which are written, their tables and values, and what is wrong between their keys.

A variable of the environment sets a key of such a section only where the section stands in a file: of
``CDPOLL_DELIVER_A_B_SECRET`` alone, nothing tells where the name ends.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

from worker.config.deliver_keys import FAMILY_KEYS, KINDS, way_section
from worker.config.deliver_settings import CommandSection, DirectorySection, WaySettings, WebhookSection
from worker.config.ini import Entry
from worker.config.keys import KEYS, SECTIONS, VARIABLES, variable
from worker.config.mistakes import Mistake, Place
from worker.config.secret import FORMS
from worker.config.settings import Config
from worker.config.sources import Sources
from worker.config.table import Key, Section

_HEADING = re.compile(r"deliver\.([A-Za-z0-9_-]{1,32})")
VARIABLE_PREFIX = "CDPOLL_DELIVER_"

_Places = Mapping[tuple[str, str], Place]


class Known(NamedTuple):
    """Everything that may be written: the sections of every configuration, and those ways out that this one names."""

    sections: tuple[Section, ...]
    keys: Mapping[tuple[str, str], Key]
    variables: Mapping[str, tuple[str, str]]

    @property
    def ways(self) -> tuple[Section, ...]:
        return self.sections[len(SECTIONS) :]

    @property
    def words(self) -> set[str]:
        """The names of all keys; with a way out, those of every kind."""
        return {key for _, key in self.keys} | (FAMILY_KEYS if self.ways else frozenset())


def is_way(section: str) -> bool:
    """Whether this can be the heading of a way out."""
    return _HEADING.fullmatch(section) is not None


def resembles_way(section: str) -> bool:
    """Whether this heading is meant for a way out, well-formed or not."""
    return section.lower().partition(".")[0] == "deliver"


def variables_of(sources: Sources) -> dict[str, tuple[str, str]]:
    """The variables that set a key, given the files that were read."""
    ways = {variable(name, key): (name, key) for name in _names(sources) for key in sorted(FAMILY_KEYS)}
    return VARIABLES | ways


def known_of(sources: Sources) -> Known:
    """What may be written, given everything that is."""
    kinds = {entry.section: entry.text.lower() for entry in sources.entries if entry.key == "kind"}
    ways = tuple(way_section(name, kind if (kind := kinds.get(name)) in KINDS else None) for name in _names(sources))
    keys = {(section.name, key.name): key for section in ways for key in section.keys}
    return Known(SECTIONS + ways, KEYS | keys, variables_of(sources))


def _names(sources: Sources) -> list[str]:
    return list(dict.fromkeys(name for name, place in sources.headings if is_way(name) and place.file is not None))


def unknown_heading(name: str) -> str | None:
    """What is wrong with a heading that is meant for a way out; ``None`` where it is meant for something else."""
    if not resembles_way(name):
        return None
    return "not the name of a way out; write [deliver.NAME], the name of at most 32 letters, digits, - and _"


def unknown_key(entry: Entry) -> str | None:
    """What is wrong with a key that other ways out have; ``None`` where none has it."""
    if not is_way(entry.section):
        return None
    kinds = [kind for kind, keys in KINDS.items() if any(key.name == entry.key for key in keys)]
    return f"it belongs to kind = {' and kind = '.join(kinds)}; leave it out here" if kinds else None


def way_of(section: Section, fields: Mapping[str, Any]) -> WaySettings:
    """The values of one way out, all of which could be read."""
    name = section.name.partition(".")[2]
    if fields["kind"] == "directory":
        path = fields["path"]
        return DirectorySection(name, **{**fields, "aside": fields["aside"] or path.parent / f".{name}.aside"})
    if fields["kind"] == "webhook":
        return WebhookSection(name, **fields)
    return CommandSection(name, **fields)


def written_ways(config: Config) -> list[tuple[Section, WaySettings]]:
    """The table and the values of each way out of a configuration."""
    return [(way_section(f"deliver.{way.name}", way.kind), way) for way in config.deliver]


def contradictions(ways: tuple[WaySettings, ...], headings: Mapping[str, Place], places: _Places) -> Iterator[Mistake]:
    """Mistakes between keys, and between ways out, that are each well-formed."""
    for one, other in combinations(ways, 2):
        section = f"deliver.{other.name}"
        shared = sorted(_variables(one) & _variables(other))
        if shared:
            message = f"{shared[0]} would set a key of [deliver.{one.name}] too; write another name"
            yield Mistake(headings[section], section, None, message)
        if isinstance(one, DirectorySection) and isinstance(other, DirectorySection):
            both = {one.path, one.aside} & {other.path, other.aside}
            if both:
                key = "path" if other.path in both else "aside"
                message = f"[deliver.{one.name}] writes into this folder too; write another one"
                yield Mistake(places.get((section, key), headings[section]), section, key, message)
    for way in ways:
        section = f"deliver.{way.name}"
        if isinstance(way, DirectorySection) and way.aside == way.path:
            message = "the same folder as path, where readers would find half of a file; write another one"
            yield Mistake(places.get((section, "aside"), headings[section]), section, "aside", message)
        if isinstance(way, WebhookSection) and way.proxy is not None and way.url.shown.startswith("http://"):
            message = "http goes through the proxy in clear; write https://, or leave proxy out"
            yield Mistake(places[section, "url"], section, "url", message)


def _variables(way: WaySettings) -> set[str]:
    return {variable(f"deliver.{way.name}", key) for key in FAMILY_KEYS}


def warnings(ways: tuple[WaySettings, ...], places: _Places) -> Iterator[Mistake]:
    """What is allowed, but probably not meant."""
    for way in ways:
        if not isinstance(way, WebhookSection):
            continue
        section = f"deliver.{way.name}"
        secrets = {"secret": way.secret, "previous_secret": way.previous_secret}
        secrets |= {"url": way.url} if "?" in way.url.shown else {}
        secrets |= {"proxy": way.proxy} if way.proxy is not None and "@" in way.proxy.shown else {}
        for key, secret in secrets.items():
            if secret.form == "literal":
                message = f"a secret written out in the file; better write {FORMS}"
                yield Mistake(places[section, key], section, key, message)

"""Makes one checked configuration from all files and the environment, or raises all mistakes at once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.config import ways
from worker.config.checks import (
    alert_contradictions,
    alert_warnings,
    api_contradictions,
    callback_contradictions,
    callback_warnings,
    contradictions,
    local_contradictions,
    sftp_contradictions,
    warnings,
)
from worker.config.deliver_settings import WaySettings
from worker.config.ini import Entry, invisible
from worker.config.keys import SECTIONS
from worker.config.kinds import Written
from worker.config.mistakes import BUILT_IN, ConfigurationMistakes, Mistake, Place
from worker.config.secret import Secret
from worker.config.settings import (
    AlertSection,
    ApiSection,
    BackfillSection,
    CallbackSection,
    Config,
    DoctorSection,
    Examined,
    LocalSection,
    LogSection,
    PollingSection,
    RetentionSection,
    SftpSection,
    SpoolSection,
    StoreSection,
    SupportSection,
    Tolerated,
)
from worker.config.sources import NOT_KEYS, PREFIX, Sources, gather
from worker.config.table import Key, Section

_TOKEN_PATH = "/apip/auth/v2/token"  # noqa: S105  (a path, not a token)
EXAMPLE = "`cdpoll config example` explains every key"
_HINT = f"`cdpoll config check` lists everything that is wrong; {EXAMPLE}"
_HINT_NONE = "`cdpoll sandbox` prints a ready-made configuration to try; `cdpoll config example` prints an empty one"
_HINT_DENIED = "or name another file with --config; `cdpoll sandbox` prints a ready-made configuration to try"
_UNSET = f"unset it (`env | grep -o ^{PREFIX}[^=]*` lists the names)"


@dataclass(slots=True)
class _Found:
    """Values read so far, with their places; the last one written wins."""

    environ: Mapping[str, str]
    known: ways.Known
    values: dict[tuple[str, str], Any] = field(default_factory=dict)
    places: dict[tuple[str, str], Place] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    variables: set[str] = field(default_factory=set)


def load(explicit: str | None, environ: Mapping[str, str]) -> Config:
    """Read the configuration.

    ``explicit`` is the file named on the command line, if any; ``environ`` is the process's environment, which secrets
    keep to look into later. No secret is resolved here. Raises ConfigurationMistakes (78) with everything that is
    wrong.
    """
    sources, found, sections = _read_all(explicit, environ)
    if found.mistakes:
        raise _refusal(sources, found)
    return _config(sources, found, sections)


def load_store(explicit: str | None, environ: Mapping[str, str]) -> Tolerated:
    """Read the configuration for who needs ``[store]`` only; mistakes elsewhere are handed back.

    Raises ConfigurationMistakes (78) where one of them may be about the database.
    """
    sources, found, sections = _read_all(explicit, environ)
    if not found.mistakes:
        return Tolerated(_config(sources, found, sections), (), ())
    from worker.config import tolerance

    about_store = tolerance.about_store(sources, found.known, found.mistakes)
    if about_store:
        raise _refusal(sources, found, about_store)
    if tolerance.intervals_wrong(found.mistakes):
        for key in tolerance.INTERVALS:
            found.values.pop(("polling", key), None)
            found.places.pop(("polling", key), None)
        sections["polling"] = _section(next(s for s in SECTIONS if s.name == "polling"), None, found)
    for name in ("api", "sftp"):
        required = (key for section in SECTIONS if section.name == name for key in section.keys if key.required)
        if sections[name] is not None and any((name, key.name) not in found.values for key in required):
            sections[name] = None
    if any(mistake.section == "callback" for mistake in found.mistakes):
        sections["callback"] = None  # nothing waits for callbacks that may not be taken
    mistakes = tuple(_guarded(m, found.known) for m in _sorted(sources, found.mistakes))
    unread = tuple(m for m in mistakes if m.place.file in sources.unread)
    return Tolerated(_config(sources, found, sections), mistakes, unread)


def examine(explicit: str | None, environ: Mapping[str, str]) -> Examined:
    """Read the configuration for who lists what is wrong with it: what could be read is handed back beside that."""
    sources, found, sections = _read_all(explicit, environ)
    if not found.mistakes:
        return Examined(_config(sources, found, sections), [], "", frozenset(), store_known=True)
    from worker.config import tolerance

    refusal = _refusal(sources, found)
    if sources.main in sources.unread or (sources.main is None and not sources.entries):
        return Examined(None, refusal.mistakes, refusal.hint, frozenset(), store_known=False)
    known = {section.name for section in found.known.sections}
    # In a file that could not be read may stand anything.
    elsewhere = {e.key for e in sources.entries if e.section not in known} | {key for key, _ in sources.stray}
    elsewhere |= {key for _, key in found.known.keys} if sources.unread else set()
    store_known = not sources.unread and not tolerance.about_store(sources, found.known, found.mistakes)
    for fields in filter(None, (sections["api"], sections["sftp"])):
        fields.update({name: empty for name, empty in _EMPTY.items() if name in fields and fields[name] is None})
    config = _config(sources, found, sections)
    return Examined(config, refusal.mistakes, refusal.hint, frozenset(elsewhere), store_known=store_known)


# What stands in an examined configuration for a required key that is missing, or could not be read.
_EMPTY = {"base_url": "", "token_url": "", "host": "", "username": "", "include": ()}


def _read_all(
    explicit: str | None, environ: Mapping[str, str]
) -> tuple[Sources, _Found, dict[str, dict[str, Any] | None]]:
    """Everything that is written, with its mistakes, and the fields of each section."""
    sources = gather(explicit, environ, ways.variables_of)
    found = _Found(environ, ways.known_of(sources), mistakes=sources.mistakes)
    _check_headings(sources, found)
    for entry in sources.entries:
        _read(entry, found)
    _check_variables(found)
    written = dict(reversed(sources.headings))
    sections = {s.name: _section(s, written.get(s.name), found) for s in found.known.sections}
    found.mistakes += contradictions(sections["polling"] or {}, found.values.keys(), found.places)
    if sections["api"] is not None:
        found.mistakes += api_contradictions(sections["api"], found.places)
    if sections["sftp"] is not None:
        found.mistakes += sftp_contradictions(sections["sftp"], written.get("sftp", BUILT_IN), found.places)
    if sections["callback"] is not None:
        found.mistakes += callback_contradictions(sections["callback"], found.places)
    found.mistakes += alert_contradictions(sections["alert"] or {}, found.places)
    found.mistakes += local_contradictions(sections["local"] or {}, found.places)
    found.mistakes += ways.contradictions(_ways(found, sections), written, found.places)
    return sources, found, sections


def _ways(found: _Found, sections: Mapping[str, dict[str, Any] | None]) -> tuple[WaySettings, ...]:
    """The ways out with which nothing is wrong."""
    broken = {mistake.section for mistake in found.mistakes}
    whole = [section for section in found.known.ways if section.name not in broken]
    return tuple(ways.way_of(section, sections[section.name] or {}) for section in whole)


def _refusal(sources: Sources, found: _Found, mistakes: list[Mistake] | None = None) -> ConfigurationMistakes:
    """The error for these mistakes, or for all."""
    mistakes = found.mistakes if mistakes is None else mistakes
    nothing = sources.main is None and not sources.entries
    hint = _HINT if not nothing else _HINT_DENIED if sources.denied else _HINT_NONE
    return ConfigurationMistakes([_guarded(m, found.known) for m in _sorted(sources, mistakes)], hint)


def _config(sources: Sources, found: _Found, sections: Mapping[str, dict[str, Any] | None]) -> Config:
    api = ApiSection(**sections["api"]) if sections["api"] is not None else None
    polling = PollingSection(**(sections["polling"] or {}))
    sftp = SftpSection(**sections["sftp"]) if sections["sftp"] is not None else None
    spool = SpoolSection(**sections["spool"]) if sections["spool"] is not None else None
    backfill = BackfillSection(**sections["backfill"]) if sections["backfill"] is not None else None
    callback = CallbackSection(**sections["callback"]) if sections["callback"] is not None else None
    deliver = _ways(found, sections)
    alert = AlertSection(**(sections["alert"] or {}))
    warned = [*warnings(api if api and api.base_url else None, polling, sftp, found.places)]
    warned += alert_warnings(alert, found.places)
    if callback is not None:
        warned += callback_warnings(callback, found.places)
    return Config(
        api=api,
        store=StoreSection(**(sections["store"] or {})),
        polling=polling,
        sftp=sftp,
        spool=spool,
        backfill=backfill,
        callback=callback,
        deliver=deliver,
        alert=alert,
        retention=RetentionSection(**(sections["retention"] or {})),
        local=LocalSection(**(sections["local"] or {})),
        support=SupportSection(**(sections["support"] or {})),
        doctor=DoctorSection(**(sections["doctor"] or {})),
        log=LogSection(**(sections["log"] or {})),
        source=sources.main,
        files=tuple(sources.files),
        warnings=(*warned, *ways.warnings(deliver, found.places)),
        places={place: found.places.get(place, BUILT_IN) for place in found.known.keys},
        headings=dict(reversed(sources.headings)),
    )


def _check_headings(sources: Sources, found: _Found) -> None:
    known = {section.name for section in found.known.sections}
    for name, place in sources.headings:
        if name not in known:
            from worker.config.suggestion import nearest

            writable = [section.name for section in SECTIONS] + ["deliver.NAME"]
            message = ways.unknown_heading(name) or f"unknown section; {nearest(name.lower(), writable)}"
            found.mistakes.append(Mistake(place, name, None, message))


def _read(entry: Entry, found: _Found) -> None:
    key = found.known.keys.get((entry.section, entry.key))
    if key is None:
        _unknown(entry, found)
        return
    place = entry.section, entry.key
    found.places[place] = entry.place
    try:
        _check_text(entry.text, key)
        value = key.kind.read(Written(entry.text, f"[{entry.section}] {entry.key}", entry.place, found.environ))
    except ValueError as error:
        found.mistakes.append(Mistake(entry.place, entry.section, entry.key, str(error)))
        found.values.pop(place, None)
        return
    found.values[place] = value
    if isinstance(value, Secret) and value.variable is not None:
        found.variables.add(value.variable)


def _check_text(text: str, key: Key) -> None:
    """What is wrong with a value of any kind."""
    if not text:
        raise ValueError("empty; write a value, or leave the line out")
    if "\n" in text:
        raise ValueError("more than one line (an indented line continues the one above); write it on one line")
    odd = invisible(text)
    if odd is not None:
        raise ValueError(f"holds the invisible character {odd}; write plain characters and blanks")
    if key.kind.comments and re.search(r"\s[#;]", text):
        raise ValueError("a comment after the value; write comments on lines of their own")


def _unknown(entry: Entry, found: _Found) -> None:
    names = {key for section, key in found.known.keys if section == entry.section}
    if not names:
        return  # its section is unknown; that mistake is in the list already
    elsewhere = [section for section, key in found.known.keys if key == entry.key]
    if of_other_kind := ways.unknown_key(entry):
        message = of_other_kind
    elif elsewhere:
        message = f"unknown key here; it belongs into [{elsewhere[0]}]"
    else:
        from worker.config.suggestion import nearest

        message = f"unknown key; {nearest(entry.key, names)}"
    found.mistakes.append(Mistake(entry.place, entry.section, entry.key, message))


def _check_variables(found: _Found) -> None:
    # A variable that a secret is taken from may well begin with the prefix.
    for name in sorted(found.environ):
        if name.startswith(PREFIX) and name not in found.known.variables and name not in NOT_KEYS | found.variables:
            from worker.config.suggestion import near

            # The prefix is left out: it would make every name alike.
            known = (variable.removeprefix(PREFIX) for variable in found.known.variables)
            meant = near(name.removeprefix(PREFIX), known)
            cure = f"did you mean {PREFIX}{meant}?" if meant else _UNSET
            if name.startswith(ways.VARIABLE_PREFIX) and not meant:
                cure = f"no section [deliver.NAME] in a file has it; write the section there, or {_UNSET}"
            message = f"sets no known key; {cure}"
            found.mistakes.append(Mistake(Place(variable=name), None, None, message))


def _guarded(mistake: Mistake, known: ways.Known) -> Mistake:
    """A mistake without those names that are not close to a known one: they may be a secret, or half of one.

    The line is told in any case. All mistakes pass here, so what makes them need not care.
    """
    from worker.config.suggestion import slip

    place, section, key, message = mistake
    if section is not None and not ways.is_way(section) and not slip(section.lower(), (s.name for s in SECTIONS)):
        section = None
    if key is not None and not slip(key, known.words):
        key = None
    if place.variable is not None and not slip(place.variable, known.variables):
        place = place._replace(variable=f"{PREFIX}…")
    return Mistake(place, section, key, message)


def _section(section: Section, heading: Place | None, found: _Found) -> dict[str, Any] | None:
    """The fields of a section's dataclass, defaults filled in; None for an optional section that is not there."""
    if section.optional and heading is None:
        return None
    fields = {}
    for key in section.keys:
        place = section.name, key.name
        if place in found.values:
            fields[key.field] = found.values[place]
            continue
        if key.required and place not in found.places:
            message = f"{key.name} is missing; write it, as in {key.name} = {key.sample}"
            found.mistakes.append(Mistake(heading or BUILT_IN, section.name, None, message))
        fields[key.field] = _default(section, key, found)
    if section.name == "api" and fields["base_url"] and fields["token_url"] is None:
        from worker.config.urls import read_url

        fields["token_url"] = read_url(fields["base_url"]).origin + _TOKEN_PATH
    if section.name == "polling" and (section.name, "min_interval") not in found.places:
        fields["min_interval_ms"] = min(fields["min_interval_ms"], fields["cadence"].first)
    return fields


def _default(section: Section, key: Key, found: _Found) -> Any:
    written = Written(key.default or "", f"[{section.name}] {key.name}", BUILT_IN, found.environ)
    return key.kind.unset(written) if key.default is None else key.kind.read(written)


def _sorted(sources: Sources, mistakes: list[Mistake]) -> list[Mistake]:
    """File by file in the order read, line by line; the environment last."""
    rank = {path: number for number, path in enumerate(sources.files, 1)}

    def order(mistake: Mistake) -> tuple[int, int]:
        place = mistake.place
        if place.variable is not None:
            return len(rank) + 2, 0
        return (0 if place.file is None else rank.get(place.file, len(rank) + 1)), place.line or 0

    return sorted(mistakes, key=order)

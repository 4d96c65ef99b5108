"""The table of the keys of ``[backfill]``: the sweep over the vendor's list for ids that were not recorded."""

from worker.config.kinds import Kind, Written, quoted, span
from worker.config.table import Key, Section


def _names(written: Written) -> tuple[str, ...]:
    names = tuple(name for part in written.text.split(";") if (name := part.strip()))
    if not names:
        raise ValueError("names nothing; write names, with ; between them")
    return names


def _patterns(written: Written) -> tuple[str, ...]:
    patterns = tuple(written.text.split())
    for pattern in patterns:
        if not pattern.isprintable() or not pattern.isascii():
            raise ValueError(f"{quoted(pattern)} is no pattern of a correlation id; write them as in clinic-7-*")
    return patterns


_NAMES = Kind("patterns with `*`, `?` and `[…]`, separated by `;`", _names, "; ".join, comments=False)
_EXACT_NAMES = Kind("names, separated by `;`", _names, "; ".join, comments=False)
_IDS = Kind("patterns with `*`, `?` and `[…]`, separated by blanks", _patterns, " ".join)

BACKFILL = Section(
    "backfill",
    "The sweep over the vendor's list for discoveries that were not recorded here. With this section the daemon makes "
    "it; needed where an id can be lost on its way, and where only the vendor has it. See docs/integration.md.",
    (
        Key("every", span("1m", "30d"), "1h", "How often a sweep begins."),
        Key(
            "overlap",
            span("1m", "30d"),
            "1d",
            "How far a sweep reaches back behind the last one: what the list showed late is found so. The first sweep "
            "reaches so far back from now.",
        ),
        Key(
            "tenant_names",
            _EXACT_NAMES,
            None,
            "Only rows with one of these as tenantName are taken; those of others are never stored.",
            sample="Example Hospital",
            otherwise="all that the vendor shows to this client id",
        ),
        Key(
            "names",
            _NAMES,
            None,
            "Only discoveries with one of these names are taken.",
            sample="Default Discovery Task",
            otherwise="all",
        ),
        Key(
            "correlation_ids",
            _IDS,
            None,
            "Only discoveries with one of these correlation ids are taken.",
            sample="clinic-7-*",
            otherwise="all, without one too",
        ),
    ),
    optional=True,
)

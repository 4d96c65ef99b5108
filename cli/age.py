"""An age, as options of commands take it."""

import click

from worker.core.instant import duration

# As long as `[retention] keep` may be.
_OLDEST_MS = 36_500 * 86_400_000


def age(_ctx: click.Context, _option: click.Parameter, text: str | None) -> int | None:
    """The callback of an option: ms; ``None`` where it was not given."""
    if text is None:
        return None
    try:
        age_ms = duration(text)
    except (ValueError, OverflowError):
        raise click.BadParameter("write a number with a unit, as in 30d, 12h or 90d12h") from None
    if not 0 < age_ms <= _OLDEST_MS:
        raise click.BadParameter("write an age of more than nothing, of 36500d at most")
    return age_ms

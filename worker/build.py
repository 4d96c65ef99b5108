"""Which build of cdpoll this is: its version and, where it was installed or packaged, the commit it was made of."""

from pathlib import Path

from worker import __version__

_NOTED = Path(__file__).with_name("build.txt")
"""Written by `make install` and `make deb`; a checkout has none."""


def build_version() -> str:
    """Such as ``0.1.0+g1a2b3c4d5e6f``; of a checkout ``0.1.0``."""
    try:
        commit = _NOTED.read_text().strip()
    except OSError:
        return __version__
    return f"{__version__}+{commit}" if commit else __version__


VERSION = build_version()

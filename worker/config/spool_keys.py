"""The table of the keys of ``[spool]``: the folder where others leave ids and batch files."""

from worker.config.kinds import FOLDER, span
from worker.config.table import Key, Section

DEFAULT_PATH = "/var/spool/cdpoll"

SPOOL = Section(
    "spool",
    "The folder of this machine where others leave ids and batch files. With this section the daemon takes what is "
    "left there; see docs/integration.md.",
    (
        Key(
            "path",
            FOLDER,
            DEFAULT_PATH,
            "The folder. Files are left in `in` below it, and go from there to `done` or to `bad`.",
        ),
        Key("every", span("100ms", "1h"), "2s", "How often it is looked at."),
        Key(
            "keep_done",
            span("0s", "3650d"),
            "7d",
            "How long files stay in `done`; they may hold patient data. With 0s they are removed at once.",
        ),
    ),
    optional=True,
)

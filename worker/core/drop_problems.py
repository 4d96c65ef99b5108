"""Those problems of the drop that are warnings, for the list in problems.py."""

from worker.core.problem_kind import Kind

DROP_KINDS = (
    Kind(
        "sftp",
        "warning",
        "the drop cannot be read",
        "`status` names the cause and its cure",
        "batch.md#looking-at-it",
    ),
    Kind(
        "sftp_stale",
        "warning",
        "no good round over the drop for {lasting}, though it is to be read every {every}{under_way}",
        "`cdpoll files` lists what waits; if nothing moves, restart the daemon",
        "batch.md#looking-at-it",
    ),
    Kind(
        "sftp_files",
        "warning",
        "{named}",
        "cdpoll tries again",
        "operations.md#when-single-files-of-the-drop-make-trouble",
        unnamed="files of the drop cannot be fetched, moved or deleted: `cdpoll status` names them; cdpoll tries again",
    ),
)

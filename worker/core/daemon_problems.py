"""The problems of daemons: that none polls, or that one of several does not. See problems.py."""

from worker.core.problem_kind import Kind

_SEVERAL = "operations.md#several-daemons"

DAEMON_KINDS = (
    Kind(
        "daemon_down",
        "critical",
        "no daemon is polling",
        "start it (systemctl start cdpoll, or cdpoll run); if it does not start, `cdpoll config check` says why",
        "operations.md#the-service",
    ),
    Kind(
        "daemon_restarts",
        "critical",
        "the daemon was started {n} times within minutes, and ended each time in the middle of its work",
        "its log says why (journalctl -u cdpoll); this is over when it has run for 5 minutes",
        "operations.md#the-service",
    ),
    Kind(
        "daemon_stuck",
        "critical",
        "process {pid} has finished no pass for {lasting}",
        "restart it (systemctl restart cdpoll); its log says what it did last (journalctl -u cdpoll)",
        "operations.md#the-service",
    ),
    Kind(
        "daemon_silent",
        "warning",
        "{silent}, while others poll",
        "look at that host, and start it there (systemctl start cdpoll); where it is gone for good, "
        "`cdpoll problems ack daemon_silent`: it is forgotten after a week",
        _SEVERAL,
    ),
    Kind(
        "daemon_name_taken",
        "warning",
        "another process works under the name of this daemon: {other}",
        "give each daemon a name of its own: [store] daemon, and restart it",
        _SEVERAL,
    ),
    Kind(
        "daemon_versions",
        "warning",
        "daemons of different versions of cdpoll work side by side: {versions}",
        "bring all hosts to one version",
        _SEVERAL,
    ),
)

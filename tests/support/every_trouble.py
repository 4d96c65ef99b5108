"""Each kind of problem, as the parts of cdpoll leave it in the database, and how it ends."""

from tests.support.troubles import DAY, FAR, TROUBLES, Made, failing

# What stands for the present time in the statements below.
NOW = ":now"

_META = "INSERT OR REPLACE INTO meta (key, value) VALUES ('{0}', {1})"


def _noticed(code: str) -> Made:
    return Made(f"INSERT INTO notices (code, at, detail) VALUES ('{code}', {NOW}, 'what: cure')", "DELETE FROM notices")


def _meta(key: str, value: str) -> Made:
    return Made(_META.format(key, value), f"DELETE FROM meta WHERE key = '{key}'")


def _way(state: str, name: str = "w") -> str:
    """A way out that was used, in this state."""
    return (
        f"INSERT INTO ways (name, position, began_at, failures, last_at, stopped_at, reason)"
        f" VALUES ('{name}', 99, 1, 3, 1, {state}, 'it answered 410')"
    )


_LETTER = (
    "INSERT INTO deliveries (way, number, result, task, state, next_at, first_at, error)"
    " VALUES ('w', 1, (SELECT max(seq) FROM results), 1, '{0}', 1, 1, 'http_410')"
)
_NO_WAY = "DELETE FROM ways"
_OLD_DUE = f"UPDATE tasks SET due_at = {NOW} - {2 * DAY} WHERE seq < 3 AND state = 'pending'"
_NOT_DUE = f"UPDATE tasks SET due_at = {FAR} WHERE state = 'pending'"

# The drop was just read, as long as nothing else is said.
DROP_IS_WELL = _META.format("sftp_rounds", f"json_object('since', 1, 'good_at', {FAR})")
DROP_IS_STALE = Made(_META.format("sftp_rounds", "json_object('since', 1, 'good_at', 1)"), DROP_IS_WELL)

# By code: what the database shows while a daemon lives.
LIVING: dict[str, Made] = {
    **TROUBLES,
    **{
        code: _noticed(code)
        for code in (
            *("lane_stuck", "damaged_text", "internal_fault", "sftp_auth_partial", "deliver_stuck", "deliver_fault"),
            *("deliver_reload_refused", "files_lost", "files_recovered", "coverage_withdrawn", "reload_refused"),
            "clock_jumped",
        )
    },
    **{code: failing(code) for code in ("other_tenant", "internal", "damaged_id")},
    "sftp_files": Made(
        "INSERT INTO remote_files (name, shown, size, mtime, seen_at, state, error, attempts)"
        " VALUES (x'61', 'MUELLER.x12', 1, 1, 1, 'seen', 'permission', 3)",
        "DELETE FROM remote_files",
    ),
    "callback_mismatch": Made(
        "UPDATE tasks SET callback_at = 1, verified = 'differs' WHERE seq = 5",
        "UPDATE tasks SET callback_at = NULL, verified = NULL",
    ),
    "callback_unconfirmed": Made(
        f"UPDATE tasks SET verify_at = {FAR}, failures = 3, last_error = 'http_422' WHERE seq = 5",
        "UPDATE tasks SET verify_at = NULL, failures = 0, last_error = NULL",
    ),
    "spool_bad": Made("UPDATE spool SET bad = 3, bad_since = 1", "UPDATE spool SET bad = 0, bad_since = NULL", 3),
    "spool_stuck": Made("UPDATE spool SET last_error = 'what; cure'", "UPDATE spool SET last_error = NULL"),
    "callbacks_down": Made("UPDATE callback_lane SET down_since = 1", "UPDATE callback_lane SET down_since = NULL"),
    "lookup_expired": Made(
        "INSERT INTO lookups (correlation_id, ref, recorded_at, state, ended_at) VALUES ('c', '', 1, 'expired', 1)",
        "DELETE FROM lookups",
    ),
    "lookup_doubtful": Made(
        "INSERT INTO lookups (correlation_id, ref, recorded_at, state, ended_at, last_error)"
        " VALUES ('c', 'R', 1, 'found', 1, 'doubtful_ref')",
        "DELETE FROM lookups",
    ),
    "backfill_failing": Made(
        "UPDATE backfill SET failures = 3, last_error = 'http_403'",
        "UPDATE backfill SET failures = 0, last_error = NULL",
    ),
    "budget_spent": Made(f"UPDATE api SET day = {NOW} / {DAY}, spent = 5000", "UPDATE api SET spent = 0"),
    "no_links": _meta("responses_without_task", f"json_object('count', 12, 'since', {NOW})")._replace(concerns=12),
    "not_rewritten": _meta("retention", "json_object('rows', 7, 'since', 1)")._replace(concerns=7),
    "deliver_not_running": Made(
        f"{_way('NULL')}; {_LETTER.format('failed')}; UPDATE ways SET failures = 0",
        _NO_WAY,
    ),
    "delivery_stopped": Made(_way("1"), _NO_WAY),
    "delivery_failing": Made(
        f"{_way('NULL')}; {_LETTER.format('failed')};"
        + _META.format("deliver:cdpoll", f"json_object('pid', 1, 'version', '1', 'started_at', 1, 'beat_at', {NOW})"),
        f"{_NO_WAY}; DELETE FROM meta WHERE key = 'deliver:cdpoll'",
    ),
    "delivery_dead": Made(f"{_way('NULL')}; {_LETTER.format('dead')}", _NO_WAY),
}

# The others, each with the test that causes it.
ELSEWHERE = {
    "database_denied": "daemon/test_every_problem.py::test_a_database_that_new_commands_may_not_open",
    "daemon_restarts": "daemon/test_problem_watch.py::"
    "test_a_daemon_that_is_started_again_and_again_is_told_apart_from_one_that_is_down",
    **{
        code: f"daemon/test_several_daemons.py::{test}"
        for code, test in (
            ("daemon_silent", "test_one_that_dies_beside_another_is_a_warning_and_no_daemon_down"),
            ("daemon_name_taken", "test_two_processes_under_one_name_say_so"),
            ("daemon_versions", "test_versions_side_by_side_are_told"),
        )
    },
    "snapshot_old": "store/test_old_snapshots.py::test_a_snapshot_that_is_held_is_told_with_its_cure",
    "daemon_down": "cli/test_status.py::test_a_living_daemon_then_none",
    "daemon_stuck": "daemon/test_manners.py::test_a_daemon_that_finishes_no_pass_is_stuck_and_one_that_is_gone_is_down",
    "not_run": "daemon/test_problem_watch.py::"
    "test_where_a_timer_runs_it_no_daemon_is_missed_but_work_that_waits_for_a_day",
    "database_unwritable": "daemon/test_problem_watch.py::"
    "test_a_database_that_cannot_be_written_is_a_problem_with_its_cause",
    "backlog": "daemon/test_every_problem.py::test_a_backlog",
    "sftp_stale": "daemon/test_every_problem.py::test_a_drop_that_is_not_read_any_more",
    **dict.fromkeys(
        ("disk_full", "disk_low", "disk_read_only", "disk_unreadable"),
        "daemon/test_every_problem.py::test_what_the_machine_says_of_the_disk",
    ),
}
BACKLOG = Made(_OLD_DUE, _NOT_DUE, 2)

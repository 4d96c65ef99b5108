"""What a monitor is pinged, in the grammar of healthchecks.io."""

from worker.core.alerts import WELL_EVERY_MS, Alert, Ping, Pinged, alert_of, next_ping
from worker.core.problem_kind import Severity
from worker.core.problems import Problem
from worker.core.standing import Shown, Standing

NOW = 1_800_000_000_000
REFUSED = Problem("api_credentials", 1, "the credentials are refused")
DOWN = Problem("sftp_auth", 1, "the login is refused")
OVERDUE = Problem("overdue", 3, "3 tasks pending")
IGNORED = Problem("overdue", 3, "3 tasks pending, and a person knows")


class AMonitor:
    """A monitor that hears everything."""

    def __init__(self, least: Severity = "critical") -> None:
        self.now, self.least, self.known = NOW, least, Pinged()
        assert self.look() == Ping("start", "cdpoll started\n")

    def look(self, *stands: Problem, later: int = 15_000) -> Ping | None:
        self.now += later
        alerts = [Alert(one, acked=one is IGNORED) for one in stands]
        found = next_ping(self.known, alerts, self.least, self.now)
        if found is None:
            return None
        ping, self.known = found
        return ping


def test_while_all_is_well_once_a_minute() -> None:
    told = AMonitor()
    assert told.look() == Ping("well", "all is well\n")
    assert [told.look() for _ in range(3)] == [None] * 3
    assert told.look() == Ping("well", "all is well\n")
    told.now -= 86_400_000  # the clock was set back
    assert told.look() == Ping("well", "all is well\n")


def test_an_alert_fails_at_once_and_nothing_is_well_until_it_is_over() -> None:
    told = AMonitor()
    told.look()
    assert told.look(REFUSED) == Ping("fail", "critical: api_credentials: the credentials are refused\n")
    assert told.look(REFUSED, later=10 * WELL_EVERY_MS) is None
    more = told.look(REFUSED, DOWN)
    assert more is not None
    assert (more.path, more.body.count("critical: ")) == ("/fail", 2)
    assert told.look(DOWN) == Ping("log", "over: api_credentials\n")
    assert told.look() == Ping("well", "over: sftp_auth\n")
    assert told.look() is None


def test_a_warning_is_a_note_and_all_else_is_well() -> None:
    told = AMonitor()
    told.look()
    line = "warning: overdue (3): 3 tasks pending\n"
    assert told.look(OVERDUE) == Ping("log", line)
    assert told.look(OVERDUE, later=WELL_EVERY_MS) == Ping("well", line)
    assert told.look() == Ping("log", "over: overdue\n")


def test_a_warning_fails_where_it_is_to_be_an_alert() -> None:
    told = AMonitor("warning")
    told.look()
    assert told.look(OVERDUE) == Ping("fail", "warning: overdue (3): 3 tasks pending\n")
    assert told.look() == Ping("well", "over: overdue\n")


def test_what_is_acknowledged_is_neither_over_nor_told() -> None:
    told = AMonitor("warning")
    told.look()
    assert told.look(IGNORED) is None
    told.look(OVERDUE)
    well = told.look(IGNORED)
    assert well == Ping("well", "all is well\n")
    assert told.look() is None
    told.look(IGNORED)
    again = told.look(OVERDUE)
    assert again is not None
    assert again.kind == "fail", "it has grown"


def test_the_paths_are_those_of_the_grammar() -> None:
    assert [Ping(kind, "").path for kind in ("start", "well", "fail", "log")] == ["/start", "", "/fail", "/log"]


def test_no_name_of_a_file_goes_out() -> None:
    for code in ("sftp_files", "files_lost"):
        alert = alert_of(Shown(Problem(code, 1, "SMITH_19800101.x12 cannot be fetched"), Standing(code, 1, 1)))
        assert "SMITH" not in alert.problem.hint
        assert alert.problem.hint
        assert alert.acked

"""What stands, since when, and what the log tells of it, from what is found at one time and another."""

from dataclasses import replace

from worker.core.problems import KINDS, Key, Problem, hint, kind_of, problem, worst_first
from worker.core.standing import QUIET_MS, Standing, Told, follow, shown

NOW = 1_800_000_000_000
Rows = dict[Key, Standing]


def at(code: str, count: int = 1) -> Problem:
    return Problem(code, count, "what to do")


def said(told: list[Told]) -> list[tuple[str, str]]:
    return [(one.what, one.problem.code) for one in told]


def acked(rows: Rows, code: str, count: int) -> Rows:
    return {**rows, (code, ""): rows[code, ""]._replace(acked_n=count, acked_by="ann", acked_at=NOW)}


def test_one_that_lasts_is_told_when_it_begins_and_a_minute_after_its_end() -> None:
    rows, told = follow({}, [at("overdue", 3)], NOW)
    assert said(told) == [("begins", "overdue")]
    rows, told = follow(rows, [at("overdue", 5)], NOW + 600_000)
    assert (said(told), rows["overdue", ""].began_at, rows["overdue", ""].n) == ([], NOW, 5)
    rows, told = follow(rows, [], NOW + 900_000)
    assert said(told) == []
    rows, told = follow(rows, [], NOW + 900_000 + QUIET_MS)
    assert (said(told), told[0].lasted, rows) == ([("over", "overdue")], 900_000, {})


def test_one_that_comes_and_goes_is_two_lines() -> None:
    rows: Rows = {}
    lines = []
    for n in range(200):
        rows, told = follow(rows, [at("api_rate_limited")] if n % 2 == 0 else [], NOW + n * (QUIET_MS - 1) // 2)
        lines += said(told)
    _, told = follow(rows, [], NOW + 200 * QUIET_MS)
    assert lines + said(told) == [("begins", "api_rate_limited"), ("over", "api_rate_limited")]


def test_a_second_one_after_a_quiet_minute_is_told_again() -> None:
    rows, _ = follow({}, [at("api_unreachable")], NOW)
    rows, _ = follow(rows, [], NOW + 1000)
    rows, _ = follow(rows, [], NOW + 1000 + QUIET_MS)
    rows, told = follow(rows, [at("api_unreachable")], NOW + 120_000)
    assert (said(told), rows["api_unreachable", ""].began_at) == ([("begins", "api_unreachable")], NOW + 120_000)


def test_what_only_counts_when_it_lasts_is_not_told_before() -> None:
    lasting = KINDS["backlog"].lasting_ms
    rows, told = follow({}, [at("backlog")], NOW)
    assert (said(told), shown(rows, [at("backlog")], NOW)) == ([], [])
    gone, told = follow(rows, [], NOW + 1000)
    assert (gone, told) == ({}, [])
    rows, told = follow(rows, [at("backlog")], NOW + lasting)
    assert said(told) == [("begins", "backlog")]
    (one,) = shown(rows, [at("backlog")], NOW + lasting)
    assert one.problem.since == NOW
    assert shown({}, [at("backlog")], NOW) == []


def test_what_a_pause_may_yet_explain_is_shown_at_once_and_logged_when_it_lasts() -> None:
    waits = KINDS["failing"].logged_after_ms
    failing = at("failing_http_503")
    rows, told = follow({}, [failing], NOW)
    assert (said(told), len(shown(rows, [failing], NOW))) == ([], 1)
    assert follow(rows, [], NOW + 1000) == ({}, []), "and its end is no line either"
    rows, told = follow(rows, [failing], NOW + waits)
    assert said(told) == [("begins", "failing_http_503")]


def test_an_acknowledged_one_is_hidden_until_it_grows() -> None:
    rows, _ = follow({}, [at("abandoned", 3)], NOW)
    rows, told = follow(acked(rows, "abandoned", 3), [at("abandoned", 3)], NOW + 1)
    assert told == []
    assert [one.acked is not None for one in shown(rows, [at("abandoned", 3)], NOW + 1)] == [True]
    assert [one.acked is not None for one in shown(rows, [at("abandoned", 4)], NOW + 1)] == [False]
    rows, told = follow(rows, [at("abandoned", 4)], NOW + 2)
    assert (said(told), rows["abandoned", ""].acked_n) == ([("grows", "abandoned")], None)
    rows, told = follow(rows, [at("abandoned", 3)], NOW + 3)
    assert shown(rows, [at("abandoned", 3)], NOW + 3)[0].acked is None, "it has grown: the acknowledgement is gone"


def test_fewer_than_acknowledged_are_the_new_measure() -> None:
    rows, _ = follow({}, [at("abandoned", 9)], NOW)
    rows, _ = follow(acked(rows, "abandoned", 9), [at("abandoned", 2)], NOW + 1)
    _, told = follow(rows, [at("abandoned", 5)], NOW + 2)
    assert said(told) == [("grows", "abandoned")]


def test_one_that_returns_after_its_end_is_not_acknowledged_any_more() -> None:
    rows, _ = follow({}, [at("abandoned", 3)], NOW)
    rows, _ = follow(acked(rows, "abandoned", 3), [], NOW + 1)
    rows, _ = follow(rows, [], NOW + 1 + QUIET_MS)
    rows, told = follow(rows, [at("abandoned", 1)], NOW + 2 * QUIET_MS)
    assert (said(told), rows["abandoned", ""].acked_n) == ([("begins", "abandoned")], None)


def test_a_clock_that_was_set_back_lets_nothing_begin_in_the_future() -> None:
    rows, _ = follow({}, [at("overdue")], NOW)
    rows, _ = follow(rows, [at("overdue")], NOW - 86_400_000)
    assert rows["overdue", ""].began_at == NOW - 86_400_000


def test_the_same_problem_of_two_daemons_is_two() -> None:
    here, there = replace(at("disk_low"), daemon="a"), replace(at("disk_low"), daemon="b")
    rows, told = follow({}, [here, there], NOW)
    assert [(one.what, one.problem.key) for one in told] == [
        ("begins", ("disk_low", "a")),
        ("begins", ("disk_low", "b")),
    ]
    rows = {**rows, here.key: rows[here.key]._replace(acked_n=1, acked_by="ann", acked_at=NOW)}
    assert [one.acked is not None for one in shown(rows, [here, there], NOW + 1)] == [True, False]
    rows, _ = follow(rows, [there], NOW + 1)
    _, told = follow(rows, [there], NOW + 1 + QUIET_MS)
    assert [(one.what, one.problem.key) for one in told] == [("over", ("disk_low", "a"))]


# --- the list


def test_codes_made_of_others_have_a_kind() -> None:
    assert kind_of("failing_http_503").code == "failing"
    assert kind_of("sftp_connect").code == "sftp"
    assert kind_of("sftp_auth").severity == "critical"
    assert (kind_of("of_a_later_release").severity, kind_of("of_a_later_release").words) == (
        "warning",
        "of_a_later_release",
    )


def test_the_hint_names_a_command_that_finds_them() -> None:
    found = problem("failing_http_503", 3, cause=" with HTTP 503", error="http_503", cure="ask the vendor")
    said = "polls of 3 tasks keep failing with HTTP 503: cdpoll tasks --failing http_503 lists them; ask the vendor"
    assert found.hint == said
    assert problem("abandoned").hint.startswith("1 task ")
    assert (
        hint("a is not fetched: it changes", "cdpoll tries again") == "a is not fetched: it changes; cdpoll tries again"
    )


def test_critical_ones_come_first() -> None:
    assert [one.code for one in worst_first([at("abandoned"), at("overdue"), at("disk_full")])] == [
        "disk_full",
        "overdue",
        "abandoned",
    ]

"""What the plots of the status page show, and that each can be read without its colours."""

import re
from typing import Any

from worker.core.measures import SLOT_MS, Measures
from worker.store.views.verdicts import Installation
from worker.web.figures import deliveries, pending_by_age, polls_and_limit, time_to_result
from worker.web.look import Look
from worker.web.plots import Axis, Plot, bars, columns, counts_up_to, lines

NOW = 1_780_012_800_000 + 18 * 3_600_000


def a_look(
    measures: Measures | None = None, ways: list[dict[str, Any]] | None = None, groups: dict[str, int] | None = None
) -> Look:
    picture = {"daemon": {"started_at": "2026-05-29T12:00:00Z"}, "deliveries": {"ways": ways or []}}
    ages = [{"up_to": name, "n": n} for name, n in (groups or {}).items()]
    return Look(NOW, picture, Installation(True, daemon=True), {} if measures is None else measures.told(), ages)


def test_everything_is_drawn_in_the_colour_of_the_text_and_small() -> None:
    axis = counts_up_to(7)
    drawn = [
        columns([("a", 3), ("b", 0)]),
        bars([("a", (5.0, 2.0)), ("b", (7.0, 0.0))], axis, (0.3, 0.9)),
        lines([([(0.0, 1.0), (1.0, None), (2.0, 3.0)], "none"), ([(0.0, 7.0)], "4 3")], Axis([0, 2], str), axis),
    ]
    for svg in drawn:
        assert set(re.findall(r'(?:fill|stroke)="([^"]*)"', svg)) <= {"currentColor", "none"}
        assert "font" not in svg
        assert not re.search(r"\d\.\d\d\d", svg)
    assert drawn[1].count("<rect") == 3  # no bar of no length
    assert ['opacity="0.3"' in drawn[1], 'opacity="0.9"' in drawn[1]] == [True, True]
    assert drawn[2].count("<path") == 3  # the first line is broken once
    assert drawn[2].count("stroke-dasharray") == 1


def test_an_axis_ends_at_a_round_number() -> None:
    ticks = {most: list(counts_up_to(most).ticks) for most in (0, 1, 4, 5, 37, 1_000_000)}
    assert ticks == {
        0: [0, 1],
        1: [0, 1],
        4: [0, 1, 2, 3, 4],
        5: [0, 2, 4, 6],
        37: [0, 10, 20, 30, 40],
        1_000_000: [0, 500_000, 1_000_000],
    }


def test_pending_tasks_are_told_by_age() -> None:
    plot = pending_by_age(a_look(groups={"1 h": 1200, "30 d": 0, "older": 3}))
    assert plot.said == "1203 tasks pending, by when they were recorded; 3 of them more than 30 d ago."
    assert plot.rows == (("≤ 1 h", "1,200"), ("≤ 30 d", "0"), ("older", "3"))
    assert pending_by_age(a_look(groups={"older": 0})) == Plot(plot.title, "No task is pending.")
    assert pending_by_age(a_look()) == Plot(plot.title, "They are not counted yet.")


def test_a_time_to_result_is_that_within_which_half_and_nine_tenths_came() -> None:
    measures = Measures()
    for seconds in (5, 7, 20, 20, 200, 200, 200, 200, 200, 10_000_000):
        measures.time_to_result["rtcob"].add(seconds)
    measures.time_to_result["unseen"].add(10_000_000)
    plot = time_to_result(a_look(measures))
    assert plot.rows == (("rtcob", "10", "5 min", "5 min"), ("not seen", "1", "more than 7 d", "more than 7 d"))
    assert "Since the daemon was started, 6 h ago." in plot.said
    assert time_to_result(a_look(Measures())).svg == time_to_result(a_look()).svg == ""


def test_polls_are_told_by_hour_and_a_time_without_a_daemon_is_a_gap() -> None:
    measures = Measures()
    for ago, polls in ((9, 600), (8, 600), (2, 30), (0, 0)):
        measures.polls["pending"] += polls
        measures.sample(NOW - ago * SLOT_MS, 2.0)
    plot = polls_and_limit(a_look(measures))
    assert plot.rows == (("16:00", "1,200", "120"), ("17:00", "30", "120"), ("18:00", "0", "120"))
    assert "1230 polls since 16:30 UTC" in plot.said
    assert plot.svg.count("<path") == 6


def test_what_is_not_delivered_is_stacked_and_ways_in_order_are_left_out() -> None:
    idle = {"name": "idle", "behind": 0, "failed": 0, "dead": 0, "delivered": 9}
    busy = {"name": "a-name-that-is-rather-long-1", "behind": 5, "failed": 2, "dead": 1, "delivered": 0}
    plot = deliveries(a_look(ways=[idle, busy, {**busy, "name": "a-name-that-is-rather-long-2"}]))
    assert [row[0] for row in plot.rows] == ["idle", busy["name"], "a-name-that-is-rather-long-2"]
    assert plot.rows[1][1:] == ("5", "2", "1", "0")
    assert plot.svg.count("<rect") == 6
    assert ">idle<" not in plot.svg
    assert deliveries(a_look(ways=[idle])).said == "Nothing waits to be delivered."
    assert deliveries(a_look()).said == "No way out is configured."

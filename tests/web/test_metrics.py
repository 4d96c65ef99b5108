"""`/metrics`: what it says with a living daemon and without one, closed label sets, and nothing of patients."""

import re
import subprocess

import pytest

from cli.metrics_page import RULES, TARGET, markdown, rules
from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, begin, until
from tests.support.database import conclude
from tests.support.loop_by_hand import loop_by_hand
from tests.support.planted import MARKERS, plant
from tests.support.served import numbers, served
from worker.config import load
from worker.core.problems import KINDS
from worker.daemon.problem_watch import EVERY_MS
from worker.store.opening import open_store
from worker.web.look import look
from worker.web.metrics import METRICS, exposition

FAMILY = re.compile(r"^# TYPE (\w+) (\w+)$", re.MULTILINE)


def test_the_page_and_the_rules_are_what_the_tables_say() -> None:
    assert TARGET.read_text(encoding="utf-8") == markdown(), "run `python -m cli.metrics_page`"
    assert RULES.read_text(encoding="utf-8") == rules(), "run `python -m cli.metrics_page`"


def test_each_problem_has_an_alert_with_its_cure() -> None:
    written = rules()
    for code, kind in KINDS.items():
        rule = written.partition(f'expr: "cdpoll_problems{{code=\\"{code}\\"}} > 0"')[2].partition("- alert:")[0]
        assert f"severity: {kind.severity}" in rule
        assert re.search(r'summary: "cdpoll: .+"\n +cure: ".+"\n', rule), code
    assert "{" not in re.sub(r'expr: ".*"', "", written)


@pytest.mark.system
def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{len(KINDS) + 2} rules found" in done.stdout


@pytest.mark.system
def test_promtool_finds_nothing_wrong_with_the_metrics(house: House, sandbox: Sandbox) -> None:
    text = of_a_living_daemon(house, sandbox)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def of_a_living_daemon(house: House, sandbox: Sandbox) -> str:
    house.write(polling_daily_budget="1000")
    house.record(*begin(sandbox, 2))
    with house.start("--until-idle") as daemon:
        assert daemon.end() == 0
    with house.start() as daemon, served(house) as web:
        daemon.ready()
        house.record(*begin(sandbox, 3, first=2))
        until(lambda: web.metrics().get('cdpoll_tasks{state="concluded"}') == 5, "5 results", daemon.process)
        assert web.stopped() == 0
        assert daemon.stopped() == 0
    return exposed(house)


def exposed(house: House) -> str:
    config = load(str(house.config), {})
    told = look(config, house.value("SELECT coalesce(max(beat_at), 0) FROM daemons"))
    return exposition(told, "")[0].decode()


def test_with_a_living_daemon_polls_are_counted_and_measured(house: House, sandbox: Sandbox) -> None:
    house.write(polling_daily_budget="1000")
    house.record(*begin(sandbox, 3), "unknown")
    with loop_by_hand(house) as by:

        def concluded() -> bool:
            by.clock.advance(200)
            by.loop.step()
            return bool(house.value("SELECT count(*) FROM tasks WHERE state = 'concluded'") == 3)

        until(concluded, "results")
        by.clock.advance(EVERY_MS)
        by.loop.step()
        text = exposition(look(load(str(house.config), {}), by.clock.now()), "")[0].decode()
    told = numbers(text)
    assert told["cdpoll_daemon_up"] == told["cdpoll_database_readable"] == 1
    assert told['cdpoll_tasks{state="concluded"}'] == told['cdpoll_tasks_concluded{outcome="failure"}'] == 3
    polls = sum(n for name, n in told.items() if name.startswith("cdpoll_polls_total"))
    assert told["cdpoll_poll_duration_seconds_count"] == polls
    assert told['cdpoll_poll_duration_seconds_bucket{le="+Inf"}'] == polls
    assert told["cdpoll_result_delay_seconds_count"] <= 3  # not of those that had ended when they were recorded
    assert told["cdpoll_poll_lateness_seconds_count"] >= polls
    assert told["cdpoll_limiter_budget_left"] == 1000 - told["cdpoll_limiter_requests_today"]
    assert told["cdpoll_token_expiry_timestamp_seconds"] > told["cdpoll_daemon_start_timestamp_seconds"]
    assert told['cdpoll_problems{code="daemon_down",severity="critical"}'] == 0
    assert {name for name, _ in FAMILY.findall(text)} == {one.name for one in METRICS}


def test_without_a_daemon_the_database_is_read_and_the_problem_told(house: House) -> None:
    house.record("a", "b")
    with served(house) as web:
        told = web.metrics()
    assert told["cdpoll_daemon_up"] == 0
    assert told['cdpoll_tasks{state="pending"}'] == 2
    assert told['cdpoll_problems{code="daemon_down",severity="critical"}'] == 1
    assert not [name for name in told if name.startswith(("cdpoll_polls_total", "cdpoll_poll_duration"))]


def test_where_there_is_no_database_that_is_told(house: House) -> None:
    with served(house) as web:
        told = web.metrics()
    assert told["cdpoll_database_readable"] == 0
    assert "cdpoll_daemon_up" not in told


def test_a_code_of_a_family_counts_as_the_family(house: House) -> None:
    house.record("a", "b")
    house.rows("UPDATE tasks SET failures = 3, last_error = 'http_500', last_poll_at = recorded_at")
    assert 'cdpoll_problems{code="failing",severity="warning"} 2.0' in exposed(house)


def test_no_label_has_an_id_or_anything_of_patients(house: House) -> None:
    with open_store(house.database, create=True) as store:
        plant(store, house.folder)
        ids = [row["id"] for row in store.read("SELECT id FROM tasks")]
    text = exposed(house)
    assert len(ids) >= 2
    assert [marker for marker in MARKERS if marker in text] == []
    assert [one for one in ids if f'="{one}"' in text] == []
    labels = {name for found in re.findall(r"\{([^}]*)\}", text) for name in re.findall(r'(\w+)="', found)}
    known = {label for one in METRICS for label in one.labels} | {"le"}
    assert labels <= known


def test_the_ways_out_have_their_deliveries(house: House) -> None:
    house.record("a")
    with open_store(house.database) as store:
        conclude(store, {"id": "a", "status": "failure"})
    house.ways = {"mirth": {"kind": "directory", "path": str(house.folder)}}
    house.write()
    text = exposed(house)
    assert 'cdpoll_deliveries{state="waiting",way="mirth"} 1.0' in text
    assert 'cdpoll_delivered_total{way="mirth"} 0.0' in text
    assert 'cdpoll_way_stopped{way="mirth"} 0.0' in text


def test_openmetrics_is_given_to_whom_it_is_asked(house: House) -> None:
    house.record("a")
    with served(house) as web:
        plain = web.get("/metrics", Accept="text/plain")
        other = web.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert plain.headers["content-type"].startswith("text/plain")
    assert other.headers["content-type"].startswith("application/openmetrics-text")
    assert other.text.endswith("# EOF\n")

"""The status page and that of a task: what they say in good days and bad ones, and what they never say."""

import json
import sqlite3
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from hashlib import sha256

import pytest
from flask.testing import FlaskClient

from tests.support.cdpoll_process import House
from tests.support.database import conclude
from tests.support.html import Read
from tests.support.kept_log import KeptLog
from tests.support.loop_by_hand import ByHand, loop_by_hand
from tests.support.planted import FILE, MARKERS, plant
from worker.clock import Clock
from worker.config import load
from worker.core.measures import MOST_SLOTS, PATHS, SLOT_MS, Measures
from worker.core.problems import KINDS, Problem
from worker.store.opening import open_store
from worker.store.state import notices, summary_file
from worker.store.views import status
from worker.store.views.facts import facts
from worker.store.views.verdicts import verdicts
from worker.web import app as web_app
from worker.web import look as looking
from worker.web.intake.serving import app_of
from worker.web.look import Look, look

HOUR = 3_600_000
HOSTILE = "<script>alert(1)</script>\"'&<b>"


def client(house: House, now: Callable[[], int] | None = None) -> FlaskClient:
    return app_of(load(str(house.config), {}), None, now or Clock().now, KeptLog()).test_client()


def page(house: House, now: Callable[[], int] | None = None) -> Read:
    got = client(house, now).get("/")
    assert got.status_code == 200, got.text
    return Read(got.text)


@contextmanager
def living(house: House) -> Iterator[ByHand]:
    """A daemon that lives in this process, and has made a pass."""
    with loop_by_hand(house) as by:
        by.loop.step()
        yield by


def seen(house: House, by: ByHand) -> Look:
    return look(load(str(house.config), {}), by.clock.now())


def test_with_a_living_daemon_it_says_what_status_says(house: House) -> None:
    house.record("a", "b")
    with living(house) as by:
        here = seen(house, by)
        read = page(house, by.clock.now)
    assert here.picture is not None
    told = verdicts(here.picture, here.installed, here.now)
    for name, one in told.items():
        assert f"{name.capitalize()} {one.state} {one.words}" in read.text
    for name, said in facts(here.picture, told["work"].words, here.installed, here.now):
        assert f"{name} {' '.join(said.split())}" in read.text
    assert "Nothing: there is no problem." in read.text
    assert "2 tasks pending, by when they were recorded" in read.text


def test_nothing_is_loaded_nothing_is_written_and_the_style_is_the_one_that_is_allowed(house: House) -> None:
    house.record("a")
    got = client(house).get("/")
    tags = Read(got.text).tags
    assert {tag for tag, _ in tags} & {"script", "img", "link", "iframe", "form", "input", "button", "object"} == set()
    assert [name for _, attributes in tags for name in attributes if name in ("src", "style", "srcset")] == []
    links = {attributes["href"] for tag, attributes in tags if tag == "a"}
    assert all(link is not None and link.startswith("/") for link in links)
    style = got.text.partition("<style>")[2].partition("</style>")[0]
    assert b64encode(sha256(style.encode()).digest()).decode() in got.headers["Content-Security-Policy"]
    assert "unsafe" not in got.headers["Content-Security-Policy"]
    assert "url(" not in style
    assert got.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in got.headers
    for path in ("/", "/tasks/a"):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            assert client(house).open(path, method=method).status_code == 405


def test_without_a_database_that_is_said_in_a_line(house: House) -> None:
    read = page(house)
    assert "The database cannot be read: " in read.text
    assert client(house).get("/tasks/a").status_code == 503
    assert not house.database.exists()


def test_before_the_first_task_that_is_said(house: House) -> None:
    with living(house) as by:
        text = page(house, by.clock.now).text
    assert "No task was recorded yet: cdpoll record makes the first." in text
    assert "No task is pending." in text
    assert "No result has come since the daemon was started" in text


def test_without_a_daemon_it_is_read_from_the_database(house: House) -> None:
    house.record("a", "b")
    text = page(house).text
    assert "Work STOPPED the daemon never ran here; 2 tasks pending, " in text
    assert "daemon_down CRITICAL" in text
    assert "2 tasks pending, by when they were recorded" in text
    assert text.count("No daemon lives, and it alone counts this.") == 2


def test_a_locked_database_is_told_by_the_summary(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.record("a")
    monkeypatch.setattr(looking, "TIMEOUT_S", 0.05)
    with living(house) as by, closing(sqlite3.connect(house.database, isolation_level=None)) as other:
        by.store.close()
        other.execute("BEGIN EXCLUSIVE")
        text = page(house, by.clock.now).text
        assert client(house, by.clock.now).get("/tasks/a").status_code == 503
        other.execute("ROLLBACK")
    assert "The database cannot be read: " in text
    assert "What follows is what the daemon last wrote of it." in text
    assert "Work flowing 1 task pending" in text
    assert "1 task pending, by when they were recorded" in text
    assert "No daemon lives" not in text


@pytest.mark.parametrize("broken", [b"", b"{", b'{"format": 1}'])
def test_a_broken_summary_does_no_harm(house: House, broken: bytes) -> None:
    house.record("a")
    with living(house) as by:
        summary_file.beside(house.database).write_bytes(broken)
        text = page(house, by.clock.now).text
    assert "1 task pending" in text
    assert "No daemon lives" in text


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [("picture", "api", 5), ("picture", "traffic", {}), ("measures", "duration", {}), ("measures", "slots", [1])],
)
def test_a_summary_of_another_form_is_left_aside(house: House, section: str, key: str, value: object) -> None:
    house.record("a")
    with living(house) as by:
        place = summary_file.beside(house.database)
        told = json.loads(place.read_text())
        told[section][key] = value
        place.write_text(json.dumps(told))
        asked = client(house, by.clock.now)
        got = {path: asked.get(path) for path in ("/", "/metrics", "/readyz")}
    assert [one.status_code for one in got.values()] == [200, 200, 200]
    assert "1 task pending" in Read(got["/"].text).text
    assert 'cdpoll_tasks{state="pending"} 1.0' in got["/metrics"].text


def test_the_most_severe_problem_is_first_with_its_number_since_when_and_cure(house: House) -> None:
    house.record("a")
    house.rows("INSERT INTO unreadable (raw, reason, ref, first_at, last_at) VALUES ('x', 'odd', '', 1, 1)")
    with living(house) as by:
        with by.store.write():
            notices.put(by.store, "damaged_text", "bits have changed", by.clock.now())
        by.clock.advance(HOUR)
        by.loop.step()
        by.clock.advance(HOUR)
        by.loop.step()
        text = page(house, by.clock.now).text
    assert text.index("damaged_text CRITICAL for 1 h") < text.index("unreadable warning for 2 h")
    assert "bits have changed" in text
    assert "cdpoll unreadable list shows what" in text


def test_tasks_that_need_a_person_are_listed_with_links(house: House) -> None:
    house.record("late", "failing", "gone", "well")
    house.rows("UPDATE tasks SET life_from = 1 WHERE id = 'late'")
    house.rows("UPDATE tasks SET failures = 7, last_error = 'http_503' WHERE id = 'failing'")
    house.rows("INSERT INTO failed_polls (task, at, error) SELECT seq, 1, 'http_503' FROM tasks WHERE id <> 'late'")
    house.rows("UPDATE tasks SET state = 'abandoned', due_at = NULL, abandoned_at = recorded_at WHERE id = 'gone'")
    asked = client(house)
    read = Read(asked.get("/").text)
    links = [str(attributes["href"]) for tag, attributes in read.tags if tag == "a"]
    tasks = [link for link in links if link.startswith("/tasks/")]
    assert tasks == ["/tasks/failing", "/tasks/late", "/tasks/gone"]
    assert "failing 7 failures in a row, HTTP 503" in read.text
    for link in tasks:
        assert asked.get(link).status_code == 200


def worst(here: Look) -> Look:
    """With every problem, 20 ways out in trouble, and a day of measures."""
    assert here.picture is not None
    measures = Measures()
    for n in range(MOST_SLOTS):
        measures.polls["pending"] += 40 + n * 37 % 90
        measures.sample(here.now - (MOST_SLOTS - n) * SLOT_MS, 1 + n % 7 / 10)
    for path in PATHS:
        for n in range(100):
            measures.time_to_result[path].add(4.0**n % 700_000)
    problems = [Problem(code, 12, f"{kind.words}: {kind.cure}", 1) for code, kind in KINDS.items()]
    way = {"kind": "directory", "position": 1, "behind": 12_345, "failed": 678, "dead": 90, "delivered": 10**6}
    way |= {"resting_until": "2030-01-01T00:00:00Z", "stopped": False, "reason": "HTTP 503", "last_at": None}
    ways = [way | {"name": f"billing-system-number-{n}"} for n in range(20)]
    picture = {
        **here.picture,
        "problems": status.told(problems),
        "deliveries": {**here.picture["deliveries"], "ways": ways},
    }
    ages = [{**one, "n": 10**n} for n, one in enumerate(here.pending_ages)]
    return replace(here, picture=picture, measures=measures.told(), pending_ages=ages)


def test_the_worst_day_fits_into_50_kilobytes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.record("a", "b")
    with living(house) as by:
        here = worst(seen(house, by))
        monkeypatch.setattr(web_app, "look", lambda *_: here)
        got = client(house, by.clock.now).get("/")
    read = Read(got.text)
    assert all(code in read.text for code in KINDS)
    assert len([tag for tag, _ in read.tags if tag == "svg"]) == 4
    assert "billing-system-number-19 12,345 678 90 1,000,000" in read.text
    assert len(got.data) < 50_000


def test_what_does_not_fit_is_left_out_and_that_is_said(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ways on which most waits are kept, the first problems, and of an endless text its beginning."""
    house.record("a")
    with living(house) as by:
        here = worst(seen(house, by))
        picture = here.picture
        assert picture is not None
        quiet = picture["deliveries"]["ways"][0] | {"behind": 0, "failed": 0, "dead": 0}
        ways = [quiet | {"name": f"quiet-{n}"} for n in range(200)] + picture["deliveries"]["ways"]
        more = [one | {"hint": "w" * 100_000} for one in picture["problems"]] * 10
        ways = [way | {"reason": "r" * 100_000} for way in ways]
        picture = picture | {"problems": more, "deliveries": {**picture["deliveries"], "ways": ways}}
        monkeypatch.setattr(web_app, "look", lambda *_: replace(here, picture=picture))
        got = client(house, by.clock.now).get("/")
    read = Read(got.text)
    assert len(got.data) < 50_000
    assert " more: cdpoll problems list has all" in read.text
    assert "ways out and 200 on which less waits: cdpoll status has all" in read.text
    assert "billing-system-number-19 12,345 678 90 1,000,000" in read.text
    assert "quiet-0" not in read.text


def test_a_task_with_an_endless_text_is_cut(house: House) -> None:
    house.record("a")
    house.rows("UPDATE tasks SET last_error = ?", f"http_{'z' * 100_000}")
    house.rows(
        "INSERT INTO history (task, at, event, detail) SELECT seq, 1, ?, ? FROM tasks", "e" * 9999, "d" * 100_000
    )
    asked = client(house)
    for path in ("/", "/tasks/a"):
        assert len(asked.get(path).data) < 50_000


def test_texts_of_others_are_shown_as_texts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.record("a")
    house.rows("UPDATE tasks SET id = ?, failures = 3, last_error = ?", HOSTILE, f"http_403_{HOSTILE}")
    house.rows("INSERT INTO failed_polls (task, at, error) SELECT seq, 1, 'odd' FROM tasks")
    house.rows("INSERT INTO history (task, at, event, detail) SELECT seq, 1, ?, ? FROM tasks", HOSTILE, HOSTILE)
    with living(house) as by:
        here = seen(house, by)
        assert here.picture is not None
        way = {"name": HOSTILE, "kind": HOSTILE, "behind": 1, "failed": 1, "dead": 1, "delivered": 0, "stopped": True}
        way |= {"reason": HOSTILE, "last_at": None, "resting_until": None}
        told = status.told([Problem("failing_odd", 1, f"`{HOSTILE}` {HOSTILE}")])
        picture = {**here.picture, "problems": told, "deliveries": {"ways": [way]}, "database": HOSTILE}
        monkeypatch.setattr(web_app, "look", lambda *_: replace(here, picture=picture))
        asked = client(house, by.clock.now)
        first = Read(asked.get("/").text)
        (link,) = [str(one["href"]) for tag, one in first.tags if tag == "a" and str(one["href"]).startswith("/tasks/")]
        second = Read(asked.get(link).text)
    for read in (first, second):
        assert HOSTILE in read.text
        assert {tag for tag, _ in read.tags} & {"script"} == set()


def test_nothing_of_patients_and_no_name_of_a_file_is_on_any_page(house: House) -> None:
    with open_store(house.database, create=True) as store:
        plant(store, house.folder)
        with store.write():
            notices.put(store, "files_lost", f"gone from the drop: {FILE}", Clock().now())
    secret = (house.folder / "secret").read_text()
    asked = client(house)
    pages = [asked.get(path).text for path in ("/", "/tasks/a", "/tasks/b")]
    with living(house) as by:
        pages += [client(house, by.clock.now).get("/").text]
    assert "files_lost" in pages[0]
    assert "successful" in pages[1]
    assert [marker for marker in (*MARKERS, secret) for text in pages if marker in text] == []


def test_a_task_is_told_by_its_life(house: House) -> None:
    house.record("a")
    with open_store(house.database) as store:
        conclude(store, {"id": "a", "status": "failure", "discoveryPaths": {"unsuccessful": [
            {"name": "HMO", "transaction": {"status": "payer_unavailable"}},
            {"name": "PPO", "transaction": {"status": "payer_unavailable"}},
            {"name": "Odd", "transaction": {"status": "PATIENT SMITH"}},
        ]}})  # fmt: skip
    read = Read(client(house).get("/tasks/a").text)
    assert "Task a state concluded: failure" in read.text
    assert "unsuccessful the payer gave no answer 2" in read.text
    assert "unsuccessful another status 1" in read.text
    assert "recorded: from id" in read.text
    assert "HMO" not in read.text
    assert "SMITH" not in read.text


def test_the_next_poll_is_told_with_its_reason(house: House) -> None:
    house.record("a")
    text = Read(client(house).get("/tasks/a").text).text
    assert "why then the first poll" in text
    assert "polls none yet" in text


def test_a_doubled_slash_is_no_redirect(house: House) -> None:
    house.record("a")
    assert client(house).get("/tasks//a").status_code == 404


@pytest.mark.parametrize(
    "path", ["/tasks/unknown", "/tasks/a%00b", "/tasks/%3Cb%3E", "/tasks/..%2Fa", "/tasks/" + "x" * 3000]
)
def test_an_unknown_id_is_404_in_plain_words(house: House, path: str) -> None:
    house.record("a")
    got = client(house).get(path)
    assert got.status_code == 404
    assert "No task of this id is recorded here." in Read(got.text).text

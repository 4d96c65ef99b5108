"""``cdpoll backfill``: a sweep by hand, over HTTP, beside what the daemon does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from sandbox.wire import Reply, Request
from tests.support.cdpoll_process import House, begin, until
from worker.clock import Clock

KEYS = ["from", "to", "reached", "complete", "dry_run", "pages", "received", "recorded", "known", "foreign", "skipped"]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Clock()) as made:
        yield made


@pytest.fixture
def house(tmp_path: Path, sandbox: Sandbox) -> House:
    made = House(tmp_path, sandbox)
    made.record("known-elsewhere")
    return made


def ids(house: House) -> set[str]:
    return {i for (i,) in house.rows("SELECT id FROM tasks WHERE source = 'backfill'")}


def test_what_is_not_recorded_is_recorded_and_repeating_is_harmless(house: House, sandbox: Sandbox) -> None:
    begun = begin(sandbox, 150)
    house.record(*begun[:10])
    before = house.rows("SELECT * FROM backfill")
    told = house.cdpoll("backfill", "--from", "1h", "--dry-run", "--json", check=0).json
    assert list(told) == KEYS
    assert (told["dry_run"], told["recorded"], told["known"], ids(house)) == (True, 140, 10, set())
    ended = house.cdpoll("backfill", "--from", "1h", check=0)
    assert "150 tasks listed: 140 recorded, 10 known already" in ended.text
    assert ids(house) == set(begun[10:])
    told = house.cdpoll("backfill", "--from", "1h", "--json", check=0).json
    assert (told["received"], told["recorded"], told["known"], told["complete"]) == (150, 0, 150, True)
    assert told["reached"] == told["to"]
    assert house.rows("SELECT * FROM backfill") == before, "the daemon's own sweep goes on from its own checkpoint"


def test_it_is_narrowed_by_what_is_given_and_by_whose_rows_they_are(house: House, sandbox: Sandbox) -> None:
    begin(sandbox, 3)
    told = house.cdpoll("backfill", "--from", "1h", "--name", "Nothing*", "--json", check=0).json
    assert (told["received"], told["skipped"], told["recorded"]) == (3, 3, 0)
    told = house.cdpoll("backfill", "--from", "1h", "--correlation-id", "c-1", "--json", check=0).json
    assert (told["received"], told["recorded"]) == (0, 0), "the vendor is asked for it alone"
    house.write(backfill_tenant_names="Someone Else")
    told = house.cdpoll("backfill", "--from", "1h", "--json", check=0).json
    assert (told["foreign"], told["recorded"], ids(house)) == (3, 0, set())
    told = house.cdpoll("backfill", "--from", "2026-01-01", "--to", "2026-01-02", "--json", check=0).json
    assert (told["from"], told["to"], told["received"]) == ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", 0)


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("forbidden@list", 77, "HTTP 403"),
        ("token_refused", 77, "when a token was asked for"),
        ("429:600@list", 75, "HTTP 429"),
        ("500@list", 69, "HTTP 500"),
        ("wrong_tenant@list", 69, "another tenant"),
    ],
)
def test_what_ends_it(house: House, sandbox: Sandbox, fault: str, code: int, words: str) -> None:
    begin(sandbox, 3)
    house.write(api_tenant_id=sandbox.account.tenant_id)
    sandbox.set_faults(fault)
    ended = house.cdpoll("backfill", "--from", "1h", "--json", check=code)
    assert words in ended.err
    assert (ended.json["complete"], ended.json["received"], ids(house)) == (False, 0, set())


def test_what_was_recorded_before_a_failure_stays_and_the_way_on_is_told(house: House, sandbox: Sandbox) -> None:
    begun = begin(sandbox, 120)
    answer, asked = sandbox.vendor.answer, []

    def once(request: Request, now: int) -> Reply:
        asked.append(request)
        if len(asked) == 3:  # a token, a page, and this
            sandbox.set_faults("forbidden@list")
        return answer(request, now)

    sandbox.vendor.answer = once  # type: ignore[method-assign]
    ended = house.cdpoll("backfill", "--from", "1h", check=77)
    assert len(ids(house)) >= 100
    assert ids(house) <= set(begun)
    assert "go on with --from 20" in ended.err


def test_it_waits_for_its_slots_beside_a_living_daemon(house: House, sandbox: Sandbox) -> None:
    begun = begin(sandbox, 130, "SBX-NEVER")
    house.record(*begun[:40])
    house.write(polling_requests_per_second="40", polling_burst="4", polling_max_in_flight="2")
    with house.start() as daemon:
        daemon.ready()
        until(lambda: house.value("SELECT count(*) FROM tasks WHERE polls > 0"), "a poll")
        started = sandbox.requests.total()
        began_at = sandbox.clock.now()
        house.cdpoll("backfill", "--from", "1h", check=0)
        asked, took = sandbox.requests.total() - started, sandbox.clock.now() - began_at
        assert daemon.stopped() == 0
    assert ids(house) == set(begun[40:])
    assert asked <= 40 * (took / 1000) + 4 + 2, "those under way when the count began"


def test_a_paused_api_is_not_asked(house: House, sandbox: Sandbox) -> None:
    house.rows("UPDATE api SET reason = 'credentials', code = 'http_401', paused_at = 1, resumes_at = 1, probes = 1")
    ended = house.cdpoll("backfill", "--from", "1h", check=77)
    assert "the API is paused: HTTP 401" in ended.err
    assert sandbox.requests.total() == 0
    house.rows("UPDATE api SET reason = NULL, code = NULL, paused_at = NULL, resumes_at = NULL")
    house.write(polling_daily_budget="1")
    house.rows("UPDATE api SET day = 99999, spent = 1")
    assert "daily_budget is spent" in house.cdpoll("backfill", "--from", "1h", check=75).err


@pytest.mark.parametrize("times", [("--from", "1h", "--to", "2h"), ("--from", "2099-01-01"), ("--from", "soon"), ()])
def test_times_that_make_no_window(house: House, times: tuple[str, ...]) -> None:
    house.cdpoll("backfill", *times, check=2)


def test_without_an_api_there_is_nothing_to_ask(house: House) -> None:
    house.write(api_base_url="", api_client_id="", api_client_secret="", api_timeout="")
    assert "base_url, client_id and client_secret are missing" in house.cdpoll("backfill", "--from", "1h", check=78).err

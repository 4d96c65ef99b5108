"""The faults: their text, when they strike, and what each does to an answer."""

import contextlib
import gzip
import json
import re
from email.utils import parsedate_to_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import examples
from sandbox.catalogue import FAULTS
from sandbox.faults import help_text, parse
from sandbox.quirks import QUIRKS
from sandbox.server import Sandbox
from tests.support.frozen_clock import FrozenClock
from tests.support.sandbox_client import MINUTE, START, Rig

HEALTH = "/healthcheck"


def statuses(rig: Rig, path: str, count: int) -> list[int]:
    return [rig.get(path).status_code for _ in range(count)]


# The text.


def test_a_text_with_everything() -> None:
    rules = parse("expired=0.05, 429:90=2%@/coverage-discovery ,503=3x@GET@10m-1h10m,404=2each,reset=.5@token@-5m")
    assert [(r.fault.name, r.argument, r.share, r.first, r.each) for r in rules] == [
        ("expired", "", 0.05, None, False),
        ("429", "90", 0.02, None, False),
        ("503", "", 1.0, 3, False),
        ("404", "", 1.0, 2, True),
        ("reset", "", 0.5, None, False),
    ]
    assert [(r.path, r.method, r.only, r.begin, r.end) for r in rules] == [
        ("", "", "", 0, None),
        ("/coverage-discovery", "", "", 0, None),
        ("", "GET", "", 10 * MINUTE, 70 * MINUTE),
        ("", "", "", 0, None),
        ("", "", "token", 0, 5 * MINUTE),
    ]
    assert parse("") == parse(" , ") == []


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ValueError) as caught:
        parse("exipred,429=2,503@10m-5m,cut:3,slow:soon@somewhere,gzip_bomb:x=,=,expired@token,404=1y")
    lines = str(caught.value).splitlines()
    assert lines[0] == "exipred: there is no fault 'exipred'; did you mean expired?"
    assert lines[1] == "429=2: '2' is not an amount: write a share (0.05 or 5%), 3x or 3each"
    assert lines[2] == "503@10m-5m: '10m-5m' ends before it begins"
    assert lines[3] == "cut:3: this fault takes no argument"
    assert [line.partition(":")[0] for line in lines[4:]] == [
        "slow", "slow", "gzip_bomb", "gzip_bomb", "=", "404=1y",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="did you mean reset"):
        Sandbox(FrozenClock(), faults="rest")


@given(st.text(max_size=40))
def test_any_text_is_understood_or_refused_in_words(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert all(rule.fault.name in text for rule in parse(text))


def test_the_help_names_every_fault_on_a_line_of_its_own() -> None:
    lines = help_text().splitlines()
    for name, fault in FAULTS.items():
        assert [line for line in lines if re.match(rf"  {re.escape(name)} ", line)] == [
            next(line for line in lines if line.endswith(fault.summary) and line.split()[0] == name)
        ]
    assert {f.name for f in FAULTS.values() if f.kind == "body"} == set(QUIRKS)
    assert any("AMOUNT" in line for line in lines)


# When they strike.


def test_counts_in_all_and_for_each_path() -> None:
    with Rig("503=2x@/healthcheck,404_then_found") as rig:
        assert statuses(rig, HEALTH, 4) == [503, 503, 200, 200]
        for n in (1, 2):
            path = f"/coverage-discovery/{rig.task(n=n, words='NOW')}"
            assert statuses(rig, path, 5) == [404, 404, 404, 200, 200]
        assert rig.sandbox.mischief.seen == {"503": 2, "404_then_found": 6}


def test_a_window_in_the_vendors_time() -> None:
    with Rig("503@10m-70m", speed=60) as rig:
        for after, status in ((0, 200), (9_999, 200), (10_000, 503), (69_999, 503), (70_000, 200)):
            rig.clock.at = START + after
            rig.ask_token()
            assert rig.get(HEALTH).status_code == status


def test_a_window_counts_from_the_first_request_and_not_from_the_sandboxes_own_checks() -> None:
    with Rig("503@10m-70m", speed=60) as rig:
        rig.sandbox.check(examples.real_time_request(1, 1, "NOW"))
        for after, status in ((50_000, 200), (59_999, 200), (60_000, 503), (119_999, 503), (120_000, 200)):
            rig.clock.at = START + after
            rig.ask_token()
            assert rig.get(HEALTH).status_code == status


def test_its_own_checks_meet_the_faults_of_links_and_ids_alone() -> None:
    with Rig("503,forbidden,html,cut,odd_ids,link_full_path", check=False) as rig:
        said = rig.sandbox.check(examples.real_time_request(1, 1, "NOW"))
        (task,) = rig.sandbox.tasks
        assert (len(task.id), said.startswith("HTTP/1.1 200 OK\r\n")) == (35, True)
        assert f"link: </rcm/eligibility/v1/coverage-discovery/{task.id}>" in said


def test_places() -> None:
    with Rig("500@/coverage-discovery/,503@POST,429@token=1x") as rig:
        task_id = "any"
        assert rig.ask_token().status_code == 429
        assert rig.get(f"/coverage-discovery/{task_id}").status_code == 500
        assert rig.get("/coverage-discovery").status_code == 200
        assert rig.call("POST", "/coverage-discovery", examples.discovery_request(1)).status_code == 503
        assert rig.sandbox.tasks == []


def test_a_share_is_drawn_from_the_seed_and_not_from_the_order() -> None:
    def seen(seed: int, order: int) -> dict[str, list[int]]:
        with Rig("500=30%", seed=seed) as rig:
            found: dict[str, list[int]] = {}
            for path in [HEALTH, "/transactions", "/coverage-discovery"][::order] * 40:
                found.setdefault(path, []).append(rig.get(path).status_code)
            return found

    first = seen(1, 1)
    assert first == seen(1, -1) != seen(2, 1)
    assert 20 <= sum(rows.count(500) for rows in first.values()) <= 52


def test_the_body_of_a_task_is_odd_for_good() -> None:
    with Rig("no_status=50%", check=False) as rig:
        odd = []
        for n in range(30):
            task_id = rig.task("NOW", n)
            looks = {"status" in rig.body(task_id) for _ in range(3)}
            assert len(looks) == 1
            odd.append(looks.pop())
        assert 5 <= sum(odd) <= 25


def test_faults_can_be_switched_while_it_runs() -> None:
    with Rig("503") as rig:
        assert rig.get(HEALTH).status_code == 503
        rig.sandbox.set_faults("")
        assert rig.get(HEALTH).status_code == 200
        with pytest.raises(ValueError):
            rig.sandbox.set_faults("nonsense")
        assert rig.get(HEALTH).status_code == 200


# In place of the answer.


def test_an_expired_token_stays_expired() -> None:
    with Rig("expired=1x") as rig:
        first = rig.get(HEALTH)
        assert (first.status_code, first.json()["error"]) == (401, "access_token_expired")
        assert rig.get(HEALTH).json()["error"] == "access_token_expired"
        rig.ask_token()
        assert rig.get(HEALTH).status_code == 200


def test_a_wrong_product_is_not_cured_by_a_new_token() -> None:
    with Rig("invalid_product") as rig:
        for _ in range(2):
            rig.ask_token()
            assert rig.get(HEALTH).json()["error"] == "invalid_product"


@pytest.mark.parametrize(
    ("fault", "speed", "retry_after"),
    [
        ("429", 1, "30"),
        ("429:120", 1, "120"),
        ("429:120", 60, "2"),
        ("429:5", 60, "1"),
        ("429_date:60", 1, "Thu, 01 Jan 2026 00:01:00 GMT"),
        ("429_bare", 1, None),
        ("503", 1, None),
        ("503_after", 1, "60"),
    ],
)
def test_retry_after(fault: str, speed: float, retry_after: str | None) -> None:
    with Rig(fault, speed=speed, check=False) as rig:
        reply = rig.get(HEALTH)
        assert reply.status_code == int(fault[:3])
        assert isinstance(reply.json(), list)
        assert reply.headers.get("retry-after") == retry_after
        assert parsedate_to_datetime(reply.headers["date"]).timestamp() * 1000 == START


def test_token_faults() -> None:
    with Rig("token_down=1x,token_refused=1x") as rig:
        assert rig.ask_token().status_code == 503
        assert rig.ask_token().json()["error"] == "invalid_client"
        assert rig.ask_token().status_code == 200


@pytest.mark.parametrize(
    ("fault", "expires_in"),
    [("expires_missing", None), ("expires_string", "3600"), ("expires_zero", 0), ("expires_tiny:3", 3)],
)
def test_what_expires_in_may_be(fault: str, expires_in: object) -> None:
    with Rig(fault) as rig:
        assert rig.ask_token().json().get("expires_in") == expires_in
        assert rig.get(HEALTH).status_code == 200


def test_a_token_that_lives_shorter_than_it_says() -> None:
    with Rig("expires_lie:7") as rig:
        assert rig.ask_token().json()["expires_in"] == 3600
        rig.clock.at += 6_999
        assert rig.get(HEALTH).status_code == 200
        rig.clock.at += 1
        assert rig.get(HEALTH).status_code == 401


# Spoiled answers and connections.


def test_spoiled_answers() -> None:
    with Rig("", check=False) as rig:
        path = f"/coverage-discovery/{rig.task('NOW-FOUND')}"
        plain = rig.get(path)

        def spoiled(fault: str) -> httpx.Response:
            rig.sandbox.set_faults(fault)
            return rig.get(path)

        assert spoiled("wrong_tenant").headers["x-optum-tenant-id"] != rig.sandbox.account.tenant_id
        for fault, status in (("html", 200), ("502", 502)):
            reply = spoiled(fault)
            assert (reply.status_code, reply.headers["content-type"]) == (status, "text/html")
            assert reply.text.startswith("<!DOCTYPE html>")
            assert "x-optum-tenant-id" not in reply.headers
        assert spoiled("redirect").headers["location"] == "https://elsewhere.invalid/"
        assert spoiled("redirect:http://127.0.0.2:9/x").headers["location"] == "http://127.0.0.2:9/x"
        assert spoiled("empty").content == b""
        cut_short = spoiled("truncated").content
        assert plain.content.startswith(cut_short)
        assert len(cut_short) < len(plain.content)
        assert isinstance(spoiled("not_object").json(), str)
        with pytest.raises(UnicodeDecodeError):
            spoiled("not_utf8").content.decode()
        with pytest.raises(RecursionError):
            json.loads(spoiled("deep").content)
        packed = spoiled("gzip")
        assert (packed.headers["content-encoding"], packed.json()) == ("gzip", plain.json())
        assert len(spoiled("oversized:2").content) == len(plain.content) + 2 * 1024 * 1024


def test_a_gzip_bomb_is_small_and_right() -> None:
    with Rig("gzip_bomb:20", check=False) as rig:
        rig.ask_token()
        with rig.http.stream(
            "GET", rig.sandbox.base_url + HEALTH, headers={"authorization": f"Bearer {rig.token}"}
        ) as reply:
            raw = b"".join(reply.iter_raw())
        assert len(raw) < 50_000
        unpacked = gzip.decompress(raw)
        assert json.loads(unpacked) == {"status": "ok"}
        assert len(unpacked) == 15 + 20 * 1024 * 1024


def test_broken_connections() -> None:
    with Rig("reset=1x,cut=1x@/healthcheck") as rig:
        rig.ask_token()
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            rig.get(HEALTH)
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
            rig.get(HEALTH)
        assert rig.get(HEALTH).status_code == 200
        assert rig.sandbox.requests["healthcheck", 0] == 1
        assert rig.sandbox.requests["healthcheck", 200] == 2


@pytest.mark.parametrize(
    ("fault", "speed", "waited"),
    [("slow:20s", 1, 20_000), ("slow:20s", 10, 2_000), ("drip:1s", 1, 15_000), ("drip:1s", 10, 1_500)],
)
def test_slow_answers(fault: str, speed: float, waited: int) -> None:
    with Rig(fault, speed=speed) as rig:
        assert rig.get(HEALTH).json() == {"status": "ok"}
        assert rig.clock.waited == waited


def test_dripping_headers() -> None:
    with Rig("drip_headers:1s") as rig:
        reply = rig.get(HEALTH)
        head = sum(len(name) + len(value) + 4 for name, value in reply.headers.raw) + len("HTTP/1.1 200 OK\r\n\r\n")
        assert rig.clock.waited == (head + 15) * 1000


def test_a_spoiled_post_has_happened_all_the_same() -> None:
    with Rig("502", check=False) as rig:
        assert rig.call("POST", "", examples.real_time_request(1, 1, "ONE")).status_code == 502
        assert len(rig.sandbox.tasks) == 1


# De-duplication, which a customer can have.


def test_deduplication_replays_the_answer_and_its_tasks() -> None:
    request = examples.real_time_request(1, 1, "TWO")
    with Rig("dedup:1h") as rig:
        first = rig.call("POST", "", request, x_optum_correlation_id="first")
        again = rig.call("POST", "", request, x_optum_correlation_id="again")
        assert again.headers["link"] == first.headers["link"]
        assert (again.json()["sourceType"], again.json()["sourceId"]) == ("duplicate", first.json()["id"])
        assert again.json()["correlationId"] == "again"
        assert again.json()["id"] != first.json()["id"]
        assert len(rig.sandbox.tasks) == 2
        off = rig.call("POST", "", request, x_optum_eligibility_disable_value_add="deduplication")
        assert off.json()["sourceType"] == "new"
        rig.clock.at += 61 * MINUTE
        rig.ask_token()
        assert rig.call("POST", "", request).json()["sourceType"] == "new"
    with Rig() as rig:
        assert rig.call("POST", "", request).json()["sourceType"] == "new"
        assert rig.call("POST", "", request).json()["sourceType"] == "new"


def test_the_token_endpoint_refuses_in_a_form_of_its_own() -> None:
    with Rig("429:30@token,500@token=1x", check=False) as rig:
        refused = rig.http.post(rig.sandbox.token_url, json=rig.sandbox.credentials())
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
        assert refused.json() == {"error": "temporarily_unavailable", "error_description": "Too Many Requests"}

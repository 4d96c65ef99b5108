"""Where nothing was begun: the vendor refuses, or nothing is sent at all. No lookup is left behind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox import examples
from sandbox.server import Sandbox
from tests.support.cdpoll_process import NOWHERE
from tests.support.submitting import Submitting, check
from worker.store.opening import SCHEMA_VERSION


@pytest.fixture
def by(tmp_path: Path, sandbox: Sandbox) -> Submitting:
    return Submitting(tmp_path, sandbox)


@pytest.mark.parametrize(
    ("fault", "status", "code", "said"),
    [
        ("invalid_product", 401, 77, "HTTP 401 (invalid_product): nothing was begun"),
        ("expired", 401, 77, "HTTP 401 (access_token_expired): nothing was begun"),
        ("forbidden", 403, 77, "HTTP 403: nothing was begun"),
        ("429", 429, 75, "HTTP 429: nothing was begun"),
    ],
)
def test_a_refusal_ends_it_at_once(by: Submitting, fault: str, status: int, code: int, said: str) -> None:
    by.sandbox.set_faults(fault)
    ended = by.submit(check(), "--json", check=code)
    assert (ended.json["status"], ended.json["looked_for"]) == (status, False)
    assert said in ended.err
    assert by.posts == [("", status)]  # one, also for a token that is called expired
    assert by.lookups == []


def test_what_the_vendor_says_of_the_request_goes_to_standard_output_alone(by: Submitting) -> None:
    body = check()
    body["subscriber"]["gender"] = "INVENTED-GENDER"
    ended = by.submit(body, check=65)
    assert "Field 'subscriber.gender'" in ended.text
    assert (
        ended.err == "cdpoll: the vendor refuses the request: nothing was begun; its reasons are on standard output\n"
    )
    told = by.told(check(2, "NONE"), "--discovery", check=65)
    assert (told["status"], by.lookups) == (422, [])


def test_a_ref_that_is_too_long_is_told_before_anything_is_sent(by: Submitting) -> None:
    ended = by.submit(check(), "--ref", "A", "--ref", "B" * 1_001, check=65)
    assert ended.err.splitlines()[0] == "cdpoll: nothing was submitted: --ref is longer than 1,000 bytes"
    assert (by.sandbox.log, by.lookups) == ([], [])


@pytest.mark.parametrize(
    ("fault", "code"), [("token_refused", 77), ("token_down", 69), ("429@token", 75), ("invalid_product@token", 77)]
)
def test_without_a_token_nothing_is_submitted(by: Submitting, fault: str, code: int) -> None:
    by.sandbox.set_faults(fault)
    ended = by.submit(check(), check=code)
    assert ended.err.startswith("cdpoll: nothing was submitted: ")
    assert (by.posts, by.lookups, ended.out) == ([], [], b"")


def test_a_vendor_that_is_not_reached_is_told_apart_from_one_that_is_cut(by: Submitting) -> None:
    by.house.rows("DELETE FROM meta WHERE key = 'api_origin'")
    by.house.write(api_base_url=NOWHERE + "/rcm/eligibility/v1", api_token_url=by.sandbox.token_url)
    ended = by.submit(check(), "--ref", "A", check=69)
    assert ended.err.startswith("cdpoll: nothing was submitted: the connection is refused\n")
    assert by.sandbox.requests == {("token", 200): 1}
    assert by.lookups == []


def pause(reason: str, code: str, resumes_at: int) -> Callable[[Submitting], Any]:
    return lambda by: by.house.rows(
        "UPDATE api SET reason = ?, code = ?, paused_at = 1, resumes_at = ?", reason, code, resumes_at
    )


FAR = 4_000_000_000_000


@pytest.mark.parametrize(
    ("reason", "code", "exit_code"),
    [("credentials", "token_http_401", 77), ("rate_limited", "http_429", 75), ("unreachable", "connect", 69)],
)
def test_nothing_is_asked_of_an_api_that_rests(by: Submitting, reason: str, code: str, exit_code: int) -> None:
    pause(reason, code, FAR)(by)
    ended = by.submit(check(), check=exit_code)
    assert "nothing was submitted: the API is not asked until 2096-10-02T07:06:40" in ended.err
    assert (by.sandbox.log, by.lookups) == ([], [])
    pause(reason, code, 2)(by)  # the pause is due to end
    by.told(check())


def test_the_daily_budget_holds_for_submissions_too(by: Submitting) -> None:
    by.house.write(polling_daily_budget="2")
    by.told(check())  # a token and the request
    assert by.house.value("SELECT spent FROM api") == 2
    ended = by.submit(check(2), check=75)
    assert "[polling] limits the requests" in ended.err
    assert (len(by.sandbox.log), by.lookups) == (2, [])


def test_where_nothing_can_be_written_nothing_is_sent(by: Submitting) -> None:
    by.house.rows(f"PRAGMA user_version = {SCHEMA_VERSION - 1}")
    assert "run `cdpoll db migrate`" in by.submit(check(), check=74).err
    by.house.rows(f"PRAGMA user_version = {SCHEMA_VERSION}")
    by.house.rows("CREATE TRIGGER broken BEFORE INSERT ON lookups BEGIN SELECT raise(ABORT, 'broken'); END")
    by.submit(check(), check=74)
    assert by.posts == []
    by.house.rows("DROP TRIGGER broken")
    by.house.rows("UPDATE meta SET value = 'https://elsewhere.example' WHERE key = 'api_origin'")
    assert "belongs to https://elsewhere.example" in by.submit(check(), check=78).err
    by.house.database.unlink()
    by.submit(check(), check=74)
    assert by.posts == []


NO_REQUESTS: list[tuple[object, list[str], str]] = [
    ("{", [], "is not JSON"),
    ("[1]", [], "is JSON, but no object"),
    ('{"a": NaN}', [], "is not JSON"),
    ('{"a": 1, "a": 2}', [], "a key stands twice"),
    ("[" * 100_000, [], "is not JSON"),
    ("", [], "is not JSON"),
    ({"x12": "ISA"}, [], "holds X12 in JSON"),
    (examples.discovery_request(1), [], "submit it with --discovery"),
    ({"a": 1}, ["--discovery"], "neither the body of a direct discovery nor an eligibility request"),
    ("{}", ["--x12"], "is no whole X12 interchange"),
    (examples.real_time_x12_request(1)["x12"][:-20], ["--x12"], "is no whole X12 interchange"),
    (examples.real_time_x12_request(1)["x12"] * 2, ["--x12"], "holds 2 transaction sets"),
    (examples.discovery_x12_request(1)["x12-271"], ["--x12"], "is no 270"),
    (examples.real_time_x12_request(1)["x12"].replace("~TRN", "~HL*4*2*22*0~TRN"), ["--x12"], "several patients"),
]


def test_a_file_that_is_no_request_is_refused_before_anything_is_sent(by: Submitting) -> None:
    for body, args, said in NO_REQUESTS:
        assert said in by.submit(body, *args, check=65).err, said
    assert (by.sandbox.log, by.lookups) == ([], [])


def test_no_encoding_is_guessed(by: Submitting) -> None:
    path = by.house.folder / "latin-1"
    path.write_bytes(json.dumps(check(), ensure_ascii=False).replace("TEST1", "Jos\xe9").encode("latin-1"))
    assert "is not text in UTF-8: see its byte" in by.house.cdpoll("submit", str(path), check=65).err
    assert "No such file" in by.house.cdpoll("submit", str(by.house.folder / "nowhere"), check=65).err
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(check()).encode())
    by.house.cdpoll("submit", str(path), check=0)


CONTRADICTIONS = [
    ["--dry-run"],
    ["--ref", " "],
    ["--callback"],
    ["--x12-271", "x"],
    ["--x12", "--discovery"],
    ["--discovery", "--no-deduplication"],
    ["--subtenant", "a", "--no-subtenant"],
    ["--correlation-id", "a\r\nx-evil: 1"],
    ["--correlation-id", "\xe9"],
    ["--correlation-id", " a"],
    ["--correlation-id", ""],
    ["--correlation-id", "x" * 257],
    ["--subtenant", "a\nb"],
]


def test_options_that_contradict_are_refused(by: Submitting) -> None:
    for args in CONTRADICTIONS:
        assert by.submit(check(), *args, check=2).out == b"", args
    assert by.sandbox.log == []


def test_a_callback_that_is_asked_for_has_to_be_configured(by: Submitting) -> None:
    assert "[callback] public_url is not configured" in by.submit(check(), "--discovery", "--callback", check=78).err
    by.house.write(api_client_secret="")
    by.submit(check(), check=78)
    assert by.sandbox.log == []


def test_the_secret_that_systemd_has_handed_over_is_used(by: Submitting) -> None:
    by.house.write(api_client_secret="{credential secret}")
    ended = by.submit(check(), check=78)
    assert "this user cannot submit: [api] client_secret: systemd handed over no credentials" in ended.err
    assert by.sandbox.log == []
    by.house.cdpoll("submit", by.file(check()), check=0, CREDENTIALS_DIRECTORY=str(by.house.folder))


def test_an_id_that_is_in_use_is_refused(by: Submitting) -> None:
    by.told(check(), "--correlation-id", "c-1")
    ended = by.submit(check(2), "--correlation-id", "c-1", check=65)
    assert "another request has this correlation id" in ended.err
    by.house.cdpoll("record", "--lookup", "c-2", check=0)
    ended = by.submit(check(3), "--correlation-id", "c-2", check=65)
    assert "do not submit it again" in ended.err
    assert len(by.posts) == 1


def test_an_id_is_used_also_where_its_answer_named_nothing_new(by: Submitting) -> None:
    by.sandbox.set_faults("dedup")
    by.told(check(), "--correlation-id", "c-1", "--ref", "A")
    for number, ref in (("c-2", "A"), ("c-3", "B")):
        by.told(check(), "--correlation-id", number, "--ref", ref)
        ended = by.submit(check(), "--correlation-id", number, "--ref", ref, check=65)
        assert "another request has this correlation id" in ended.err
    by.told(check(4, "NONE"), "--correlation-id", "c-4", "--ref", "C")
    by.submit(check(4, "NONE"), "--correlation-id", "c-4", "--ref", "C", check=65)
    assert len(by.posts) == 4
    assert by.lookups == [(number, "", "found") for number in ("c-2", "c-3", "c-4")]

"""The request of a submission, and what its answer means."""

import json

import pytest

from tests.support.cdpoll_process import NOWHERE
from worker.core.vendor.reply import HttpAnswer
from worker.core.vendor.submission import Submission, Wish, header_trouble, json_submission
from worker.core.vendor.submitted import Answered, Submitted, Unanswered, judge_submission

TASK = "0716e3e8-87ee-11ee-b9d1-0242ac120002"
OTHER = "0e5666b4-87ee-11ee-b9d1-0242ac120002"
LINK = ("link", f"</coverage-discovery/{TASK}>; rel=related")
HTML = b"<html>Access Denied</html>"


def real_time() -> Submission:
    return json_submission(b"{}", "f", Wish("c"))


def discovery(*, dry_run: bool = False) -> Submission:
    return json_submission(b'{"subscriber": {}}', "f", Wish("c", discovery=True, dry_run=dry_run))


def judged(
    status: int, body: object, *fields: tuple[str, str], of: Submission | None = None, broken: str = ""
) -> Submitted:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return judge_submission(Answered(HttpAnswer(status, data), fields, broken), of or discovery(), None)


def ids(found: Submitted) -> list[str]:
    return [one.id for one in found.intake.recordings]


def test_a_body_that_needs_nothing_of_ours_goes_out_byte_for_byte() -> None:
    body = '{ "subscriber" : {"amount": 1.10, "name": "Jos\u00e9 \\u00e9"} }\n'.encode()
    assert json_submission(body, "f", Wish("c")).body == body
    whole = b'{"canonicalEligibilityRequest": {"n": 1.10}, "callbackUrl": null}'
    wish = Wish("c", discovery=True, callback_url=NOWHERE)
    assert json_submission(whole, "f", wish).body == whole
    wrapped = json_submission(body, "f", Wish("c", discovery=True)).body
    assert wrapped == b'{"canonicalEligibilityRequest":' + body.strip() + b"}"
    more = json_submission(body, "f", wish._replace(dry_run=True))
    assert json.loads(more.body) == {
        "canonicalEligibilityRequest": json.loads(body),
        "dryRun": True,
        "callbackUrl": NOWHERE,
    }


@pytest.mark.parametrize(("said", "dry"), [(True, True), (False, False), ("true", False)])
def test_a_body_may_itself_ask_for_a_dry_run(said: object, dry: bool) -> None:
    body = json.dumps({"canonicalEligibilityRequest": {}, "dryRun": said}).encode()
    assert json_submission(body, "f", Wish("c", discovery=True)).dry_run is dry


@pytest.mark.parametrize("text", ["", " ", "a ", " a", "a\nb", "a\rb", "a\0b", "\x7f", "\u00e9", "x" * 257])
def test_what_is_no_header_of_ours(text: str) -> None:
    assert header_trouble(text)
    assert not header_trouble("a, b-1:2 " + "x" * 247)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, ["no"], "rejected"),
        (400, HTML, "rejected"),
        (413, HTML, "rejected"),
        (422, ["no"], "rejected"),
        (422, HTML, "unclear"),
        (401, {"error": "invalid_product"}, "refused"),
        (403, ["no"], "refused"),
        (401, HTML, "unclear"),
        (403, HTML, "unclear"),
        (429, HTML, "limited"),
        (408, ["no"], "unclear"),
        (500, ["no"], "unclear"),
        (503, HTML, "unclear"),
        (302, HTML, "unclear"),
        (100, b"", "unclear"),
        (200, HTML, "unclear"),
        (202, b"", "unclear"),
        (202, {"sourceType": "new", "id": TASK}, "unclear"),
        (202, {"id": TASK, "name": "n"}, "answered"),
        (207, [], "unclear"),
    ],
)
def test_which_answers_tell_that_nothing_was_begun(status: int, body: object, kind: str) -> None:
    found = judged(status, body)
    assert (found.kind, found.ends) == (kind, kind != "unclear")


def test_a_refusal_that_names_a_task_is_unclear_and_the_task_is_recorded() -> None:
    for status in (400, 403, 429, 502):
        found = judged(status, ["no"], LINK)
        assert (found.kind, ids(found)) == ("unclear", [TASK])


def test_no_answer_is_unclear() -> None:
    assert judge_submission(Unanswered("timeout", sent=True), real_time(), None) == Submitted("unclear", "timeout")


def test_another_tenant_is_unclear_and_nothing_of_it_is_recorded() -> None:
    answer = Answered(HttpAnswer(200, b"{}", tenant_id="theirs"), (LINK,))
    assert judge_submission(answer, real_time(), "ours") == Submitted("unclear", "other_tenant")
    assert judge_submission(answer, real_time(), None).kind == "answered"


def test_of_an_answer_to_another_request_nothing_is_recorded() -> None:
    for told, kind in (("c", "answered"), ("c, c", "answered"), ("c,", "answered"), ("", "answered"), ("d", "unclear")):
        found = judged(200, {}, LINK, ("x-optum-correlation-id", told), of=real_time())
        assert (found.kind, ids(found)) == (kind, [TASK] if kind == "answered" else [])
    assert (found.code, found.ends) == ("other_request", False)
    assert [item.raw for item in found.intake.unreadable] == [f"link: {LINK[1]}"]
    assert judged(503, HTML, ("x-optum-correlation-id", "d")).code == "other_request"


@pytest.mark.parametrize(
    ("body", "broken", "fields", "kind"),
    [
        (b"{}", "", (), "answered"),
        (b"{}", "", (LINK,), "answered"),
        (b'{"a', "cut", (LINK,), "in_part"),
        (b"", "", (LINK,), "in_part"),
        (b'{"a', "cut", (), "unclear"),
        (b"[]", "", (), "unclear"),
    ],
)
def test_a_real_time_answer(body: bytes, broken: str, fields: tuple[tuple[str, str], ...], kind: str) -> None:
    found = judged(200, body, *fields, of=real_time(), broken=broken)
    assert (found.kind, ids(found)) == (kind, [TASK] * len(fields))


def test_a_check_that_is_answered_like_a_discovery_is_unclear() -> None:
    found = judged(202, {"id": TASK, "name": "n"}, of=real_time())
    assert (found.kind, found.code, found.ends, ids(found)) == ("unclear", "no_task", False, [])
    assert judged(202, {}, LINK, of=real_time()).kind == "answered"


def test_head_and_body_of_a_202_are_both_read() -> None:
    location = ("location", f"/coverage-discovery/{TASK}")
    found = judged(202, {"id": TASK, "name": "n"}, location)
    assert [(one.id, one.title, one.source) for one in found.intake.recordings] == [(TASK, "n", "submit")]
    found = judged(202, {"id": OTHER, "name": "n"}, location)
    assert (found.kind, found.code, found.ends, ids(found)) == ("unclear", "two_tasks", False, [])
    assert [item.raw for item in found.intake.unreadable] == [f"location: /coverage-discovery/{TASK}"]
    assert judged(202, b'{"id": "07', location, broken="cut").kind == "in_part"


def test_a_207() -> None:
    accepted = {"status": 202, "body": {"id": TASK, "name": "n"}, "href": f"/coverage-discovery/{TASK}"}
    refused = {"status": 422, "body": "no path qualifies"}
    assert judged(207, [accepted]).kind == "answered"
    found = judged(207, [accepted, refused])
    assert (found.kind, found.ends, ids(found)) == ("in_part", True, [TASK])
    assert [(one.status, one.id, one.reason) for one in found.items] == [
        (202, TASK, None),
        (422, None, "no path qualifies"),
    ]
    assert judged(207, [refused]).kind == "rejected"
    odd = judged(207, [accepted, {"status": 202, "body": {"id": ""}}])
    assert (odd.kind, odd.ends, ids(odd)) == ("in_part", False, [TASK])


def test_a_dry_run() -> None:
    paths = {"successful": [], "unsuccessful": [], "pending": [{"name": "Medicare"}], "more": []}
    assert judged(200, paths, of=discovery(dry_run=True)).dry_run
    assert judged(200, paths, of=discovery(dry_run=True)).kind == "answered"
    assert judged(200, paths).kind == "unclear"
    began = judged(202, {"id": TASK, "name": "n"}, of=discovery(dry_run=True))
    assert (began.dry_run, ids(began)) == (False, [TASK])

"""What is odd about the bodies and the Link headers of the sandbox, fault by fault."""

import json
import re
from typing import Any

import pytest

from sandbox import examples
from tests.support.sandbox_client import Rig

# In the body of a task.


def look(fault: str, words: str = "NOW-FOUND", count: int = 1) -> tuple[dict[str, Any], dict[str, Any]]:
    """The body of the same task without and with a fault, at the given look."""
    bodies = []
    for faults in ("", fault):
        with Rig(faults, check=False) as rig:
            task_id = rig.task(words)
            rig.task("NOW", n=2)
            for _ in range(count):
                body = rig.body(task_id)
            bodies.append(body)
    return bodies[0], bodies[1]


def paths(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [path for rows in body["discoveryPaths"].values() for path in rows]


def texts(body: dict[str, Any]) -> list[str]:
    return [p["transaction"]["x12-271"] for p in paths(body) if "x12-271" in p.get("transaction", {})]


def test_end_date_quirks() -> None:
    plain, odd = look("end_spelling")
    assert odd["endDatetime"] == plain["endDateTime"]
    assert "endDateTime" not in odd
    assert look("end_empty", "NEVER")[1]["endDateTime"] == ""
    assert look("end_null", "NEVER")[1]["endDateTime"] is None
    plain, odd = look("end_empty,nine_digits")
    assert odd["endDateTime"] == plain["endDateTime"].replace("Z", ".000000000Z")


def test_transaction_quirks() -> None:
    plain, odd = look("eligibile,payerid_change")
    assert (
        odd
        == json.loads(json.dumps(plain).replace('"eligible"', '"eligibile"').replace("chcPayerId", "payeridCHANGEME"))
        != plain
    )


def test_x12_quirks() -> None:
    for fault, same in (
        ("isa_103", lambda t: len(t.split("~")[0]) + 1 == 103 and t.split("*")[8] == "CDPOLLCLIENT"),
        ("se01", lambda t: int(re.findall(r"~SE\*(\d+)", t)[0]) != len(re.split("~(?=ST|GE)", t)[1].split("~"))),
        ("iea_newline", lambda t: t.endswith("~\n")),
        ("literal_string", lambda t: t == "string"),
        ("isa04", lambda t: len(t.split("~")[0]) + 1 == 106 and t.split("*")[3:5] == ["01", "NOTSECRET "]),
    ):
        plain, odd = look(fault)
        assert len(texts(plain)) == len(texts(odd)) > 0
        assert not any(same(text) for text in texts(plain)), fault
        assert all(same(text) for text in texts(odd)), fault


def test_path_quirks() -> None:
    plain, odd = look("same_path_id")
    assert len({p["id"] for p in paths(odd)}) == 1 < len({p["id"] for p in paths(plain)})
    plain, odd = look("same_path_name", "MINUTES")
    assert len({(p["name"], p["timestamp"]) for p in paths(odd)}) == 1 < len({p["name"] for p in paths(plain)})
    assert {tuple(p) for p in look("bare_pending", "NEVER")[1]["discoveryPaths"]["pending"]} == {("name",)}
    plain, odd = look("late_skip", "NOW-SKIPPED")
    assert {p["timestamp"] for p in paths(odd)} == {"2026-01-01T00:50:00Z"}
    assert odd["endDateTime"] == "2026-01-01T00:00:00Z"


def test_root_quirks() -> None:
    assert look("success_alone")[1] == look("success_alone")[0] | {
        "discoveryPaths": look("")[0]["discoveryPaths"] | {"successful": []}
    }
    assert look("success_alone", "NOW-NOTHING")[1]["status"] == "success"
    assert look("success_alone", "NEVER")[1]["status"] == "pending"
    assert look("unknown_status")[1]["status"] == "in_review"
    assert look("unknown_status:paused")[1]["status"] == "paused"
    assert "status" not in look("no_status")[1]
    assert "discoveryPaths" not in look("no_lists")[1]
    assert look("commas")[1]["traceId"] == look("")[0]["traceId"] + ","
    plain, odd = look("wrong_id")
    assert odd["id"] != plain["id"]
    assert odd["discoveryPaths"] != plain["discoveryPaths"]


def test_a_revision_comes_with_the_second_look_and_stays() -> None:
    plain, first = look("revised")
    _, second = look("revised", count=2)
    _, third = look("revised", count=3)
    assert first == plain
    assert second == third != plain
    assert {k: v for k, v in second.items() if k != "discoveryPaths"} == {
        k: v for k, v in plain.items() if k != "discoveryPaths"
    }


def test_the_real_time_object() -> None:
    plain, odd = look("realtime")
    assert odd["realTime"]["name"] == "Real Time"
    assert odd["realTime"]["transaction"]["status"] == "patient_unknown"
    assert {k: v for k, v in odd.items() if k != "realTime"} == plain
    assert look("realtime_empty")[1]["realTime"] == {}
    assert look("realtime_null")[1]["realTime"] is None
    assert ["realTime" in look("realtime_flicker", count=n)[1] for n in (1, 2, 3)] == [False, True, False]


def test_ids_that_are_no_uuids() -> None:
    with Rig("odd_ids", check=False) as rig:
        reply = rig.call("POST", "/coverage-discovery/x12", examples.discovery_x12_request(1, 1, "THREE"))
        for row in reply.json():
            assert re.fullmatch(r"[A-Za-z0-9._~-]{35}", row["body"]["id"])
            assert not re.fullmatch(r"[0-9a-f-]+", row["body"]["id"])
            assert rig.get(row["href"]).json()["id"] == row["body"]["id"]
            assert rig.get(row["href"].replace("~", "%7E")).json()["id"] == row["body"]["id"]


# In the Link header.


def link_lines(fault: str) -> tuple[list[str], list[str]]:
    with Rig(fault, check=False) as rig:
        reply = rig.call("POST", "", examples.real_time_request(1, 1, "TWO"))
        names = [name.decode() for name, _ in reply.headers.raw if name.lower() == b"link"]
        lines = [value.decode() for name, value in reply.headers.raw if name.lower() == b"link"]
        first, second = (task.id for task in rig.sandbox.tasks)
        lines = [s.replace(first, "1").replace(second, "2").replace(rig.sandbox.origin, "ORIGIN") for s in lines]
        return names, lines


NAMES = ('title="coverage discovery - Medicare + Commercial + RTCOB + CoverageInsight"',
         'title="coverage discovery - Medicaid + HMO"')  # fmt: skip
TARGETS = {
    "link_full_path": "</rcm/eligibility/v1/coverage-discovery/{}>",
    "link_absolute": "<ORIGIN/rcm/eligibility/v1/coverage-discovery/{}>",
    "link_foreign": "<https://elsewhere.invalid/rcm/eligibility/v1/coverage-discovery/{}>",
    "link_relative": "<coverage-discovery/{}>",
    "link_slash": "</coverage-discovery/{}/>",
    "link_query": "</coverage-discovery/{}?view=full&since=1>",
    "link_unreadable": "/coverage-discovery/{}",
}


@pytest.mark.parametrize("fault", ["", *TARGETS])
def test_link_targets(fault: str) -> None:
    target = TARGETS.get(fault, "</coverage-discovery/{}>")
    rows = [f'{target.format(n + 1)}; {NAMES[n]}; rel="related"' for n in (0, 1)]
    assert link_lines(fault) == (["link"], [", ".join(rows)])


def test_other_forms_of_the_link_header() -> None:
    one, two = "</coverage-discovery/1>", "</coverage-discovery/2>"
    rel = 'rel="related"'
    assert link_lines("link_lines") == (["link"] * 2, [f"{one}; {NAMES[0]}; {rel}", f"{two}; {NAMES[1]}; {rel}"])
    assert link_lines("link_no_title")[1] == [f"{one}; {rel}, {two}; {rel}"]
    assert link_lines("link_no_title,link_case") == (["LINK"], [f'{one}; REL="RELATED", {two}; REL="RELATED"'])
    assert link_lines("link_no_title,link_unquoted")[1] == [f"{one}; rel=related, {two}; rel=related"]
    assert link_lines("link_no_title,link_empty_members")[1] == [f"{one}; {rel} , , {two}; {rel}"]
    assert link_lines("link_order")[1] == [f"{one}; {rel}; {NAMES[0]}, {two}; {rel}; {NAMES[1]}"]
    assert r"Name, birth date; \"and\" state <x>" in link_lines("link_title_comma")[1][0]

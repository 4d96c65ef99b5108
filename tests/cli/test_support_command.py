"""``cdpoll support``: a ticket that can be pasted, and nothing of the patient in it."""

from pathlib import Path

import pytest

from tests.support.cdpoll_process import House
from tests.support.database import NOW, conclude, pending, record, task_of
from tests.support.polled_bodies import a_body, a_path, says
from worker.core.lifecycle import after
from worker.core.schedule.cadence import Schedule
from worker.core.vendor.reply import Rejected
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.tasks import failed_polls, polling

ID = "0716e3e8-87ee-11ee-b9d1-0242ac120002"


def fail(store: Store, number: int) -> None:
    """A poll of the first task that the vendor answers with 500 and a trace id of its own."""
    task = task_of(store, 1)
    failed = after(task, Rejected("http_500"), NOW + number, Schedule())
    with store.write():
        polling.save(store, task, failed._replace(last_status=500, last_trace_id=f"trace-{number}"), NOW + number)


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A task that failed seven times and ended; everything about it that may be patient data is known."""
    house = House(tmp_path, None, support_customer="St. Mary's, north", support_submitter_id="S-77")
    with open_store(house.database, create=True) as store:
        about = {"trace_number": "SECRET-TRN", "member_id": "SECRET-MEMBER", "birth_date": "1970-02-03"}
        record(store, ID, now=NOW, ref="SECRET-REF", correlation_id="corr-1", trace_id="trace-first", **about)
        for number in range(7):
            fail(store, number)
        pending(store, a_body(ID, "pending", successful=[a_path(says())]))
        body = a_body(ID, successful=[a_path(says())], real_time=says())
        meta = {"traceId": "trace-meta", "senderId": "sender", "subscriberName": "HOLDER", "billerId": {"x": 1}}
        conclude(store, body | {"traceId": "trace-body", "meta": meta})
    return house


def test_a_ticket_has_what_the_vendor_asks_for(house: House) -> None:
    told = house.cdpoll("support", ID[:6], "--json", check=0).json
    assert (told["customer"], told["submitter_id"]) == ("St. Mary's, north", "S-77")
    assert told["environment"] == "http://127.0.0.1:9"
    assert told["endpoint"] == f"GET http://127.0.0.1:9/rcm/eligibility/v1/coverage-discovery/{ID}"
    assert (told["task_id"], told["state"], told["correlation_id"]) == (ID, "concluded", "corr-1")
    assert (told["trace_id_first"], told["trace_id_body"]) == ("trace-first", "trace-body")
    assert told["statuses_seen"] == ["success"]
    assert [one["trace_id"] for one in told["failed_polls"]] == [f"trace-{n}" for n in range(2, 7)]
    assert told["failed_polls"][0] == {
        "at": "2027-01-15T08:00:00.002Z",
        "error": "http_500",
        "status": 500,
        "trace_id": "trace-2",
    }
    assert told["meta"] == {"traceId": "trace-meta", "senderId": "sender"}


def test_nothing_of_the_patient_is_in_it(house: House) -> None:
    said = house.cdpoll("support", ID, check=0).text + house.cdpoll("support", ID, "--json", check=0).text
    for word in ("SECRET", "HOLDER", "ANN", "1970", "M0001", "PLAN OF PLENTY", "Medicare"):
        assert word not in said
    assert "corr-1" in said


def test_the_text_names_each_failed_poll_and_what_is_not_set(house: House) -> None:
    ended = house.cdpoll("support", ID, check=0)
    assert "  2027-01-15T08:00:00.006Z  HTTP 500 · http_500  trace id trace-6" in ended.text.splitlines()
    assert "all times are UTC" in ended.text
    assert ended.err.strip() == "cdpoll: the vendor asks for these too; set them under [support]: environment"


def test_an_unknown_id_and_a_prefix_of_several(house: House) -> None:
    assert "no task nothing is recorded here" in house.cdpoll("support", "nothing", check=65).err
    house.cdpoll("record", ID.replace("2", "3"), check=0)
    assert "several tasks begin with 0716" in house.cdpoll("support", "0716", check=65).err
    house.cdpoll("support", check=2)


def test_of_each_task_the_newest_failures_are_kept(tmp_path: Path) -> None:
    with open_store(tmp_path / "c.db", create=True) as store:
        record(store, "a", "b")
        for number in range(9):
            fail(store, number)
        assert [row["trace_id"] for row in failed_polls.of_task(store, 1)] == [f"trace-{n}" for n in range(4, 9)]
        assert failed_polls.of_task(store, 2) == []

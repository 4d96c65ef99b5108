"""The longest texts on a real server: of what a caller gives, all that is let in; of what the vendor says, any."""

import json
import random
import re
from typing import Any

import pytest

from tests.support.batch_files import read
from tests.support.database import NOW, ORIGIN, SCHEDULE, conclude, record
from tests.support.x12_samples import ACTIVE, Segment, a_set, group, interchange, subscriber
from worker.core.intake.intake import Intake, Lookup
from worker.core.intake.json_lines import from_jsonl_line
from worker.core.intake.lengths import MOST_ORIGINATOR_ID_BYTES, MOST_REF_BYTES, MOST_TRACE_NUMBER_BYTES
from worker.core.intake.recording import MOST_CORRELATION_CHARACTERS
from worker.core.vendor.callback import CallbackRules, Delivery
from worker.rounds.callback.receive import receive
from worker.store.db.postgres import PostgresStore
from worker.store.db.store import Store
from worker.store.tasks import lookups, submissions
from worker.store.tasks.recording import record_all
from worker.store.views import expected

RULES = CallbackRules(None, "off", ORIGIN, SCHEDULE, 0)
BY_A_TEXT = re.compile(
    r"FROM (?:answers|tasks)\b.*\bWHERE .*\b(?:trace_number|reference|correlation_id) (?:=|IN)", re.DOTALL
)
INDEXES = ("tasks_correlation", "tasks_trace", "answers_trace", "answers_reference", "answers_unjoined", "files_name")


def text(characters: int, seed: int = 1, of: range = range(0x30, 0x3A)) -> str:
    """One that cannot be made shorter by much."""
    dice = random.Random(seed)
    return "".join(chr(dice.randrange(of.start, of.stop)) for _ in range(characters))


def letters(characters: int, seed: int = 1) -> str:
    return text(characters, seed, range(0x41, 0x5B))


def hand_in(store: Store, **line: str) -> None:
    intake = from_jsonl_line(json.dumps(line).encode(), place="line 1")
    assert not intake.unreadable
    record_all(store, intake, origin=ORIGIN, now=NOW, schedule=SCHEDULE)


def person(trace: str, originator: str, reference: str, member: str = "M0001") -> list[Segment]:
    changed = {"TRN": ("TRN", "2", trace, originator), "BHT": ("BHT", "0022", "11", reference, "20260304", "0930")}
    return [changed.get(one[0], one) for one in subscriber(ACTIVE, member=member)]


def a_271(*bodies: list[Segment]) -> str:
    return interchange(group(*(a_set(body, control=f"{n:04}") for n, body in enumerate(bodies, 1))))


def told(task_id: str, *texts: str, **about: Any) -> dict[str, Any]:
    paths = [{"id": "p", "name": "Medicare", "transaction": {"status": "eligible", "x12-271": one}} for one in texts]
    return {"id": task_id, "status": "success", "discoveryPaths": {"successful": paths}, **about}


def rows(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in store.read(sql)]


def test_the_longest_keys_of_a_caller_are_stored_together(server_store: Store) -> None:
    ref = letters(MOST_REF_BYTES)
    trace, originator = letters(MOST_TRACE_NUMBER_BYTES, 2), letters(MOST_ORIGINATOR_ID_BYTES, 3)
    correlation = text(MOST_CORRELATION_CHARACTERS, 4, range(0x20000, 0x2A000))  # four bytes each
    about = {"ref": ref, "trace_number": trace, "originator_id": originator, "member_id": "M0001"}
    hand_in(server_store, correlation_id=correlation, **about)
    hand_in(server_store, id="a", correlation_id=correlation, **about)
    assert rows(server_store, "SELECT ref FROM refs") == [(ref,)]
    assert rows(server_store, "SELECT correlation_id, ref, state FROM lookups") == [(correlation, ref, "found")]
    assert rows(server_store, "SELECT trace_number, originator_id, ref FROM expected") == [(trace, originator, ref)]
    assert read(server_store, a_271(person(trace, originator, "R"))).counts.matched == 1


def test_what_the_vendor_says_is_kept_whole(server_store: Store) -> None:
    trace, originator, reference, other = (text(10_000, seed) for seed in range(4))
    hand_in(server_store, id="a", trace_id=other, correlation_id=other)
    conclude(server_store, told("a", a_271(person(trace, originator, reference)), correlationId=other))
    record(server_store, "c", trace_number=trace, originator_id=originator)  # as of a 270 that was submitted
    receive(server_store, Delivery(json.dumps(told("b")).encode(), None, other, other), RULES, NOW)
    bodies = [person(trace, originator, reference, member) for member in ("M0002", "M0003")]
    report = read(server_store, a_271(*bodies))
    assert (report.state, report.counts.unmatched) == ("ingested", 2)
    kept = rows(server_store, "SELECT trace_number, originator_id, reference FROM answers")
    assert kept == [(trace, originator, reference)] * 3
    kept = rows(server_store, "SELECT id, correlation_id, trace_number FROM tasks ORDER BY id")
    assert kept == [("a", other, None), ("b", other, None), ("c", None, trace)]


def test_a_file_of_a_long_name_is_stored(server_store: Store) -> None:
    name = text(4_000)
    cut = a_271(person("T", "O", "R"))[:-20]
    assert read(server_store, cut, name).state == "incomplete"
    assert rows(server_store, "SELECT name, was_incomplete FROM files") == [(name, 1)]
    assert read(server_store, a_271(person("T", "O", "R")), name).state == "ingested"


def test_each_of_their_indexes_is_read(server_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that does not say how long the text is would read the whole table."""
    assert isinstance(server_store, PostgresStore)
    server_store.script("SET enable_seqscan = off")
    plans: list[tuple[str, str]] = []
    run: Any = PostgresStore._run

    def watched(self: PostgresStore, sql: str, params: Any) -> Any:
        if sql.split()[0] in ("SELECT", "UPDATE", "DELETE"):
            lines = run(self, f"EXPLAIN {sql}", params)
            plans.append((sql, "\n".join(row["QUERY PLAN"] for row in lines)))
        return run(self, sql, params)

    monkeypatch.setattr(PostgresStore, "_run", watched)
    hand_in(server_store, id="a", correlation_id="c", trace_number="T", originator_id="O")
    conclude(server_store, told("a", a_271(person("T", "O", "R"))))
    hand_in(server_store, ref="R", trace_number="T", originator_id="O", member_id="M0009")
    assert read(server_store, a_271(person("T", "P", "R"))).counts.unmatched == 0
    hand_in(server_store, ref="S", trace_number="T", originator_id="O", member_id="M0009")
    assert [page[0]["candidates"] for page in expected.pages(server_store)] == [1]
    record_all(server_store, Intake(lookups=(Lookup("c"),)), origin=ORIGIN, now=NOW, schedule=SCHEDULE)
    with server_store.write():
        lookups.satisfy(server_store, ["c"], NOW)
    assert submissions.use_of(server_store, "c")
    assert read(server_store, a_271(person("T", "O", "R"))[:-20]).state == "incomplete"
    for index in INDEXES:
        assert any(index in plan for _, plan in plans), index
    asked = [(sql, plan) for sql, plan in plans if BY_A_TEXT.search(sql)]
    assert len({sql for sql, _ in asked}) == 10
    assert [sql for sql, plan in asked if "<= 500" not in sql or not any(index in plan for index in INDEXES)] == []

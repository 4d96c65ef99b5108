"""One result per task, byte for byte, and what differs beside it."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from tests.support.database import DONE, NOW, conclude, concluded, record, task_of
from tests.support.engine import elsewhere
from worker.rounds.ingest.deriving import derive_missing
from worker.store import outbox
from worker.store.conclude import Source
from worker.store.conclude import conclude as conclude_task
from worker.store.db.store import Store
from worker.store.views import report as story


def test_the_body_is_kept_byte_for_byte_with_its_paths(store: Store, path: Path) -> None:
    record(store, "a")
    body = b'{"id": "a",\n "status": "success", "name": "Caf\xe9", "discoveryPaths": {}}'
    document = replace(concluded(DONE).document, body=body)
    with store.write():
        assert conclude_task(store, task_of(store, 1), document, "poll", NOW) == "first"
    sha = hashlib.sha256(body).hexdigest()
    assert elsewhere(
        path, "SELECT body, body_sha256, source, revision, outcome, received_at, ended_at FROM results"
    ) == [(body, sha, "poll", 1, "success", NOW, NOW - 1)]
    assert elsewhere(path, "SELECT list, position, name, status, payer_id FROM paths ORDER BY list") == [
        ("successful", 0, "Medicare", "eligible", "PAY"),
        ("unsuccessful", 0, "HMO", "payer_unavailable", None),
    ]
    assert story.body_of(store, "a") == body


def test_one_result_per_task_and_revisions_beside_it(store: Store, path: Path) -> None:
    record(store, "a")
    real = {"id": "rt", "transaction": {"status": "eligible"}}
    other = {**DONE, "endDateTime": "2026-01-01T00:00:00Z"}
    said: list[tuple[dict[str, Any], str, int]] = [
        (DONE, "first", 1),
        (DONE, "same", 1),
        ({**DONE, "traceId": "t", "tenantName": "n", "realTime": {}}, "same", 1),
        ({**DONE, "realTime": real}, "fuller", 1),
        (DONE, "same", 1),
        ({**DONE, "realTime": real}, "same", 1),
        (other, "revision", 2),
        (other, "same", 2),
        ({**other, "realTime": real}, "fuller", 2),
        ({**DONE, "realTime": {"id": "another"}}, "revision", 3),
        (DONE, "same", 3),
        ({**DONE, "realTime": {"id": "another"}}, "same", 3),
    ]
    for document, kept, rows in said:
        assert conclude(store, document) == kept, document
        assert elsewhere(path, "SELECT count(*), max(revision) FROM results") == [(rows, rows)]
    assert json.loads(elsewhere(path, "SELECT body FROM results WHERE revision = 1")[0][0])["realTime"] == real
    for body, sha in elsewhere(path, "SELECT body, body_sha256 FROM results"):
        assert hashlib.sha256(body).hexdigest() == sha


def test_whatever_brings_the_document_concludes_the_task(store: Store, path: Path) -> None:
    """A callback has no HTTP answer of ours, and counts no poll."""
    sources: tuple[Source, ...] = get_args(Source)
    assert len(sources) == 4
    for seq, source in enumerate(sources, 1):
        record(store, f"t{seq}")
        document = replace(concluded(DONE).document, name="Default", started_at=NOW, trace_id="t")
        with store.write():
            assert conclude_task(store, task_of(store, seq), document, source, NOW + 5) == "first"
        assert elsewhere(
            path,
            "SELECT state, outcome, concluded_at, concluded_by, due_at, polls, name, started_at, trace_id FROM tasks"
            " WHERE seq = ?",
            seq,
        ) == [("concluded", "success", NOW + 5, source, None, 0, "Default", NOW, "t")]
    assert elsewhere(path, "SELECT source FROM results ORDER BY seq") == [
        ("poll",),
        ("callback",),
        ("replay",),
        ("backfill",),
    ]
    assert elsewhere(path, "SELECT DISTINCT event, detail FROM history") == [("concluded", "success")]


def test_who_comes_second_concludes_nothing_and_its_body_is_kept_if_it_differs(store: Store, path: Path) -> None:
    record(store, "a")
    stale = task_of(store, 1)
    conclude(store, DONE)
    before = elsewhere(path, "SELECT * FROM tasks")
    differing = concluded({**DONE, "status": "failure"}).document
    for document, kept in ((concluded(DONE).document, "same"), (differing, "revision"), (differing, "same")):
        with store.write():
            assert conclude_task(store, stale, document, "callback", NOW * 2) == kept
        assert elsewhere(path, "SELECT * FROM tasks") == before
    assert elsewhere(path, "SELECT source, revision, outcome FROM results ORDER BY revision") == [
        ("poll", 1, "success"),
        ("callback", 2, "failure"),
    ]
    assert elsewhere(path, "SELECT event FROM history") == [("concluded",), ("revision",)]


def test_a_conclusion_that_fails_leaves_nothing(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(store, "a")
    monkeypatch.setattr(outbox, "publish", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        conclude(store, DONE)
    assert elsewhere(path, "SELECT state FROM tasks") == [("pending",)]
    for table in ("results", "paths", "history", "outbox"):
        assert elsewhere(path, f"SELECT count(*) FROM {table}") == [(0,)]


def test_the_x12_in_a_body_is_read_after_the_transaction(store: Store, path: Path) -> None:
    record(store, "a")
    with store.write():
        conclude_task(store, task_of(store, 1), concluded(DONE).document, "poll", NOW)
    assert elsewhere(path, "SELECT derived FROM results") == [(None,)]
    told = story.show(store, "a", body=True)
    assert told is not None
    assert [one["name"] for one in told["paths"]] == ["HMO", "Medicare"]
    assert elsewhere(path, "SELECT path, coverage FROM found_coverage") == [("Medicare", None)]
    assert derive_missing(store, NOW) == 1
    assert elsewhere(path, "SELECT derived FROM results") != [(None,)]

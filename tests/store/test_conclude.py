"""One result per task, byte for byte, and what differs beside it."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import DONE, NOW, conclude, concluded, elsewhere, record
from worker.store import conclude as results
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.views import tasks as story


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cdpoll.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path) as opened:
        yield opened


def test_the_body_is_kept_byte_for_byte_with_its_paths(store: Store, path: Path) -> None:
    record(store, "a")
    body = b'{"id": "a",\n "status": "success", "name": "Caf\xe9", "discoveryPaths": {}}'
    document = replace(concluded(DONE).document, body=body)
    with store.write():
        assert results.add(store, 1, document, "poll", NOW) == "first"
    sha = hashlib.sha256(body).hexdigest()
    assert elsewhere(
        path, "SELECT body, body_sha256, source, revision, outcome, received_at, ended_at FROM results"
    ) == [(body, sha, "poll", 1, "success", NOW, NOW - 1)]
    assert elsewhere(path, "SELECT list, position, name, status, payer_id FROM paths ORDER BY list") == [
        ("successful", 0, "Medicare", "eligible", "PAY"),
        ("unsuccessful", 0, "HMO", "payer_unavailable", None),
    ]
    assert story.first_body(store, "a") == body


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

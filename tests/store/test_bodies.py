"""Bodies that are no result: kept as received, once for each that differs, and not without end."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.database import DONE, NOW, record
from tests.support.engine import elsewhere
from worker.core.vendor.callback import Delivery
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.tasks import bodies


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(path, create=True) as opened:
        record(opened, "a", "b")
        yield opened


def kept(store: Store, task: int, **said: object) -> bool:
    body = json.dumps({**DONE, "status": "archived", **said}).encode()
    with store.write():
        return bodies.keep_polled(store, task, "unknown_status", body, NOW)


def test_a_body_is_kept_byte_for_byte(store: Store, path: Path) -> None:
    body = b'{"id": "a",\n "status": "archived", "name": "Caf\xe9"}'
    with store.write():
        assert bodies.keep_polled(store, 1, "unknown_status", body, NOW)
    assert elsewhere(path, "SELECT task, source, received_at, reason, body FROM bodies") == [
        (1, "poll", NOW, "unknown_status", body)
    ]


def test_an_equal_body_is_kept_once_for_each_task(store: Store, path: Path) -> None:
    said = [kept(store, 1), kept(store, 1, traceId="another"), kept(store, 2), kept(store, 1, status="deleted")]
    assert said == [True, False, True, True]
    assert elsewhere(path, "SELECT count(*) FROM bodies") == [(3,)]


def test_of_one_task_a_few_are_kept_and_of_all_polls_a_limit(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [kept(store, 1, name=str(n)) for n in range(7)] == [True] * bodies.TASK_BODIES_ROWS + [False] * 2
    monkeypatch.setattr(bodies, "POLLED_BODIES_ROWS", bodies.TASK_BODIES_ROWS + 1)
    assert [kept(store, 2, name=str(n)) for n in range(2)] == [True, False]
    assert elsewhere(path, "SELECT count(*) FROM bodies") == [(6,)]


def test_a_body_that_names_no_task_and_is_no_json_is_kept(store: Store, path: Path) -> None:
    with store.write():
        assert bodies.keep(store, None, "callback", "not_json", b"\xff\x00", NOW)
        assert not bodies.keep(store, None, "callback", "not_json", b"\xff\x00", NOW)
    assert elsewhere(path, "SELECT task, body FROM bodies") == [(None, b"\xff\x00")]


def test_a_huge_body_is_kept_once_and_not_read(store: Store, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "parse_json", None)
    huge = b" " * (bodies.COMPARED_BYTES + 1)
    with store.write():
        assert [bodies.keep_callback(store, "not_json", Delivery(huge), NOW) for _ in range(2)] == [True, False]
    assert elsewhere(path, "SELECT count(*) FROM bodies") == [(1,)]

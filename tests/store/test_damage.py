"""Texts in which a bit has changed on the disk: the other rows can be read, and no text gets into a message."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.database import NOW, Claiming, record
from tests.support.engine import elsewhere
from worker.core.errors import StorageFailed
from worker.store.batch import quarantine
from worker.store.db import damage
from worker.store.db.store import Store
from worker.store.opening import open_store
from worker.store.state import api, drop
from worker.store.tasks import by_hand
from worker.store.tasks import polling as tasks

pytestmark = pytest.mark.sqlite

# "Müller" in Latin-1: no UTF-8.
DAMAGED = b"M\xfcller"


def spoil(path: Path, table: str, column: str, row: int = 1) -> None:
    with closing(sqlite3.connect(path)) as conn, conn:
        changed = conn.execute(f"UPDATE {table} SET {column} = CAST(:text AS TEXT) WHERE rowid = {row}", [DAMAGED])
        assert changed.rowcount == 1


def test_the_other_rows_are_read_and_it_is_shown_where_it_can_be(path: Path, store: Store) -> None:
    record(store, "a", "b", correlation_id="c")
    spoil(path, "tasks", "correlation_id")
    found = tasks.by_seq(store, [1, 2], 0)
    assert (found[1].id, found[1].correlation_id) == ("a", "M�ller")
    assert (found[2].id, found[2].correlation_id) == ("b", "c")
    assert store.damaged
    assert Claiming(store).taken(5, NOW + 60_000) == [1, 2]


def test_a_task_whose_id_was_damaged_is_abandoned_by_what_lists_show(path: Path, store: Store) -> None:
    record(store, "a", "b")
    spoil(path, "tasks", "id")
    with store.write():
        store.execute("UPDATE tasks SET last_error = 'damaged_id' WHERE seq = 1")
    handled = by_hand.abandon(store, ["M\ufffdller", "N\ufffdller"], NOW, "ann")
    assert (handled.done, list(handled.refused)) == ({"M\ufffdller": 1}, ["N\ufffdller"])
    assert store.one("SELECT state FROM tasks WHERE seq = 1")["state"] == "abandoned"  # type: ignore[index]


def test_text_is_read_as_ever_afterwards(path: Path, store: Store) -> None:
    record(store, "a", ref="Zoë")
    record(store, "b", ref="x")
    spoil(path, "refs", "ref", 2)
    assert [row["ref"] for row in store.read("SELECT ref FROM refs ORDER BY task")] == ["Zoë", "M�ller"]
    assert store.read("SELECT ref FROM refs WHERE task = 1")[0]["ref"] == "Zoë"
    with closing(sqlite3.connect(path)) as conn, pytest.raises(sqlite3.OperationalError):
        conn.execute("SELECT ref FROM refs").fetchall()


def test_what_writes_is_never_done_twice_and_quotes_nothing(path: Path, store: Store) -> None:
    record(store, "a", ref="r")
    spoil(path, "refs", "ref")
    before = store.conn.total_changes
    with pytest.raises(StorageFailed) as caught, store.write():
        store.one("UPDATE refs SET added_at = added_at + 1 RETURNING ref")
    assert store.conn.total_changes == before + 1  # rolled back
    assert elsewhere(path, "SELECT added_at FROM refs") == [(NOW,)]
    said = [str(caught.value), caught.value.hint, repr(caught.value.__cause__)]
    assert "cannot be decoded" in said[0]
    assert "cdpoll db integrity" in said[1]
    assert not [text for text in said if "ller" in text]


def test_the_check_of_the_whole_file_says_where_and_not_what(path: Path, store: Store) -> None:
    record(store, *(f"t{n}" for n in range(damage.PAGE_ROWS + 3)), ref="r", correlation_id="Zoë")
    assert store.wrong() == []
    spoil(path, "refs", "ref", 2)
    spoil(path, "tasks", "correlation_id", 1)
    spoil(path, "tasks", "name", damage.PAGE_ROWS + 2)
    assert store.wrong() == [
        "a text in row 2 of refs, column ref, cannot be decoded",
        "a text in row 1 of tasks, column correlation_id, cannot be decoded",
        f"a text in row {damage.PAGE_ROWS + 2} of tasks, column name, cannot be decoded",
    ]


def test_the_list_has_an_end(path: Path, store: Store) -> None:
    record(store, *(f"t{n}" for n in range(40)), ref="r")
    for row in range(1, 41):
        spoil(path, "refs", "ref", row)
    assert len(store.wrong()) == damage.MOST_LINES


def test_json_of_ours_that_is_none_any_more(path: Path, store: Store) -> None:
    about = {"sha256": "f", "size": 5, "warnings": "[{", "first_at": 1, "done_at": 2}
    with store.write():
        store.execute(
            "INSERT INTO files (seq, name, source, state, sha256, size, warnings, first_at, done_at)"
            " VALUES (1, 'a', 'path', 'ingested', :sha256, :size, :warnings, :first_at, :done_at)",
            about,
        )
        store.execute("INSERT INTO envelopes (seq, file, interchange, grouped, test) VALUES (1, 1, '{', NULL, 0)")
        store.execute("INSERT INTO meta (key, value) VALUES ('sftp_rounds', '{')")
    (page,) = quarantine.files(store)
    assert page[0]["warnings"] == [damage.LOST_ISSUE]
    assert drop.picture(store)["failure"] is None
    assert drop.silence(store, 1, None, NOW) is None
    assert store.wrong() == [
        "what stands in row 1 of envelopes, column interchange, is not JSON",
        "what stands in row 1 of files, column warnings, is not JSON",
    ]


@pytest.mark.parametrize("text", ["", "[", "{}x", "7", "[7]", "null", '[{"code": "a"}]', '[{"cOde": "a"}]'])
def test_issues_that_are_none(text: str) -> None:
    assert damage.json_issues(text) == [damage.LOST_ISSUE]


def test_a_pause_for_a_reason_that_is_none_is_ended_by_its_probes(store: Store) -> None:
    with store.write():
        store.execute("UPDATE api SET reason = 'creDentials', code = 'x', paused_at = 5, resumes_at = 6")
    breaker = api.get(store).breaker
    assert (breaker.reason, breaker.code, breaker.paused_at, breaker.resumes_at) == ("unreachable", None, 5, 6)


def test_a_schema_that_cannot_be_decoded_is_a_damaged_database(path: Path, store: Store) -> None:
    store.close()
    whole = path.read_bytes()
    before, after = b"tabletaskstasks", b"tableta\xfckstasks"
    broken = whole.replace(before, after[: len(before)], 1).replace(b"CREATE TABLE tasks", b"CREATE TABLE ta(ks", 1)
    assert broken != whole
    path.write_bytes(broken)
    with closing(sqlite3.connect(path)) as conn, pytest.raises(UnicodeDecodeError):
        conn.execute("SELECT count(*) FROM tasks")
    with pytest.raises(StorageFailed, match=r"its schema is damaged") as caught:
        open_store(path)
    assert caught.value.exit_code == 74

"""What a purge leaves alone, and what comes after it."""

import json
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.batch_files import batch, read, watched
from tests.support.database import conclude, pending, record
from tests.support.planted import LONG_AGO, old, plant
from tests.support.polled_bodies import a_body, a_path, says
from worker.core.intake.intake import Recording
from worker.gateways.deliver.directory import Folders
from worker.rounds.retention import purge as module
from worker.rounds.retention.purge import Purged, Terms, foreseen, purge, rewrite
from worker.store.batch.quarantine import listed
from worker.store.db.sqlite import SqliteStore
from worker.store.db.store import Store
from worker.store.retention import noted
from worker.store.retention.undelivered import Limit
from worker.store.views.report import body_of, show

NOW = LONG_AGO + 400 * 86_400_000
BODY = a_body(successful=[a_path(says())], real_time=says(control="0009"))


def purged(store: Store, *ways: str, folders: tuple[Folders, ...] = (), before: int = NOW - 1) -> Purged:
    terms = Terms(Limit(before, ways), folders, thorough=True)
    told, done = foreseen(store, terms), Purged()
    for _ in purge(store, terms, NOW, done):
        pass
    assert (told.removed, told.files) == (done.removed, done.files), "what was told is what was done"
    return done


def concluded(store: Store, *, ref: str | None = "R") -> None:
    record(store, "a", now=LONG_AGO, ref=ref)
    conclude(store, BODY, now=LONG_AGO)


def way(store: Store, position: int) -> None:
    with store.write():
        store.execute("INSERT INTO ways (name, position, began_at) VALUES ('w', :p, 1)", {"p": position})


def bodies(store: Store) -> list[int]:
    return [len(row["body"]) for row in store.read("SELECT body FROM results ORDER BY seq")]


def test_pending_tasks_stay_as_they_are(store: Store) -> None:
    record(store, "a", now=LONG_AGO, ref="R", member_id="M")
    pending(store, a_body(successful=[a_path(says())]), now=LONG_AGO)
    before = show(store, "a")
    assert not purged(store).removed.any
    assert show(store, "a") == before
    assert before is not None
    assert before["refs"] == ["R"]


@pytest.mark.parametrize("newer", ["ref", "revision"])
def test_a_task_is_as_old_as_the_newest_that_came_for_it(store: Store, newer: str) -> None:
    concluded(store)
    if newer == "ref":
        record(store, "a", now=NOW, ref="later")
    else:
        conclude(store, {**BODY, "note": "x"}, now=NOW)
    assert not purged(store).removed.any
    assert purged(store, before=NOW + 1).removed.tasks == 1


def test_what_is_not_delivered_stays(store: Store) -> None:
    concluded(store)
    read(store, batch(1), now=LONG_AGO)
    done = purged(store, "w")
    assert (done.removed.any, done.removed.undelivered) == (False, 2), "a way that was never used has delivered nothing"
    way(store, 0)
    assert purged(store, "w").removed.undelivered == 2
    with store.write():
        store.execute("UPDATE ways SET position = 99")
        store.execute(
            "INSERT INTO deliveries (way, number, result, task, state, next_at, first_at)"
            " SELECT 'w', 1, seq, task, 'failed', 1, 1 FROM results WHERE source = 'poll'"
        )
    assert purged(store, "w").removed.undelivered == 1, "the task, for one delivery is tried again"
    with store.write():
        store.execute("UPDATE deliveries SET state = 'dead'")
    assert purged(store, "w").removed.tasks == 1


def test_a_way_that_is_not_configured_holds_nothing(store: Store) -> None:
    concluded(store)
    way(store, 0)
    assert purged(store).removed.tasks == 1


def test_a_late_replay_stores_nothing(store: Store) -> None:
    concluded(store)
    purged(store)
    assert bodies(store) == [0]
    assert conclude(store, BODY, now=NOW + 1) == "same"
    assert conclude(store, {key: value for key, value in BODY.items() if key != "realTime"}, now=NOW + 2) == "same"
    assert bodies(store) == [0]
    assert store.read("SELECT 1 FROM answers") == []


def test_a_body_that_differs_is_a_revision_and_purged_in_its_turn(store: Store) -> None:
    concluded(store)
    purged(store)
    assert conclude(store, {**BODY, "note": "x"}, now=NOW + 1) == "revision"
    assert body_of(store, "a") is not None
    assert purged(store).removed.tasks == 0
    assert purged(store, before=NOW + 2).removed.tasks == 1
    assert bodies(store) == [0, 0]


def test_a_purged_task_is_shown_so(store: Store) -> None:
    concluded(store)
    purged(store)
    told = show(store, "a", body=True)
    assert told is not None
    assert told["headline"].startswith("purged at 20")
    assert (told["outcome"], told["refs"], told["found"], told["paths"], told["body"]) == ("success", [], [], [], None)
    assert [one["event"] for one in told["history"]] == ["recorded", "concluded", "purged"]


def test_recorded_again_it_says_that_it_was_purged_and_nothing_goes_out(store: Store) -> None:
    concluded(store)
    purged(store)
    assert record(store, "a", now=NOW, ref="new").purged == ["a"]
    assert store.read("SELECT 1 FROM outbox") == []
    assert purged(store, before=NOW + 1).removed.tasks == 1
    assert store.read("SELECT 1 FROM refs") == []


def test_a_file_that_comes_again_is_known(store: Store) -> None:
    content = batch(1, 2)
    read(store, content, now=LONG_AGO)
    done = purged(store)
    assert (done.removed.files, done.removed.answers) == (1, 2)
    assert read(store, content, now=NOW).state == "known"
    assert read(store, batch(1, 2, 3, control="000000002"), now=NOW).counts.known_sets == 2
    assert store.wrong() == []


def test_nothing_old_waits_in_quarantine_any_more(store: Store, tmp_path: Path) -> None:
    plant(store, tmp_path)
    before = listed(store)
    assert (len(before["files"]), len(before["sets"])) == (1, 1)
    assert purged(store).removed.quarantined == 3, "with the incomplete file"
    assert listed(store) == {"files": [], "sets": []}
    assert [path.name for path in (store.path.parent / "quarantine").iterdir()] == []


def test_rows_go_in_short_transactions(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"t{number}" for number in range(230)]
    record(store, *ids, now=LONG_AGO)
    with store.write():
        store.execute("UPDATE tasks SET state = 'abandoned', due_at = NULL, abandoned_at = :at", {"at": LONG_AGO})
    read(store, batch(*range(700)), now=LONG_AGO)
    seen: list[int] = []
    sizes = watched(store, monkeypatch, lambda: seen.append(1))
    done = Purged()
    for _ in purge(store, Terms(Limit(NOW)), NOW, done):
        pass
    assert (done.removed.tasks, done.removed.answers) == (230, 700)
    assert len(seen) > 10
    assert max(sizes) < 1_000


@pytest.mark.sqlite
@pytest.mark.parametrize("free", [0, 1], ids=["one byte too little", "enough"])
def test_the_file_is_rewritten_only_where_twice_its_size_is_free(
    store: Store, free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    concluded(store)
    purged(store)

    class Free(NamedTuple):
        free_bytes: int

    room = 2 * store.file_bytes()[0] - 1 + free
    monkeypatch.setattr(module, "disk_of", lambda _folder: Free(room))
    rewritten: list[Store] = []
    monkeypatch.setattr(SqliteStore, "rewrite", lambda one: rewritten.append(one))
    why = rewrite(store, NOW)
    assert len(rewritten) == free
    assert (why is None) == bool(free)
    assert bool(noted.get(store)["rows"]) != bool(free)
    assert noted.get(store)["hindrance"] == why


def test_files_that_a_way_has_put_into_its_folder_go_and_no_others(store: Store, tmp_path: Path) -> None:
    there, aside = tmp_path / "out", tmp_path / ".out"
    there.mkdir()
    aside.mkdir()
    ours = json.dumps({"seq": 7, "kind": "task", "id": "a"}).encode()
    gone = {"7-a.json": ours, "7-a.x12": b"ST*271*0001~", "7-a.2.x12": b"ST*271*0002~"}
    stay = {"theirs.json": b'{"seq": "x"}', "notes.txt": ours, "half.json": b"{", "other.x12": b"ISA*837"}
    for name, content in (gone | stay).items():
        old(there / name, content)
    old(aside / "cdpoll-0.part", ours)
    (there / "8-b.json").write_bytes(ours)
    done = purged(store, folders=(Folders(there, aside),), before=LONG_AGO + 1)
    assert {path.name for path in done.files.delivered} == {*gone, "cdpoll-0.part"}
    assert {path.name for path in there.iterdir()} == {*stay, "8-b.json"}
    assert list(aside.iterdir()) == []


def test_half_of_a_snapshot_goes_too(store: Store) -> None:
    half = store.file.with_name(".tonight.sqlite.new")
    old(half, bytes(4096))
    assert purged(store).files.copies == [half]
    assert not half.exists()


def test_locks_beside_the_database_are_no_files_of_others(store: Store) -> None:
    for ending in (".lock", ".deliver", ".cursor-billing", ".ingest-file"):
        old(store.file.with_name(f"{store.file.name}{ending}"), b"")
    theirs = store.file.with_name("theirs.txt")
    old(theirs, b"theirs")
    assert purged(store).files.foreign == [theirs]


def test_a_folder_that_cannot_be_used_is_named(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old(tmp_path / "1.json", b'{"seq": 1, "kind": "batch"}')

    unlink = Path.unlink

    def refused(path: Path, **how: bool) -> None:
        if path.name == "1.json":
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, **how)

    monkeypatch.setattr(Path, "unlink", refused)
    done = Purged()
    folders = (Folders(tmp_path, tmp_path / "none"),)
    for _ in purge(store, Terms(Limit(LONG_AGO + 1), folders), NOW, done):
        pass
    assert done.failed == [f"{tmp_path / '1.json'}: Permission denied"]


@pytest.mark.sqlite
@pytest.mark.parametrize("by_hand", [True, False], ids=["by hand", "by the daemon"])
def test_a_copy_goes_with_its_age_or_by_hand_when_it_holds_what_was_removed(store: Store, by_hand: bool) -> None:
    concluded(store)
    young, aged = (store.file.with_name(name) for name in ("young.sqlite", f"{store.file.name}.schema-20"))
    shutil.copy(store.file, young)
    os.utime(young, (NOW / 1000, NOW / 1000))
    old(aged, b"a copy")
    for _ in purge(store, Terms(Limit(NOW - 1), thorough=by_hand), NOW, Purged()):
        pass
    assert young.exists() != by_hand
    assert not aged.exists()


def test_recording_details_of_a_purged_task_lets_it_be_purged_again(store: Store) -> None:
    concluded(store, ref=None)
    purged(store)
    assert Recording("a", "id").member_id is None
    record(store, "a", now=NOW)
    assert purged(store).removed.tasks == 0
    record(store, "a", now=NOW, member_id="M77")
    assert purged(store).removed.tasks == 1
    assert store.read("SELECT 1 FROM tasks WHERE member_id IS NOT NULL") == []

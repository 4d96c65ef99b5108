"""What `cdpoll files` says of files that wait on the drop: why each does, and until when."""

import pytest

from tests.support.database import NOW
from worker.store.batch import remote
from worker.store.db.store import Store
from worker.store.state import drop as rounds
from worker.store.views.waiting_files import waiting_files

MINUTE = 60_000


def told(store: Store, now: int = NOW) -> dict[str, str]:
    return {one["name"]: one["why"] for one in waiting_files(store, now, 5 * MINUTE)}


@pytest.fixture
def drop(store: Store) -> dict[str, remote.DropFile]:
    """Five files that were seen ten minutes ago."""
    names = ("a", "b", "c", "d", "e")
    remote.note_listing(store, [(name.encode(), name, 100, 1) for name in names], NOW - 10 * MINUTE)
    return {one.shown: one for one in remote.in_state(store, "seen")}


def test_each_file_has_its_reason(store: Store, drop: dict[str, remote.DropFile]) -> None:
    remote.again(store, drop["b"], "permission", 4 * MINUTE, NOW)
    remote.again(store, drop["c"], "incomplete", MINUTE, NOW - 5 * MINUTE)
    remote.move_on(store, drop["d"], "fetched", "local")
    remote.move_on(store, drop["e"], "done")
    rows = [(f"{name}".encode(), name, 100, 1) for name in "abcde"]
    remote.note_listing(store, [*rows, (b"new", "new", 5, 1)], NOW - MINUTE)
    assert told(store) == {
        "a": "to be fetched by the next round",
        "b": "not fetched: the server does not allow it; tried again in 4 min",
        "c": "not fetched: it was cut short; tried again by the next round",
        "d": "fetched, and to be read in by the next round",
        "new": "not settled: its size and time are the same for 1 min, and have to be for 5 min",
    }
    remote.move_on(store, drop["e"], "done", tidy=True)
    assert told(store)["e"] == "read in, and to be moved or deleted"
    remote.still_untidy(store, drop["e"], "permission", MINUTE, NOW)
    assert told(store)["e"] == "read in, and not moved or deleted: the server does not allow it; tried again in 1 min"


def test_one_that_left_is_searched_for(store: Store, drop: dict[str, remote.DropFile]) -> None:
    remote.again(store, drop["a"], "cut", MINUTE, NOW)
    remote.note_listing(store, [], NOW)
    assert told(store) == {"a": "it left the drop before it came whole, and is searched for"}


def test_links_are_named_as_long_as_they_are_listed(store: Store) -> None:
    remote.note_listing(store, [], NOW, ["b.x12", "a.x12"])
    why = (
        "not fetched: it is a link, and cdpoll follows none; have the file itself put there, or leave the name out with"
    )
    assert told(store) == dict.fromkeys(("a.x12", "b.x12"), f"{why} `exclude`")
    assert rounds.troubled(store) == (
        2,
        [f"{name} is not fetched: it is a link, and cdpoll follows none" for name in ("a.x12", "b.x12")],
        0,
    )
    remote.note_listing(store, [], NOW)
    assert (told(store), rounds.troubled(store)) == ({}, None)


def test_a_file_of_which_the_server_tells_no_size_says_so(store: Store) -> None:
    remote.note_listing(store, [(b"a", "a", -1, 1)], NOW - MINUTE)
    assert told(store) == {
        "a": "not settled: its time is the same for 1 min, and has to be for 5 min (the server tells no size)"
    }

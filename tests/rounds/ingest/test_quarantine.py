"""What could not be understood: listed, shown, tried again, dropped."""

from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import pytest

from tests.support.batch_files import watched
from tests.support.cdpoll_process import House
from tests.support.x12_samples import ACTIVE, a_set, group, interchange, subscriber
from worker.core.x12 import issues
from worker.core.x12.batch import HoldRules
from worker.rounds.ingest.batch_file import BatchFile, ingest
from worker.rounds.ingest.retrying import retry_set
from worker.store.batch import quarantine
from worker.store.batch.rows import put_answers
from worker.store.batch.staging import PAGE_ROWS
from worker.store.opening import open_store

NOW = 1_800_000_000_000
BROKEN = interchange(group(a_set(), a_set(subscriber(ACTIVE, member="LOST"), control="0002")[:-1]))


@pytest.fixture
def house(tmp_path: Path) -> House:
    found = House(tmp_path)
    found.write_store_alone()
    return found


def take_in(house: House, name: str, content: str) -> None:
    path = house.folder / name
    path.write_text(content)
    with open_store(house.database, create=True) as store, path.open("rb") as file:
        ingest(store, BatchFile(file, name, "path"), NOW)


def listed(house: House) -> Any:
    return house.cdpoll("quarantine", "list", "--json", check=0).json


def test_files_and_sets_are_listed_with_a_number_and_a_reason(house: House) -> None:
    take_in(house, "broken.x12", BROKEN)
    take_in(house, "odd.json", "{}")
    found = listed(house)
    reason = "The file is JSON, not X12: if X12 stands inside, unwrap it and hand in the X12 alone."
    assert [(one["name"], one["reason"]) for one in found["files"]] == [("odd.json", reason)]
    (one,) = found["sets"]
    assert (one["file"], one["code"], one["control"]) == ("broken.x12", "271", "0002")
    assert one["reason"] == issues.MESSAGES["se_missing"]
    assert BROKEN.encode()[one["offset"] :].startswith(b"ST*271*0002*")
    head, *lines = house.cdpoll("quarantine", "list", check=0).text.splitlines()
    assert (head.split(), len(lines)) == (["number", "since", "file:", "why", "it", "is", "here"], 2)


def test_an_empty_list_says_so_and_an_unknown_number_where_the_others_are(house: House) -> None:
    house.record("some-id")
    ended = house.cdpoll("quarantine", "list", check=0)
    assert (ended.text, ended.err) == ("", "cdpoll: nothing is in quarantine\n")
    for command in ("retry", "drop"):
        assert house.cdpoll("quarantine", command, "f1", check=65).err.splitlines() == [
            "cdpoll: f1 is not in quarantine",
            "        `cdpoll quarantine list` shows what is",
        ]


def test_bytes_are_shown_only_when_they_are_asked_for(house: House) -> None:
    take_in(house, "broken.x12", BROKEN)
    take_in(house, "odd.json", '{"patient": "LOST"}')
    found = listed(house)
    for number, start in ((found["sets"][0]["number"], "ST*271*0002"), (found["files"][0]["number"], '{"patient"')):
        plain = house.cdpoll("quarantine", "show", number, check=0).text
        assert "LOST" not in plain
        assert start not in plain
        assert "bytes" not in house.cdpoll("quarantine", "show", "--json", number, check=0).json
        shown = house.cdpoll("quarantine", "show", "--bytes", "--json", number, check=0).json
        assert shown["bytes"].startswith(start)
    house.cdpoll("quarantine", "show", "s99", check=65)
    house.cdpoll("quarantine", "show", "7", check=65)


def test_what_is_still_not_understood_stays(house: House) -> None:
    take_in(house, "broken.x12", BROKEN)
    take_in(house, "odd.json", "{}")
    before = listed(house)
    numbers = [before["sets"][0]["number"], before["files"][0]["number"]]
    ended = house.cdpoll("quarantine", "retry", "--json", *numbers, check=65)
    assert [one["number"] for one in ended.json["refused"]] == numbers
    after = listed(house)
    assert [one["number"] for one in after["sets"] + after["files"]] == numbers


def test_a_set_that_is_understood_now_is_accepted_with_what_it_says(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if this were a later cdpoll, which does without the SE."""
    take_in(house, "broken.x12", BROKEN)
    monkeypatch.setattr(issues, "HELD", issues.HELD - {"se_missing"})
    with open_store(house.database, create=True) as store:
        (held,) = quarantine.listed(store)["sets"]
        number = int(held["number"][1:])
        assert retry_set(store, number, NOW + 1) is None
        assert quarantine.listed(store)["sets"] == []
        assert retry_set(store, number, NOW + 2) == "is not in quarantine"
        ((listed_file,),) = quarantine.files(store)
    assert [listed_file[key] for key in ("transaction_sets", "quarantined_sets", "unmatched")] == [2, 0, 2]
    assert house.rows("SELECT member_id, coverage FROM batch_answers ORDER BY answer") == [
        ("M0001", "active"),
        ("LOST", "active"),
    ]


def test_a_file_that_is_understood_now_leaves_the_quarantine_at_one_moment(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if this were a later cdpoll, for which the file is no JSON."""
    from worker.rounds.ingest import batch_file

    with monkeypatch.context() as patch:
        patch.setattr(batch_file._FileReader, "readable", _never)
        take_in(house, "was.odd", interchange(group(a_set())))
    (held,) = listed(house)["files"]
    kept = Path(house.cdpoll("quarantine", "show", "--json", held["number"], check=0).json["kept_at"])
    assert kept.exists()
    assert house.cdpoll("quarantine", "retry", "--json", held["number"], check=0).json["done"] == [held["number"]]
    assert listed(house) == {"files": [], "sets": [], "callbacks": []}
    assert not kept.exists()
    assert house.rows("SELECT name, state FROM files") == [("was.odd", "ingested")]
    assert house.rows("SELECT member_id FROM batch_answers") == [("M0001",)]


def _never(self: Any, kind: str, head: bytes, number: int) -> bool:
    self.ends.unreadable = "It is odd."
    return False


def test_what_is_dropped_is_gone_for_good(house: House) -> None:
    take_in(house, "broken.x12", BROKEN)
    take_in(house, "odd.json", "{}")
    take_in(house, "cut.x12", BROKEN[:-30])
    found = listed(house)
    kept = house.database.parent / "quarantine"
    assert len(list(kept.iterdir())) == 1
    cut = house.rows("SELECT 'f' || seq FROM files WHERE state = 'incomplete'")[0][0]
    numbers = [found["sets"][0]["number"], found["files"][0]["number"], cut]
    assert house.cdpoll("quarantine", "drop", "--json", *numbers, check=0).json == {"done": numbers, "refused": []}
    assert listed(house) == {"files": [], "sets": [], "callbacks": []}
    assert list(kept.iterdir()) == []
    assert house.rows("SELECT count(*) FROM sets WHERE raw LIKE '%LOST%'") == [(0,)]
    # The set does not come back with another file, and what was good in the first one is still there.
    take_in(house, "broken again.x12", BROKEN + "\n")
    assert listed(house) == {"files": [], "sets": [], "callbacks": []}
    assert house.rows("SELECT count(*) FROM batch_answers") == [(1,)]
    house.cdpoll("quarantine", "drop", numbers[0], check=65)


def test_nothing_is_done_where_one_of_the_numbers_is_none(house: House) -> None:
    take_in(house, "odd.json", "{}")
    (number,) = [one["number"] for one in listed(house)["files"]]
    for command in ("drop", "retry"):
        house.cdpoll("quarantine", command, number, "zz", check=65)
    assert [one["number"] for one in listed(house)["files"]] == [number]


def test_a_file_that_breaks_our_own_code_waits_in_quarantine_and_stops_nothing(house: House) -> None:
    poison = house.folder / "poison.zip"
    with ZipFile(poison, "w") as archive:
        archive.writestr(ZipInfo(""), "an entry without a name")
    good = house.folder / "good.x12"
    good.write_text(interchange(group(a_set())))
    report = house.cdpoll("ingest", str(poison), str(good), "--json", check=1).json
    assert [one["state"] for one in report["files"]] == ["quarantined", "ingested"]
    assert listed(house)["files"][0]["name"].endswith("poison.zip")


def patients(count: int) -> list[tuple[str, ...]]:
    found = subscriber()[:5]
    for n in range(count):
        found += [
            ("HL", str(n + 3), "2", "22", "0"),
            ("NM1", "IL", "1", "X", "Y", "", "", "", "MI", f"P{n:05d}"),
            ACTIVE,
        ]
    return found


def held(house: House, content: str, monkeypatch: pytest.MonkeyPatch, *, hold_test: bool = False) -> int:
    """A file whose only set the cdpoll of that day could not read; the set's number."""
    path = house.folder / "given.x12"
    path.write_text(content)
    with monkeypatch.context() as patch:
        patch.setattr(issues, "HELD", issues.HELD | {"se_count"})
        with open_store(house.database, create=True) as store, path.open("rb") as file:
            ingest(store, BatchFile(file, "given.x12", "path", rules=HoldRules(hold_test)), NOW)
    return int(house.value("SELECT max(seq) FROM sets WHERE state = 'quarantined'"))


def test_a_set_of_thousands_of_patients_leaves_the_quarantine_at_one_moment_by_short_transactions(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = held(house, interchange(group(a_set(patients(3000), count="1"))), monkeypatch)
    seen: list[tuple[int, int, int]] = []
    with open_store(house.database, create=True) as store:

        def look() -> None:
            views = [house.value(f"SELECT count(*) FROM {view}") for view in ("batch_answers", "found_coverage")]
            seen.append((*views, house.value("SELECT count(*) FROM kept_results")))

        sizes = watched(store, monkeypatch, look)
        assert retry_set(store, number, NOW + 1) is None
    assert len(sizes) > 3000 // (PAGE_ROWS // 2)
    assert max(sizes) <= 3 * PAGE_ROWS
    assert seen == [(0, 0, 0)] * (len(sizes) - 1) + [(3000, 3000, 3000)]
    assert house.rows("SELECT transaction_sets, quarantined_sets, subscribers, unmatched FROM files") == [
        (1, 0, 3000, 3000)
    ]


def test_a_retry_that_is_cut_short_leaves_nothing_and_is_made_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = held(house, interchange(group(a_set(patients(1000), count="1"))), monkeypatch)
    calls: list[int] = []

    def cut(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return put_answers(*args)

    with open_store(house.database, create=True) as store:
        with monkeypatch.context() as patch:
            patch.setattr(quarantine, "put_answers", cut)
            with pytest.raises(KeyboardInterrupt):
                retry_set(store, number, NOW + 1)
        assert house.value("SELECT count(*) FROM answers") > 0
        assert house.value("SELECT count(*) FROM batch_answers") == 0
        assert [one["number"] for one in quarantine.listed(store)["sets"]] == [f"s{number}"]
        assert retry_set(store, number, NOW + 2) is None
    assert house.rows("SELECT count(*), count(DISTINCT member_id) FROM batch_answers") == [(1000, 1000)]
    assert house.value("SELECT count(*) FROM results") == 1000


def test_what_a_retry_left_is_gone_when_the_set_is_dropped(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    number = held(house, interchange(group(a_set(patients(500), count="1"))), monkeypatch)
    with open_store(house.database, create=True) as store:
        with monkeypatch.context() as patch:
            patch.setattr(quarantine, "asdict", lambda _one: 1 // 0)  # needed last, when all is staged
            with pytest.raises(ZeroDivisionError):
                retry_set(store, number, NOW)
        assert house.value("SELECT count(*) FROM answers") == 500
        assert quarantine.drop_set(store, number, NOW, "ann")
    assert house.value("SELECT count(*) FROM results") == 0


def test_a_test_that_is_understood_later_is_held_back_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = interchange(group(a_set(count="1")), usage="T")
    number = held(house, text, monkeypatch, hold_test=True)
    with open_store(house.database, create=True) as store:
        assert retry_set(store, number, NOW + 1) is None
    assert house.rows("SELECT state FROM sets") == [("test",)]
    assert house.rows("SELECT match FROM batch_answers") == [("test",)]
    assert house.rows("SELECT test_answers, unmatched FROM files") == [(1, 0)]

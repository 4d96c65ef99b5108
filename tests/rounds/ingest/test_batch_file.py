"""A batch file in the database: all of it at one moment and never twice, or nothing."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.support.batch_files import NOW, batch, member, members, read, rows, start
from tests.support.cdpoll_process import DEADLINE
from tests.support.engine import elsewhere
from tests.support.x12_samples import ACTIVE, a_set, group, interchange, subscriber
from worker.rounds.ingest.batch_file import BatchFile, ingest
from worker.rounds.ingest.retrying import retry_set
from worker.store.batch import keeping, quarantine
from worker.store.db.store import Store
from worker.store.opening import open_store

# --- what is stored


def test_every_set_is_stored_byte_for_byte_with_what_it_says(store: Store, path: Path) -> None:
    text = batch(1, 2)
    report = read(store, text)
    assert report.state == "ingested"
    assert (report.counts.interchanges, report.counts.transaction_sets, report.counts.subscribers) == (1, 2, 2)
    assert (report.counts.matched, report.counts.candidates, report.counts.unmatched) == (0, 0, 2)
    assert report.sha256 == hashlib.sha256(text.encode()).hexdigest()
    stored = elsewhere(path, "SELECT raw, byte_offset, byte_length FROM sets ORDER BY seq")
    assert [raw for raw, _, _ in stored] == [text.encode()[offset : offset + length] for _, offset, length in stored]
    assert [raw[:8] + raw[-6:] for raw, _, _ in stored] == [b"ST*271*0*0001~", b"ST*271*0*0002~"]
    (row,) = elsewhere(
        path,
        "SELECT source, coverage, payer, payer_id, member_id, last_name, birth_date, plan, file, id, refs, match"
        " FROM found_coverage WHERE member_id = 'M00001'",
    )
    assert row == (
        "batch", "active", "PLAN OF PLENTY", "PLENTY", "M00001", "HOLDER1", "1970-02-03", "SILVER", "batch.x12",
        None, None, "unmatched",
    )  # fmt: skip
    said = json.loads(elsewhere(path, "SELECT said FROM batch_answers")[0][0])
    assert said["benefits"] == [
        {"code": "1", "text": "active", "service_types": ["30", "88"], "insurance_type": "C1", "plan": "SILVER"}
    ]
    assert said["subscriber"]["first_name"] == "ANN"
    assert said["traces"] == [{"ours": True, "number": "OURS-1", "originator": "9000000001"}]


def test_a_result_of_a_batch_has_no_outcome(store: Store, path: Path) -> None:
    read(store, batch(1))
    ((task, outcome, received_at, body),) = elsewhere(
        path, "SELECT task, outcome, received_at, body FROM results WHERE source = 'batch'"
    )
    assert (task, outcome, received_at) == (None, None, NOW)
    assert json.loads(body)["coverage"] == "active"


@pytest.mark.parametrize("element", ['QUO"TE', "BACK\\SLASH", "\x01\x1f", "É\u2028", "\U0001f600", "\udcff"])
def test_what_an_answer_says_is_json_whatever_is_in_it(store: Store, path: Path, element: str) -> None:
    body = subscriber(ACTIVE, ("MSG", element), last=element, member=element)
    content = interchange(group(a_set(body))).encode("utf-8", "surrogateescape")
    assert read(store, content).state == "ingested"
    said = json.loads(elsewhere(path, "SELECT said FROM batch_answers")[0][0])
    assert said["subscriber"]["last_name"] == said["benefits"][0]["messages"][0]
    assert said["subscriber"]["last_name"] in (element, "ÿ")  # a byte that is no UTF-8 is read as Windows-1252


# --- once


def test_a_known_file_is_known_whatever_its_name(store: Store, path: Path) -> None:
    first = read(store, batch(1, 2))
    before = rows(path)
    again = read(store, batch(1, 2), name="batch.x12_1", now=NOW + 5)
    assert (again.state, again.counts, again.number) == ("known", first.counts, first.number)
    assert rows(path) == before
    assert elsewhere(path, "SELECT name, state FROM files") == [("batch.x12", "ingested")]


def test_a_set_that_another_file_brought_is_counted_and_stored_once(store: Store, path: Path) -> None:
    read(store, batch(1, 2))
    second = read(store, batch(2, 3, control="000000002"), name="second")
    assert (second.state, second.counts.transaction_sets, second.counts.known_sets) == ("ingested", 2, 1)
    assert second.counts.unmatched == 1
    assert members(path) == ["M00001", "M00002", "M00003"]


def test_a_set_twice_in_one_file_is_stored_once(store: Store, path: Path) -> None:
    report = read(store, batch(1, 1, 2))
    assert (report.counts.transaction_sets, report.counts.known_sets, report.counts.unmatched) == (3, 1, 2)
    assert members(path) == ["M00001", "M00002"]


def test_control_numbers_are_no_identity(store: Store, path: Path) -> None:
    one = interchange(group(a_set(subscriber(ACTIVE, member="A"), control="0001")))
    other = interchange(group(a_set(subscriber(ACTIVE, member="B"), control="0001")))
    assert [read(store, text, name=text[:3]).state for text in (one, other)] == ["ingested", "ingested"]
    assert members(path) == ["A", "B"]


def test_other_line_ends_make_another_file_with_the_same_sets(store: Store, path: Path) -> None:
    read(store, batch(1, 2))
    report = read(store, batch(1, 2).replace("~", "~\r\n"), name="wrapped")
    assert (report.state, report.counts.known_sets) == ("ingested", 2)
    assert members(path) == ["M00001", "M00002"]


def test_two_processes_with_the_same_file_store_it_once(tmp_path: Path, path: Path) -> None:
    file = tmp_path / "big.x12"
    file.write_text(batch(*range(1500)))
    open_store(path, create=True).close()
    crowd = [start(path, file) for _ in range(3)]
    said = sorted(one.communicate(timeout=DEADLINE)[0].decode().strip() for one in crowd)
    assert said == ["ingested 1500", "known 1500", "known 1500"]
    assert len(members(path)) == 1500


# --- broken sets, whole files, cut files


def test_a_broken_set_is_quarantined_alone(store: Store, path: Path) -> None:
    report = read(store, interchange(group(member(1), member(2)[:-1], member(3))))
    assert (report.state, report.counts.transaction_sets, report.counts.quarantined_sets) == ("ingested", 2, 1)
    assert members(path) == ["M00001", "M00003"]
    (held,) = quarantine.listed(store)["sets"]
    assert (held["code"], held["control"], held["issues"][0]["code"]) == ("271", "0002", "se_missing")
    assert b"M00002" in quarantine.set_bytes(store, int(held["number"][1:]))
    again = read(store, interchange(group(member(4), member(2)[:-1], control="9")), name="again")
    assert again.counts.quarantined_sets == 0
    assert len(quarantine.listed(store)["sets"]) == 1


def test_a_wrong_count_is_a_warning_beside_an_accepted_set(store: Store, path: Path) -> None:
    report = read(store, interchange(group(a_set(count="99"), a_set(control="0002", count="98"))))
    assert [(one.code, one.message) for one in report.warnings] == [
        ("se_count", "SE01 is not the number of segments in the set. (2 times, first in set 1)")
    ]
    assert json.loads(elsewhere(path, "SELECT warnings FROM files")[0][0])[0]["code"] == "se_count"


def test_a_file_cut_anywhere_stores_nothing_and_is_read_when_it_is_whole(store: Store, path: Path) -> None:
    whole = batch(1, 2, 3).encode()
    for end in (*range(140), *range(140, len(whole) - 1, 13), *range(len(whole) - 20, len(whole) - 2)):
        report = read(store, whole[:end], name="cut.x12", now=NOW + end)
        assert report.state == "incomplete", end
        assert report.reason
        assert rows(path) == 0, end
    assert elsewhere(path, "SELECT state, first_at FROM files") == [("incomplete", NOW)]
    assert read(store, whole, name="cut.x12").state == "ingested"
    assert elsewhere(path, "SELECT state FROM files") == [("ingested",)]
    assert members(path) == ["M00001", "M00002", "M00003"]


def test_a_cut_file_of_many_transactions_stores_nothing(store: Store, path: Path) -> None:
    whole = batch(*range(1000))
    assert read(store, whole[:-30]).state == "incomplete"
    assert rows(path) == 0


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"error": "no"}', "JSON"),
        (b"<html><body>sorry</body></html>", "HTML"),
        (b"-----BEGIN PGP MESSAGE-----\n\nabc", "PGP"),
        (b"\x85\x01\x0c\x03", "PGP"),
        (batch(1).encode("cp037"), "EBCDIC"),
        (b"hello", "68 65 6c 6c"),
        (b"ST*271*0001~BHT*0022*11~SE*3*0001~", "ISA"),
    ],
)
def test_a_file_that_is_no_batch_is_kept_whole(store: Store, path: Path, content: bytes, says: str) -> None:
    report = read(store, content)
    assert report.state == "quarantined"
    assert says in (report.reason or "")
    kept = keeping.kept_path(path, report.sha256)
    assert kept.read_bytes() == content
    assert (kept.stat().st_mode & 0o007, kept.parent.stat().st_mode & 0o007) == (0, 0), "nothing for others"
    assert read(store, content, name="again").state == "quarantined"
    assert elsewhere(path, "SELECT count(*) FROM files") == [(1,)]


def test_a_kept_file_that_a_killed_process_has_left_is_put_on_the_disk(
    store: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"hello"
    kept = keeping.folder(path, keeping.QUARANTINE) / hashlib.sha256(content).hexdigest()
    kept.write_bytes(content)
    synced: list[Path] = []
    monkeypatch.setattr(keeping, "sync_folder", synced.append)
    assert read(store, content).state == "quarantined"
    assert synced == [kept.parent]


def test_what_stands_before_a_batch_may_be_long(store: Store, path: Path) -> None:
    report = read(store, "X-Trace: 271\r\n" * 1000 + batch(1))
    assert (report.state, [one.code for one in report.warnings]) == ("ingested", ["leading_junk"])


def test_an_interchange_with_a_damaged_isa_is_held_whole_and_the_others_are_read(store: Store, path: Path) -> None:
    lost, behind = (text.replace("ISA*", "ISA *").replace("*", "|") for text in (batch(1, 2, 3), batch(5)))
    text = f"{lost}\n{batch(4)}{behind}"
    for dry in (True, False):
        report = read(store, text, dry=dry)
        assert (report.state, report.counts.transaction_sets, report.counts.quarantined_sets) == ("ingested", 1, 2)
        assert [one.code for one in report.warnings] == ["isa_unreadable"]
    first, second = quarantine.listed(store)["sets"]
    assert first["reason"] == "X12 without an ISA that can be read: have it sent anew. (sets that begin here: 3)"
    assert (first["offset"], first["length"], second["length"]) == (0, len(lost), len(behind))
    assert [quarantine.set_bytes(store, int(one["number"][1:])).decode() for one in (first, second)] == [lost, behind]
    assert retry_set(store, int(first["number"][1:]), NOW) == first["reason"]
    assert members(path) == ["M00004"]


def test_more_between_interchanges_than_can_be_held_is_told_too(store: Store, path: Path) -> None:
    report = read(store, batch(1) + "lSA|" + "X|" * 4_000_000 + "'" + batch(2, control="000000002"))
    assert (report.state, report.counts.transaction_sets, report.counts.quarantined_sets) == ("ingested", 2, 1)
    assert {one.code for one in report.warnings} == {"isa_unreadable", "set_too_large"}


def test_a_file_without_a_271_is_skipped_with_the_reason(store: Store, path: Path) -> None:
    report = read(store, interchange(group(a_set([("AK1", "HS", "7")], code="999"), code="FA")))
    assert (report.state, report.reason) == ("skipped", "The file holds no 271: 1 of 999.")
    assert rows(path) == 0
    mixed = interchange(group(member(1)), group(a_set([("AK1", "HS", "7")], code="999"), code="FA"))
    both = read(store, mixed, name="mixed")
    assert (both.state, both.counts.transaction_sets, both.counts.other_sets) == ("ingested", 1, 1)


def test_a_set_with_a_lost_hl_is_held_and_its_neighbours_live(store: Store, path: Path) -> None:
    whole = batch(1, 2)
    at = whole.index("~SE*")
    spliced = whole[:at] + "~TRN*2*OTHER*9000000001~NM1*IL*1*OTHER~EB*6**30" + whole[at:]
    report = read(store, spliced, name="spliced")
    assert (report.counts.transaction_sets, report.counts.quarantined_sets) == (1, 1)
    assert [one.code for one in report.warnings] == ["se_count", "hl_lost"]
    assert elsewhere(path, "SELECT count(*) FROM answers WHERE coverage = 'inactive'") == [(0,)]


def test_a_set_whose_kind_is_damaged_waits_for_a_person(store: Store, path: Path) -> None:
    report = read(store, batch(1, 2).replace("ST*271*0001", "ST*2\x031*0001"))
    assert (report.state, report.counts.transaction_sets, report.counts.quarantined_sets) == ("ingested", 1, 1)
    assert [one.code for one in report.warnings] == ["st_code"]
    assert read(store, batch(3).replace("ST*271*", "ST**"), name="alone").state == "ingested"
    assert elsewhere(path, "SELECT count(*) FROM sets WHERE state = 'quarantined'") == [(2,)]


def acknowledged(*segments: tuple[str, ...], code: str = "999") -> str:
    return interchange(group(a_set([("AK1", "HS", "7"), *segments], code=code), code="FA"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (acknowledged(("AK9", "A", "1", "1", "1")), "1 of 999 (accepted)"),
        (acknowledged(("IK5", "R", "5"), ("AK9", "R", "1", "1", "0")), "1 of 999 (rejected)"),
        (acknowledged(("IK5", "A"), ("IK5", "R", "5"), ("AK9", "P", "2", "2", "1")), "1 of 999 (partly accepted)"),
        (acknowledged(("IK5", "A"), ("IK5", "R", "5")), "1 of 999 (partly accepted)"),
        (acknowledged(("AK5", "E", "5"), ("AK9", "E", "1", "1", "1"), code="997"), "1 of 997 (accepted with errors)"),
        (acknowledged(("AK9", "?")), "1 of 999"),
        (acknowledged(("AK9",)), "1 of 999"),
        (interchange([("TA1", "000000001", "260304", "0930", "R", "006")], count="0"), "1 TA1 (rejected)"),
        (
            interchange(
                [("TA1", "000000001", "260304", "0930", "A", "000")],
                [("TA1", "000000002", "260304", "0930", "R", "006")],
                [("TA1", "000000003", "260304", "0930", "A", "000"), ("TA1", "000000004")],
                count="0",
            ),
            "1 TA1, 2 TA1 (accepted), 1 TA1 (rejected)",
        ),
        (interchange(group(a_set([("BPR", "R")], code="835"), code="HP")), "1 of 835"),
    ],
)
def test_the_reason_of_a_skipped_file_says_what_was_acknowledged(store: Store, text: str, says: str) -> None:
    for content in (text, text.replace("~", "~\r\n")):
        report = read(store, content)
        assert (report.state, report.reason) == ("skipped", f"The file holds no 271: {says}.")


def test_a_file_that_ends_in_a_long_segment_without_end_may_still_be_on_its_way(store: Store, path: Path) -> None:
    whole = interchange(
        group(member(1), a_set(subscriber(ACTIVE, ("MSG", "A" * 1_200_000)), control="0002"), member(3))
    )
    cut = whole[: whole.index("A" * 1000) + 1_100_000]
    report = read(store, cut, name="x")
    assert (report.state, rows(path)) == ("incomplete", 0)
    assert "longer than any real one" in (report.reason or "")
    assert not keeping.kept_path(path, report.sha256).exists()
    report = read(store, whole, name="x")
    assert (report.state, report.counts.transaction_sets, report.counts.quarantined_sets) == ("ingested", 2, 1)
    assert members(path) == ["M00001", "M00003"]


def test_a_file_that_changes_while_it_is_read_is_incomplete(store: Store, path: Path, tmp_path: Path) -> None:
    file = tmp_path / "growing"
    file.write_text(batch(1))

    def grow(at: int, size: int) -> None:
        with file.open("ab") as more:
            more.write(b"\n")

    with file.open("rb") as opened:
        report = ingest(store, BatchFile(opened, "growing", "path"), NOW, progress=grow)
    assert report.state == "incomplete"
    assert rows(path) == 0


# --- a rehearsal


def test_a_rehearsal_counts_the_same_and_writes_nothing(store: Store, path: Path) -> None:
    read(store, batch(1))
    before = elsewhere(path, "SELECT count(*) FROM files"), rows(path)
    text = interchange(group(member(1), member(2), member(2), member(3)[:-1], a_set(count="9", control="4")))
    said = read(store, text, dry=True)
    assert (elsewhere(path, "SELECT count(*) FROM files"), rows(path)) == before
    done = read(store, text)
    assert (said.state, said.counts, said.warnings) == (done.state, done.counts, done.warnings)
    for other in (b"{}", b"ISA*00", interchange(group(a_set([], code="999"), code="FA")).encode()):
        dry = read(store, other, dry=True, name="x")
        assert not keeping.kept_path(path, dry.sha256).exists()
        assert dry.state == read(store, other, name="x").state

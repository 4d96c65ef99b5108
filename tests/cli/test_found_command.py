"""``cdpoll found``: coverage to bill on a screen, in a spreadsheet, and for programs."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest

from cli.found import instant_of
from cli.table import Column, table_lines, width_of
from tests.support.batch_files import read
from tests.support.cdpoll_process import House
from tests.support.database import NOW, conclude, record
from tests.support.polled_bodies import ANOTHER_PAYER, INACTIVE, a_body, a_path, says
from tests.support.x12_samples import ACTIVE
from worker.core.vendor.document import finished_paths
from worker.rounds.ingest.deriving import derive_missing
from worker.store.conclude import keep_provisional
from worker.store.opening import open_store


@pytest.fixture
def filled(tmp_path: Path) -> House:
    """A task with two refs, one that found nothing, one whose path has no 271; and a batch of an unknown patient."""
    house = House(tmp_path)
    with open_store(house.database, create=True) as store:
        record(store, "0716e3e8-87ee-11ee-b9d1-0242ac120002", ref="ACCT-1")
        record(store, "0716e3e8-87ee-11ee-b9d1-0242ac120002", ref="+ACCT-2")
        record(store, "b", "c")
        both, same = says(ACTIVE, *ANOTHER_PAYER[1:]), says(control="0002")
        paths = [a_path(both), a_path(same, name="RTCOB")]
        conclude(store, a_body("0716e3e8-87ee-11ee-b9d1-0242ac120002", successful=paths))
        conclude(store, a_body("b", status="failure", unsuccessful=[a_path(says(INACTIVE), "ineligible")]), 2)
        conclude(store, a_body("c", successful=[a_path(None)]), 3, now=NOW + 90_000)
        read(store, says(member="M0002"), now=NOW + 120_000)
    return house


def cells(house: House, *args: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(house.cdpoll("found", "--csv", *args, check=0).text)))


# --- for people


def test_the_table_fits_eighty_columns(filled: House) -> None:
    ended = filled.cdpoll("found", check=0, COLUMNS="80")
    assert ended.text.splitlines() == [
        "ref      patient      born        payer            payer id  member id",
        "+ACCT-2  HOLDER, ANN  1970-02-03  PLAN OF PLENTY   PAY       M0001",
        "+ACCT-2  HOLDER, ANN  1970-02-03  OVERDALE MUTUAL  OVER1",
        "ACCT-1   HOLDER, ANN  1970-02-03  PLAN OF PLENTY   PAY       M0001",
        "ACCT-1   HOLDER, ANN  1970-02-03  OVERDALE MUTUAL  OVER1",
        "c                                 PAY              PAY                  !",
        "         HOLDER, ANN  1970-02-03  PLAN OF PLENTY   PLENTY    M0002",
    ]
    assert ended.err.startswith("!  something is odd")


def test_two_tasks_of_one_check_that_found_the_same_coverage_are_one_line_for_people(tmp_path: Path) -> None:
    house = House(tmp_path)
    with open_store(house.database, create=True) as store:
        for seq, task in enumerate("ab", 1):
            record(store, task, ref="ACCT-1")
            conclude(store, a_body(task, successful=[a_path(says())]), seq)
    assert house.cdpoll("found", check=0).text.count("ACCT-1") == 1
    assert [row["id"] for row in house.cdpoll("found", "--json", check=0).json["found"]] == ["a", "b"]
    assert [row["id"] for row in cells(house)] == ["a", "b"]


def test_eighty_columns_have_all_that_is_billed_by(tmp_path: Path) -> None:
    house = House(tmp_path)
    dates = [("DTP", "291", "RD8", "20260101-20261231")]
    with open_store(house.database, create=True) as store:
        record(store, "a", ref="ACCT-4711")
        body = says(ACTIVE, *dates, member="SBX-TWO-MINUTES-FOUND-1")
        conclude(store, a_body(successful=[a_path(body)]))
    ended = house.cdpoll("found", check=0, COLUMNS="80")
    assert ended.text.splitlines() == [
        "ref        payer       payer id  member id                from        to",
        "ACCT-4711  PLAN OF P…  PAY       SBX-TWO-MINUTES-FOUND-1  2026-01-01  2026-12-31",
    ]
    assert ended.err == "not shown for want of room: patient, born, plan, by; --csv has all\n"
    piped = house.cdpoll("found", check=0)
    assert ("HOLDER, ANN" in piped.text, piped.err) == (True, "")


def test_what_is_found_early_is_marked(tmp_path: Path) -> None:
    house = House(tmp_path)
    with open_store(house.database, create=True) as store:
        record(store, "a", ref="ACCT-1")
        with store.write():
            finished = finished_paths(a_body(successful=[a_path(says())]))
            keep_provisional(store, {1: finished}, "poll", NOW)
        derive_missing(store, NOW)
    ended = house.cdpoll("found", check=0, COLUMNS="80")
    assert ended.text.splitlines()[1] == "ACCT-1  HOLDER, ANN  1970-02-03  PLAN OF PLENTY  PAY       M0001      early"
    assert ended.err.startswith("early  found while the vendor still searches")
    (line,) = house.cdpoll("found", "--json", check=0).json["found"]
    assert (line["seq"], line["provisional"]) == (None, True)


def test_what_is_odd_in_the_answer_is_marked_and_what_is_odd_in_its_envelope_is_not(filled: House) -> None:
    filled.rows("UPDATE answers SET warnings = 'isa_width test_interchange' WHERE from_set IS NULL")
    filled.rows("UPDATE answers SET warnings = 'se_count deceased' WHERE from_set IS NOT NULL")
    lines = filled.cdpoll("found", check=0, COLUMNS="60").text.splitlines()
    assert [line.endswith("  !") for line in lines] == [False] * 5 + [True] * 2
    told = filled.cdpoll("found", "--json", check=0).json["found"]
    assert [one["code"] for one in told[0]["warnings"]] == ["isa_width", "test_interchange"]


def test_a_wide_terminal_shows_more_and_a_narrow_one_cuts_names_alone(filled: House) -> None:
    wide = filled.cdpoll("found", check=0, COLUMNS="200").text
    assert all(title in wide.splitlines()[0] for title in ("born", "payer id", "plan", "by"))
    assert "SILVER" in wide
    narrow = filled.cdpoll("found", check=0, COLUMNS="44").text.splitlines()
    assert max(map(len, narrow)) <= 46
    assert "PLAN OF PL…" in narrow[1]
    assert "M0001" in narrow[1]


def test_no_coverage_is_said_on_standard_error(filled: House) -> None:
    ended = filled.cdpoll("found", "--ref", "nobody's", check=0)
    assert ended.text == ""
    assert ended.err.splitlines() == [
        "cdpoll: no task was recorded for that ref; refs keep their letter case",
        "cdpoll: no coverage was found yet, or none that you ask for",
    ]


def test_results_whose_271s_are_still_to_be_read_are_counted(filled: House) -> None:
    with open_store(filled.database) as store, store.write():
        store.execute("UPDATE results SET derived = NULL WHERE source <> 'batch'")
    told = filled.cdpoll("found", "--json", check=0).err
    assert re.search(r"the 271s of \d+ results are still to be read", told)


def test_answers_of_a_batch_that_an_earlier_cdpoll_read_are_counted_until_they_are_read_anew(
    filled: House, tmp_path: Path
) -> None:
    with open_store(filled.database) as store, store.write():
        store.execute("UPDATE results SET derived = 1 WHERE source = 'batch'")
        store.execute("UPDATE answers SET payer = 'MISREAD' WHERE from_set IS NOT NULL")
    ended = filled.cdpoll("found", check=0)
    assert "cdpoll: 1 answer of batches, as an earlier cdpoll read it; the daemon" in ended.err
    assert "MISREAD" in ended.text
    (tmp_path / "same.x12").write_text(says(member="M0002"))
    filled.cdpoll("ingest", "--dry-run", str(tmp_path / "same.x12"), check=0)
    assert "MISREAD" in filled.cdpoll("found", check=0).text
    assert (
        "1 answer that an earlier cdpoll read is read anew"
        in filled.cdpoll("ingest", str(tmp_path / "same.x12"), check=0).err
    )
    ended = filled.cdpoll("found", check=0)
    assert "MISREAD" not in ended.text
    assert "earlier" not in ended.err


# --- for programs


def test_json_has_every_line_once_for_each_ref(filled: House) -> None:
    told = filled.cdpoll("found", "--json", check=0).json["found"]
    assert [(one["seq"], one["ref"], one["payer"], one["kind"], one["source"]) for one in told] == [
        (1, "+ACCT-2", "PLAN OF PLENTY", "active", "poll"),
        (1, "+ACCT-2", "OVERDALE MUTUAL", "other_payer", "poll"),
        (2, "ACCT-1", "PLAN OF PLENTY", "active", "poll"),
        (2, "ACCT-1", "OVERDALE MUTUAL", "other_payer", "poll"),
        (4, None, None, "path", "poll"),
        (5, None, "PLAN OF PLENTY", "active", "batch"),
    ]
    assert told[-1]["match"] == "candidate"


def test_nothing_found_is_an_empty_list_and_a_header(filled: House) -> None:
    assert filled.cdpoll("found", "--ref", "x", "--json", check=0).json == {"found": []}
    header = filled.cdpoll("found", "--ref", "x", "--csv", check=0).text
    assert header.startswith("seq,id,ref,last_name,")
    assert header.count("\n") == 1


def test_since_leaves_out_what_was_visible_before(filled: House) -> None:
    told = filled.cdpoll("found", "--json", "--since", "2027-01-15T08:01:30Z", check=0).json["found"]
    assert [one["seq"] for one in told] == [4, 5]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2027-01-15T08:00:00Z", NOW),
        ("2027-01-15T09:00:00.001+01:00", NOW + 1),
        (" 2027-01-15t08:00z ", NOW),
        ("2027-01-15 08:00", NOW),
        ("2027-01-15", NOW - 8 * 3_600_000),
        ("7d", NOW - 7 * 86_400_000),
        ("1h30m", NOW - 5_400_000),
        ("900000d", 0),
        ("0001-01-01", 0),
    ],
)
def test_since_is_a_time_a_date_or_how_long_ago(text: str, instant: int) -> None:
    assert instant_of(text, NOW) == instant


@pytest.mark.parametrize("wrong", ["yesterday", "7", "2027-13-01", "", "d", "-7d"])
def test_what_is_no_instant_is_told(wrong: str) -> None:
    with pytest.raises(ValueError, match="write 2026-05-01T12:00:00Z, 2026-05-01, 7d or 12h"):
        instant_of(wrong, NOW)


def test_a_bad_since_is_a_usage_error(filled: House) -> None:
    assert "'soon' is not a time, a date or a duration" in filled.cdpoll("found", "--since", "soon", check=2).err


def test_csv_and_json_exclude_each_other(filled: House) -> None:
    assert "give --csv or --json" in filled.cdpoll("found", "--csv", "--json", check=2).err


def test_without_a_database_it_is_74(tmp_path: Path) -> None:
    assert House(tmp_path).cdpoll("found", check=74).text == ""


# --- for spreadsheets


def test_csv_has_every_field_of_the_json(filled: House) -> None:
    rows = cells(filled)
    told = filled.cdpoll("found", "--json", check=0).json["found"]
    flat = [{**one, **one["patient"]} for one in told]
    assert len(rows) == len(flat)
    for row, one in zip(rows, flat, strict=True):
        assert row.keys() == one.keys() - {"patient"}
        for key in row.keys() - {"ref", "warnings", "provisional"}:
            assert row[key] == ("" if one[key] is None else str(one[key]))
    assert [row["ref"] for row in rows] == ["'+ACCT-2", "'+ACCT-2", "ACCT-1", "ACCT-1", "", ""]
    assert rows[4]["warnings"].startswith("no_271: The vendor lists the path")
    assert {row["provisional"] for row in rows} == {"0"}


# --- the table


def drawn(width: int, *rows: list[str], columns: Any = None) -> list[str]:
    return list(table_lines(columns or (Column("a"), Column("b", cut=True), Column("c", 1)), [list(rows)], width))


def test_a_column_of_which_nothing_is_said_is_left_out() -> None:
    assert drawn(80, ["x", "y", ""], ["xx", "", ""]) == ["a   b", "x   y", "xx"]


def test_what_does_not_fit_is_cut_then_left_out_and_a_number_never() -> None:
    row = ["1234567", "abcdefghijklmnop", "third"]
    assert drawn(32, row) == ["a        b                 c", "1234567  abcdefghijklmnop  third"]
    assert drawn(31, row)[1] == "1234567  abcdefghijklmn…  third"
    assert drawn(25, row)[1] == "1234567  abcdefghijklmnop"
    assert drawn(24, row)[1] == "1234567  abcdefghijklmn…"
    assert drawn(5, row)[1] == "1234567  abcdefghi…"


def test_the_first_thousand_rows_decide_and_later_ones_are_cut_or_overflow() -> None:
    columns = (Column("a"), Column("b", cut=True))
    pages = [[["1", "short"]] * 1000, [["22222", "longer than that"]]]
    lines = list(table_lines(columns, pages, 80))
    assert [*lines[:2], lines[-1]] == ["a  b", "1  short", "22222  long…"]
    assert list(table_lines(columns, [[["1", ""]], [["2", "x"]]], 80)) == ["a  b", "1", "2  x"], (
        "a short page decides not"
    )


def test_texts_are_cut_for_dear_columns_alone_and_what_has_no_room_is_named() -> None:
    columns = (Column("text", cut=True), Column("dear", 2), Column("name", 3, cut=True), Column("cheap", 4))
    row = ["abcdefghijkl", "12345678", "a name that is long", "1234"]

    def shown(width: int) -> tuple[str, list[str]]:
        left_out: list[str] = []
        lines = list(table_lines(columns, [[row]], width, left_out))
        return lines[1], left_out

    assert shown(50) == ("abcdefghijkl  12345678  a name that is long  1234", [])
    assert shown(44) == ("abcdefghijkl  12345678  a name that is long", ["cheap"])
    assert shown(36) == ("abcdefghijkl  12345678  a name that…", ["cheap"])
    assert shown(30) == ("abcdefghijkl  12345678  1234", ["name"])
    assert shown(21) == ("abcdefghij…  12345678", ["name", "cheap"])
    assert shown(19) == ("abcdefghijkl  1234", ["dear", "name"])


def test_without_a_width_one_long_text_widens_its_own_line_alone() -> None:
    _, short, long = table_lines((Column("a"), Column("b")), [[["x", "1"], ["y" * 5000, "2"]]], None)
    assert (len(short), long) == (43, f"{'y' * 5000}  2")


def test_without_a_width_nothing_is_cut_or_left_out() -> None:
    columns = (Column("a"), Column("b", 9, cut=True))
    pages = [[["1", "short"]] * 1000, [["22222", "longer than that"]]]
    assert list(table_lines(columns, pages, None))[-1] == "22222  longer than that"


def test_letters_of_double_width_and_accents_are_measured() -> None:
    assert (width_of("abc"), width_of("王小明"), width_of("e\u0301")) == (3, 6, 1)
    assert drawn(80, ["王", "b", "c"], ["wxyz", "b", "c"])[1:] == ["王    b  c", "wxyz  b  c"]


def test_no_page_is_no_line_and_nothing_from_outside_steers_the_terminal() -> None:
    assert list(table_lines((Column("a"),), [], 80)) == []
    assert drawn(80, ["\x1b[2J", "b", ""])[1] == "\\x1b[2J  b"


def test_a_subtenant_sees_its_own(filled: House) -> None:
    lines = filled.cdpoll("found", "--json", check=0).json["found"]
    mine = lines[0]["id"]
    filled.rows("UPDATE tasks SET subtenant = 'north' WHERE id = ?", mine)
    found = filled.cdpoll("found", "--subtenant", "north", "--json", check=0).json["found"]
    assert found == [{**one, "subtenant": "north"} for one in lines if one["id"] == mine]
    assert len(found) < len(lines)
    assert filled.cdpoll("found", "--subtenant", "south", "--json", check=0).json["found"] == []
    assert "no coverage was found" in filled.cdpoll("found", "--subtenant", "south", check=0).err

"""A page of the list: what is read of it, what is asked for, and that nothing in it can do harm."""

import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from worker.core.instant import from_iso, iso
from worker.core.intake.link import valid_id
from worker.core.listed_rows import Owner
from worker.core.vendor.page import MOST_ROWS, Page, PageQuery, Row, query_text, read_page
from worker.core.vendor.reply import Garbled, HttpAnswer, RateLimited, Refused, Rejected, Reply, Unknown, Unreachable

NOW = 1_800_000_000_000  # 2027-01-15T08:00:00Z
WHOLE: dict[str, Any] = {
    "id": "0e56C-87ee-11ee",
    "status": "pending",
    "tenantName": "T",
    "traceId": "t",
    "correlationId": "c-1",
    "name": "Default",
    "type": "serial",
    "startDateTime": "2027-01-15T07:59:00.123456789Z",
    "endDateTime": "",
    "discoveryPaths": {
        "successful": [{"name": "Medicare", "transaction": {"status": "eligible", "x12-271": "ISA*"}}],
        "pending": [{"name": "RTCOB", "transaction": {}}, {"name": "CoverageInsight"}],
    },
}


def read(said: bytes, status: int = 200, *, tenant: str | None = None, **more: str) -> Page | Reply:
    return read_page(HttpAnswer(status, said, **more), tenant, NOW)


def rows(*entries: object) -> Page:
    page = read(json.dumps(entries).encode())
    assert isinstance(page, Page)
    return page


def bare(task_id: str, status: str | None = None) -> Row:
    return Row(task_id, status)


# The rows.


def test_a_whole_row() -> None:
    row = Row("0e56C-87ee-11ee", "pending", NOW - 60_000 + 123, "Default", "c-1", "T")
    assert rows(WHOLE) == Page((row,), 1)
    done = WHOLE | {"status": "success", "endDatetime": "2027-01-15T08:00:00Z", "discoveryPaths": {}}
    assert rows(done).rows == (row._replace(status="success"),)


@pytest.mark.parametrize("key", ["subtenantId", "subTenantId", "subtenant"])
def test_the_subtenant_under_each_of_its_names(key: str) -> None:
    assert rows({"id": "a", key: "clinic-7"}).rows == (Row("a", subtenant="clinic-7"),)


@pytest.mark.parametrize("said", [{"id": "clinic-8"}, ["clinic-8"], True])
def test_a_subtenant_that_cannot_be_read_is_none_of_ours(said: object) -> None:
    (row,) = rows({"id": "a", "subtenantId": said}).rows
    assert not Owner(subtenant_id="clinic-7").owns(row)


def test_a_page_without_rows_is_a_page() -> None:
    assert read(b"[]") == Page((), 0)


def test_a_row_may_hold_nothing_but_an_id() -> None:
    assert rows({"id": "a"}, {"id": 17}, {"id": "b", "status": "success"}).rows == (
        bare("a"), bare("17"), bare("b", "success"),
    )  # fmt: skip


@pytest.mark.parametrize("status", ["in_review", "PENDING", "pending ", "Success", "17"])
def test_a_state_stays_as_it_came(status: str) -> None:
    assert rows({"id": "a", "status": status}).rows == (bare("a", status),)


@pytest.mark.parametrize("status", [None, "", [], {}, True])
def test_what_is_no_state_is_none(status: object) -> None:
    assert rows({"id": "a", "status": status}).rows == (bare("a"),)


@pytest.mark.parametrize(
    "entry",
    [
        None, 17, "0e56", True, [], ["id"], {}, {"ID": "a"}, {"id": None}, {"id": ""}, {"id": True}, {"id": {}},
        {"id": ["a"]}, {"id": "a b"}, {"id": "../x12"}, {"id": "x12"}, {"id": "a" * 129}, {"id": "é"},
        {"id": "\ud800"}, {"id": "a\n"}, {"id": 1.5e300},
    ],
    ids=repr,
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_counted_and_costs_no_other(entry: object) -> None:
    assert rows({"id": "a"}, entry, {"id": "b"}) == Page((bare("a"), bare("b")), 3)


def test_a_row_may_come_twice_and_it_is_not_for_a_page_to_say_which_is_right() -> None:
    page = rows({"id": "a", "status": "pending"}, {"id": "a", "status": "success"})
    assert page.rows == (bare("a", "pending"), bare("a", "success"))


def test_of_a_page_without_measure_only_the_beginning_is_read() -> None:
    page = rows(*({"id": f"t{n}"} for n in range(MOST_ROWS + 7)))
    assert (len(page.rows), page.received) == (MOST_ROWS, MOST_ROWS + 7)
    assert page.rows[-1].id == f"t{MOST_ROWS - 1}"


# What is no list.


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"<!DOCTYPE html><html></html>", "html"),
        (b"", "not_json"),
        (b"null", "not_json"),
        (b'[{"id": "a"}', "not_json"),
        (b"[" * 100_000 + b"]" * 100_000, "not_json"),
        (b'{"id": "a", "status": "success"}', "no_list"),
        (b'{"items": [{"id": "a"}]}', "no_list"),
        (b'"string"', "no_list"),
        (b"17", "no_list"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_list_is_garbled(said: bytes, code: str) -> None:
    assert read(said) == Garbled(code)


@pytest.mark.parametrize("said", [b"", b"[]", b'[{"id": "a", "status": "success"}]', b"html", b"\xff"])
@pytest.mark.parametrize(
    ("status", "reply"),
    [
        (401, Refused("http_401")),
        (403, Refused("http_403")),
        (404, Unknown()),
        (400, Rejected("http_400")),
        (422, Rejected("http_422")),
        (408, Unreachable("http_408")),
        (500, Unreachable("http_500")),
        (503, Unreachable("http_503")),
        (429, RateLimited("http_429")),
        (302, Garbled("redirect")),
        (204, Garbled("http_204")),
        (206, Garbled("http_206")),
    ],
)
def test_no_status_but_200_is_a_list_whatever_its_body(status: int, reply: Reply, said: bytes) -> None:
    assert read(said, status) == reply


def test_a_list_of_another_tenant_is_none_of_ours() -> None:
    assert read(b"[]", tenant="T1", tenant_id="T2") == Garbled("other_tenant")
    assert read(b"[]", tenant="T1", tenant_id="T1") == read(b"[]", tenant="T1") == Page((), 0)


def test_one_byte_of_latin_1_costs_no_page() -> None:
    assert read('[{"id": "a", "name": "Défault"}]'.encode("latin-1")) == Page((bare("a")._replace(name="Défault"),), 1)


# The query.


def test_the_query_names_the_window_the_order_and_the_page() -> None:
    assert query_text(PageQuery(NOW - 60_000, NOW)) == (
        "startDateTime=2027-01-15T07%3A59%3A00Z&endDateTime=2027-01-15T08%3A00%3A00Z"
        "&sort=startDateTime&offset=0&limit=100"
    )
    assert query_text(PageQuery(NOW, None, 17, 25, "c&1")) == (
        "startDateTime=2027-01-15T08%3A00%3A00Z&correlationId=c%261&sort=startDateTime&offset=17&limit=25"
    )


@given(st.integers(0, 4_000_000_000_000), st.integers(0, 10**9))
def test_the_window_is_never_narrower_than_was_asked(start: int, length: int) -> None:
    fields = parse_qs(query_text(PageQuery(start, start + length)))
    begin, end = from_iso(fields["startDateTime"][0]), from_iso(fields["endDateTime"][0])
    assert begin is not None
    assert end is not None
    assert start - 1000 < begin <= start
    assert start + length <= end < start + length + 1000
    assert fields["startDateTime"] == [iso(begin)]
    assert "." not in fields["startDateTime"][0] + fields["endDateTime"][0]


# Whatever comes.


VALUES: st.SearchStrategy[Any] = st.sampled_from(
    ["a", "x12", "pending", "success", "2027-01-15T08:00:00Z", "", None, True, {}, []]
)
ENTRIES = st.recursive(
    VALUES | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "status", "startDateTime", "endDatetime", "discoveryPaths", "pending", "name"]),
            inner,
        )
    ),
    max_leaves=12,
)


@examples(400)
@given(st.lists(ENTRIES, max_size=6) | ENTRIES)
def test_no_list_raises_and_every_row_has_a_usable_id(entries: object) -> None:
    page = read(json.dumps(entries).encode())
    if not isinstance(entries, list):
        assert isinstance(page, Garbled)
        return
    assert isinstance(page, Page)
    assert page.received == len(entries) >= len(page.rows)
    for row in page.rows:
        assert valid_id(row.id)
        assert row.status is None or isinstance(row.status, str)


@given(st.binary(max_size=200), st.sampled_from([200, 204, 302, 401, 404, 500]))
def test_no_body_raises(said: bytes, status: int) -> None:
    assert isinstance(read(said, status), Page | Garbled | Refused | Unknown | Unreachable)

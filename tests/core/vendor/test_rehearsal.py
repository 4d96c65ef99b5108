"""The documents of a rehearsal are those that the vendor delivers, and their ids tell them apart."""

import json

from worker.core.intake.link import valid_id
from worker.core.vendor.document import Document, read_document
from worker.core.vendor.rehearsal import PREFIX, concluded, is_rehearsal, rehearsals

AT = "2027-01-15T08:00:00Z"


def read(document: object) -> Document:
    found = read_document(json.dumps(document).encode(), None)
    assert isinstance(found, Document)
    return found


def test_each_kind_of_delivery_is_rehearsed() -> None:
    pending, older, newer, real = (read(one.document) for one in rehearsals("7", AT))
    assert [one.status for one in (pending, older, newer, real)] == ["pending", "failure", "failure", "failure"]
    assert pending.id == older.id
    assert len({older.id, newer.id, real.id}) == 3
    assert {older.ended_at, newer.ended_at, real.ended_at} == {1_800_000_000_000}
    assert [one.fingerprint.real_time is None for one in (older, newer, real)] == [True, True, False]
    assert newer == read(concluded("7", AT))


def test_an_id_tells_a_rehearsal() -> None:
    for one in rehearsals("7", AT):
        assert is_rehearsal(one.document["id"])
        assert valid_id(one.document["id"])
    assert not is_rehearsal("0716e3e8-87ee-11ee-b9d1-0242ac120002")
    assert not is_rehearsal(f"x{PREFIX}")

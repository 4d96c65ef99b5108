"""``cdpoll lookups``: requests whose answer was lost, as people see them."""

from pathlib import Path

import pytest

from tests.support.cdpoll_process import House

C1, C2 = "4f1c2a6e-57a1-4a0e-9d2e-5a1b1c7f0d42", "c-2"


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.cdpoll("record", "--lookup", C1, "--ref", "account 7", check=0)
    made.cdpoll("record", "--lookup", C2, check=0)
    return made


def test_each_is_listed_with_what_came_of_it(house: House) -> None:
    house.rows("UPDATE lookups SET state = 'found', last_error = 'doubtful_ref' WHERE seq = 1")
    _, first, second = house.cdpoll("lookups", "list", check=0).out.decode().splitlines()
    assert first.split() == [
        *("1", "found", first.split()[2], "0", f"{C1};", "account", "7", "(found,", "and", "recorded", "without"),
        *("the", "ref:", "it", "is", "not", "sure", "whose", "it", "is)"),
    ]
    assert second.split()[0:2] == ["2", "searching"]
    assert second.endswith(C2)


def test_those_that_ended_are_dropped_together_and_others_by_number(house: House) -> None:
    house.rows("UPDATE lookups SET state = 'expired' WHERE seq = 1")
    assert house.cdpoll("lookups", "drop", "--ended", check=0).out == b"dropped 1\n"
    assert house.cdpoll("lookups", "drop", "--ended", check=0).out == b"dropped 0\n"
    assert house.cdpoll("lookups", "drop", "2", "7", check=1).out == b"dropped 2\n"
    assert "none of these numbers is known" in house.cdpoll("lookups", "drop", "2", check=65).err
    assert "nothing is looked for" in house.cdpoll("lookups", "list", check=0).err
    house.cdpoll("lookups", "drop", check=2)


def test_status_counts_them_and_an_expired_one_is_a_problem(house: House) -> None:
    house.rows("UPDATE lookups SET state = 'expired' WHERE seq = 1")
    told = house.cdpoll("status", "--json").json
    assert told["lookups"] == {"searching": 1, "found": 0, "expired": 1, "doubtful": 0}
    (one,) = [one for one in told["problems"] if one["code"] == "lookup_expired"]
    assert one["count"] == 1
    assert "1 request whose answer was lost" in one["hint"]
    assert b"1 searching, 1 expired" in house.cdpoll("status").out

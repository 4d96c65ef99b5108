"""Problems that a person acknowledges, and what people did by hand."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.who import who
from tests.support.cdpoll_process import House
from tests.support.loop_by_hand import ByHand
from tests.support.troubles import TROUBLES, quiet_house, quiet_loop, turn
from worker.core.errors import StorageFailed
from worker.core.standing import QUIET_MS
from worker.store.state import acts as audit
from worker.store.state import standing


@pytest.fixture
def house(tmp_path: Path) -> House:
    return quiet_house(tmp_path)


@pytest.fixture
def loop(house: House) -> Iterator[ByHand]:
    with quiet_loop(house) as by_hand:
        yield by_hand


def test_an_acknowledged_problem_is_hidden_until_it_grows(house: House, loop: ByHand) -> None:
    house.rows("UPDATE tasks SET state = 'abandoned', due_at = NULL WHERE seq < 3")
    turn(loop)
    house.cdpoll("problems", "ack", "abandoned", check=0)
    assert "abandoned" not in loop.problems()
    assert "abandoned" not in house.cdpoll("status", "--check").text.partition("|")[0]
    listed = house.cdpoll("problems", "list", "--json", check=0).json["problems"]
    (shown,) = [one for one in listed if one["code"] == "abandoned"]
    assert shown["acknowledged"]["count"] == 2
    assert shown["acknowledged"]["by"]
    assert "acknowledged" in house.cdpoll("problems", "list", check=0).text
    assert turn(loop) == []
    house.rows("UPDATE tasks SET state = 'abandoned', due_at = NULL WHERE seq = 3")
    assert "abandoned" in loop.problems()
    assert turn(loop) == [("problem has grown since it was acknowledged", "abandoned")]
    (act,) = house.cdpoll("problems", "acts", "--json", check=0).json["acts"]
    assert (act["act"], act["object"]) == ("acknowledged", "abandoned (2)")
    assert act["who"] == shown["acknowledged"]["by"]


def test_an_acknowledged_problem_that_returns_is_told_again(house: House, loop: ByHand) -> None:
    house.rows(TROUBLES["abandoned"].begin)
    turn(loop)
    house.cdpoll("problems", "ack", "abandoned", check=0)
    house.rows(TROUBLES["abandoned"].end)
    turn(loop)
    turn(loop, QUIET_MS)
    house.rows(TROUBLES["abandoned"].begin)
    assert turn(loop) == [("problem begins", "abandoned")]
    assert "abandoned" in loop.problems()


def test_what_is_acknowledged_while_nothing_can_be_written_stays_so(
    house: House, loop: ByHand, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.rows(TROUBLES["abandoned"].begin)
    turn(loop)

    def refuse(*_: object) -> None:
        raise StorageFailed("no room")

    with monkeypatch.context() as broken:
        broken.setattr(standing, "keep", refuse)
        house.rows(TROUBLES["unreadable"].begin)
        assert turn(loop) == [("problem begins", "unreadable")]
        house.cdpoll("problems", "ack", "abandoned", check=0)
    assert turn(loop) == []
    assert house.rows("SELECT code, acked_n FROM problems ORDER BY code") == [("abandoned", 1), ("unreadable", None)]
    assert "abandoned" not in loop.problems()


def test_only_what_stands_can_be_acknowledged(house: House) -> None:
    assert "did you mean abandoned?" in house.cdpoll("problems", "ack", "abandonned", check=65).err
    for code in ("overdue", "OVERDUE", "failing_http_503"):
        said = house.cdpoll("problems", "ack", code, check=65).err
        assert f"{code} does not stand at present" in said
        assert "what stands: 1 problem: daemon_down" in said
    for code in ("foo", "sftp", "failing"):
        said = house.cdpoll("problems", "ack", code, check=65).err
        assert f"{code} is not the code of a problem" in said
        assert "what stands: 1 problem: daemon_down" in said
    assert house.value("SELECT count(*) FROM problems") == 0


def test_the_letter_case_of_a_code_does_not_count(house: House, loop: ByHand) -> None:
    house.rows(TROUBLES["unreadable"].begin)
    assert "unreadable (1) is acknowledged" in house.cdpoll("problems", "ack", "UNREADABLE", "unreadable", check=0).text
    assert "unreadable" not in loop.problems()


def test_what_grows_by_itself_stays_hidden_until_its_end(house: House, loop: ByHand) -> None:
    def silent(n: int) -> None:
        said = f'{{"count": {n}, "since": 1000}}'
        house.rows("INSERT OR REPLACE INTO meta (key, value) VALUES ('responses_without_task', ?)", said)

    silent(12)
    assert turn(loop) == [("problem begins", "no_links")]
    assert "until it returns" in house.cdpoll("problems", "ack", "no_links", check=0).text
    silent(500)
    assert turn(loop) == []
    assert "no_links" not in loop.problems()
    silent(0)
    turn(loop)
    assert turn(loop, QUIET_MS) == [("problem is over", "no_links")]
    silent(10)
    assert turn(loop) == [("problem begins", "no_links")]


def test_who_did_it_is_in_the_history_of_the_task(house: House) -> None:
    house.cdpoll("abandon", "t0", check=0)
    detail = house.value("SELECT detail FROM history WHERE event = 'abandoned'")
    assert detail == f"by {who()}"


def test_the_acts_have_what_was_done_to_tasks(house: House) -> None:
    house.cdpoll("abandon", "t0", "t1", "nowhere", check=1)
    house.cdpoll("retry", "t0", "t2", "t0", check=0)
    acts = house.cdpoll("problems", "acts", "--json", check=0).json["acts"]
    done = [("retried", "t2"), ("retried", "t0"), ("abandoned", "t1"), ("abandoned", "t0")]
    assert [(one["act"], one["object"]) for one in acts] == done
    assert {one["who"] for one in acts} == {who()}
    assert f"{who()}: retried: t2\n" in house.cdpoll("problems", "acts", check=0).text


def test_an_act_of_an_earlier_cdpoll_is_a_sentence(house: House) -> None:
    house.rows("INSERT INTO acts (at, who, act) VALUES (0, 'ann', 'abandoned 2 tasks: a, b')")
    (one,) = house.cdpoll("problems", "acts", "--json", check=0).json["acts"]
    assert (one["act"], one["object"]) == ("abandoned 2 tasks: a, b", None)
    assert "ann: abandoned 2 tasks: a, b\n" in house.cdpoll("problems", "acts", check=0).text


def test_the_acts_are_only_added(loop: ByHand) -> None:
    with loop.store.write():
        for n in range(10):
            audit.note(loop.store, "ann", "abandoned", f"t{n}", n)
    assert len(audit.listed(loop.store, 5_000)) == 10
    for statement in (
        "DELETE FROM acts",
        "UPDATE acts SET who = 'bob'",
        "UPDATE acts SET object = NULL",
        "INSERT OR REPLACE INTO acts (seq, at, who, act) VALUES (1, 0, 'bob', 'nothing')",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="only added"):
            loop.store.execute(statement)
    assert audit.listed(loop.store, 1)[0]["object"] == "t9"

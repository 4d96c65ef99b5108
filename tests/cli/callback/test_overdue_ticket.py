"""Without ``[api]``: overdue tasks come with a text that asks the vendor for their callbacks."""

from pathlib import Path

from tests.support.cdpoll_process import House, until

NO_API = {"api_base_url": "", "api_client_id": "", "api_client_secret": "", "api_timeout": ""}


def test_the_daemon_lives_by_callbacks_alone_and_the_problem_names_the_text(tmp_path: Path) -> None:
    house = House(tmp_path, **NO_API, callback_public_url="https://callbacks.example.com")
    house.cdpoll("record", "late", "--correlation-id", "c-1", "--ref", "Mueller", check=0)
    house.rows("UPDATE tasks SET life_from = life_from - 90000000, recorded_at = recorded_at - 90000000")
    house.record("new")
    with house.start() as daemon:
        daemon.ready()
        until(lambda: house.status()["callbacks"]["on_since"], "the look at callbacks")
        assert "`cdpoll support --overdue`" in house.problems()["overdue"]
        assert "2 tasks pending, not polled: there is no [api]" in house.cdpoll("status").text
        assert daemon.stopped() == 0
    text = house.cdpoll("support", "--overdue", check=0).text
    assert "callback endpoint       https://callbacks.example.com/coverage-discovery/callback\n" in text
    assert "  late  began " in text
    assert "correlation id c-1\n" in text
    assert "new" not in text
    assert "Mueller" not in text


def test_many_are_named_by_a_range_of_time(house: House) -> None:
    house.record(*(f"t{n:02}" for n in range(60)))
    house.rows("UPDATE tasks SET life_from = life_from - 90000000, started_at = recorded_at - 90000000 + seq * 1000")
    told = house.cdpoll("support", "--overdue", "--json", check=0).json
    assert (told["overdue"], len(told["tasks"])) == (60, 50)
    text = house.cdpoll("support", "--overdue", check=0).text
    assert f"all that began from {told['from']} to {told['to']}," in text
    assert text.count("  began ") == 50
    assert house.cdpoll("support").code == house.cdpoll("support", "t01", "--overdue").code == 2


def test_none_is_overdue(house: House) -> None:
    house.record("a")
    ended = house.cdpoll("support", "--overdue", check=0)
    assert (ended.out, ended.err) == (b"", "cdpoll: no task is overdue\n")

"""`cdpoll record` plans the first poll of a task behind its callback, where callbacks are configured."""

from tests.support.cdpoll_process import House


def reason(house: House, task_id: str) -> str:
    house.cdpoll("record", task_id, check=0)
    return str(house.value("SELECT reason FROM tasks WHERE id = ?", task_id))


def test_with_the_section_without_it_and_with_a_broken_one(house: House) -> None:
    assert reason(house, "without") == "first"
    house.write(callback_listen="127.0.0.1:9272")
    assert reason(house, "with") == "callback"
    assert house.value("SELECT due_at - recorded_at > 2700000 FROM tasks WHERE id = 'with'")
    assert "the vendor's callback should come before it" in house.cdpoll("show", "with").text
    house.write(callback_listen="nowhere")
    assert reason(house, "broken") == "first"


def test_a_person_who_asks_for_a_poll_waits_for_nothing(house: House) -> None:
    house.write(callback_listen="127.0.0.1:9272")
    house.record("a", "b")
    house.cdpoll("poll", "a")
    house.cdpoll("retry", "b", check=0)
    assert house.value("SELECT count(*) FROM tasks WHERE reason = 'callback'") == 0
    assert house.value("SELECT count(*) FROM tasks WHERE due_at > recorded_at + 600000") == 0

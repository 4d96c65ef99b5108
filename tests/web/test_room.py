"""Large bodies are read one at a time, and hold up no small one."""

from io import BytesIO
from pathlib import Path

import pytest
from werkzeug.exceptions import RequestEntityTooLarge

from tests.support.callback_world import BODY, CallbackWorld
from worker.core.errors import TryLater
from worker.web.callback.app import MAX_BODY_BYTES
from worker.web.room import SMALL_BYTES, Room

LARGE = b"x" * (SMALL_BYTES + 1)


class Dripping(BytesIO):
    """A stream that gives less than it is asked for."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, 100_000))


def test_while_a_large_body_is_dealt_with_another_waits_and_a_small_one_does_not() -> None:
    room = Room(turn_timeout_s=0)
    with room.body(Dripping(LARGE), MAX_BODY_BYTES) as first:
        assert first == LARGE
        with room.body(Dripping(LARGE[1:]), MAX_BODY_BYTES) as small:
            assert small == LARGE[1:]
        with pytest.raises(TryLater), room.body(BytesIO(LARGE), MAX_BODY_BYTES):
            pass
    with room.body(BytesIO(LARGE), MAX_BODY_BYTES) as next_one:
        assert next_one == LARGE


def test_one_that_is_too_large_keeps_no_turn() -> None:
    room = Room(turn_timeout_s=0)
    for _ in range(2):
        with pytest.raises(RequestEntityTooLarge), room.body(BytesIO(LARGE), SMALL_BYTES):
            pass
    with room.body(BytesIO(), SMALL_BYTES) as empty:
        assert empty == b""


def test_a_large_delivery_without_a_turn_is_to_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.web.room.Room.__init__.__defaults__", (0, SMALL_BYTES))
    world = CallbackWorld(tmp_path)
    token, answers = world.token(), []
    monkeypatch.setattr(
        "worker.web.callback.app.read",
        lambda *_: answers.extend([world.deliver(token, LARGE).status_code, world.deliver("guess", LARGE).status_code]),
    )
    world.deliver(token, BODY | {"name": "x" * SMALL_BYTES})
    assert answers == [503, 401]
    monkeypatch.undo()
    assert world.deliver(token, LARGE).status_code == 204
    world.clerk.close()

"""How the demo watches its tasks until each has reached its end."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from cli.demo.ending import Picture
from cli.demo.run import Demo
from tests.support.cdpoll_process import House
from tests.support.frozen_clock import FrozenClock
from worker.config import load


def test_what_was_submitted_before_it_looked_is_waited_for(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.record("a")
    pending: list[int] = []

    def show(picture: Picture) -> None:
        pending.append(picture.pending)
        if len(pending) == 3:
            house.cdpoll("abandon", "a", check=0)

    demo = Demo(tmp_path / "demo", 1, show, FrozenClock())
    where = load(str(house.config), {}).store
    demo._watch(Picture(1), where, [cast(Any, SimpleNamespace(running=True))], lambda: True)
    assert pending == [1, 1, 1, 0]

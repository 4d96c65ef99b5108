"""`cdpoll config check` finds what would stop a way out on this machine."""

from pathlib import Path

import pytest

from tests.cli.test_config_check import mistakes
from tests.config.test_deliver import SECRET
from tests.support.cdpoll_process import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def write(house: House, *lines: str) -> None:
    folder = house.config.parent / "conf.d"
    folder.mkdir(exist_ok=True)
    (folder / "ways.ini").write_text("\n".join(("[deliver.a]", *lines, "")))


def test_a_folder(house: House, tmp_path: Path) -> None:
    write(house, "kind = directory", f"path = {tmp_path}/out")
    assert mistakes(house) == [f"3 path: there is no folder {tmp_path}/out; make it, or write another path"]
    (tmp_path / "out").mkdir()
    assert mistakes(house) == []
    write(house, "kind = directory", f"path = {tmp_path}/out", f"aside = {tmp_path}/no/where")
    (told,) = mistakes(house)
    assert f"the folder {tmp_path}/no/where cannot be made (no such file or directory)" in told


def test_the_secrets_of_a_webhook(house: House, tmp_path: Path) -> None:
    for name in ("secret", "url"):
        (tmp_path / name).write_text("hunter2\n")
    lines = [f"url = {{file {tmp_path}/url}}", f"secret = {{file {tmp_path}/secret}}"]
    write(house, "kind = webhook", *lines, f"previous_secret = {{file {tmp_path}/none}}")
    first, second, third = mistakes(house)
    assert first.startswith(f"3 url: {{file {tmp_path}/url}}: not an http address")
    assert second.startswith(f"4 secret: {{file {tmp_path}/secret}}: does not begin with whsec_")
    assert third.startswith(f"5 previous_secret: {tmp_path}/none cannot be used: no such file")
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "url").write_text("https://hooks.example.com/in?sig=x\n")
    write(house, "kind = webhook", *lines)
    assert mistakes(house) == []


def test_a_command(house: House, tmp_path: Path) -> None:
    program = tmp_path / "program"
    write(house, "kind = command", f"command = {program} --quiet")
    assert mistakes(house) == [f"3 command: {program} cannot be started: no such file or directory"]
    program.touch(0o644)
    assert mistakes(house) == [f"3 command: {program} cannot be started: it may not be executed (chmod +x)"]
    program.chmod(0o755)
    assert mistakes(house) == []
    program.write_bytes(b"#!/bin/sh\r\n")
    assert len(mistakes(house)) == 1

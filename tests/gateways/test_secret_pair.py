"""The two files of a secret: a kill at any call of the system leaves the old pair or the new one."""

import os
import signal
import stat
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from worker.gateways.secret_pair import Busy, Nothing, Rights, SecretPair

OLD = "0" * 64

# What changes something on the disk, or could: the process dies right before the n-th of them.
CALLS = ("open", "os.rename", "os.remove", "os.chown", "os.chmod")


def pair(folder: Path) -> SecretPair:
    return SecretPair(folder / "secret", folder / "secret-before", Rights(os.geteuid(), os.getegid()))


def died(number: int, call: Callable[[], object]) -> bool:
    """Whether a process that does this dies before its ``number``-th call of the system, as by ``kill -9``."""
    child = os.fork()
    if child == 0:
        numbers = count(1)

        def last(event: str, _arguments: object) -> None:
            if event in CALLS and next(numbers) == number:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(last)
        call()
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0


def held(path: Path) -> str | None:
    return path.read_text().strip() if path.exists() else None


def test_a_secret_has_256_bits_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    made = pair(tmp_path).make()
    assert len(bytes.fromhex(made)) == 32
    assert held(tmp_path / "secret") == pair(tmp_path).held() == made
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"secret"}


def test_none_is_replaced_but_by_a_rotation(tmp_path: Path) -> None:
    first = pair(tmp_path).make()
    with pytest.raises(Busy):
        pair(tmp_path).make()
    second = pair(tmp_path).rotate()
    assert (held(tmp_path / "secret"), held(tmp_path / "secret-before")) == (second, first)
    with pytest.raises(Busy):
        pair(tmp_path).rotate()
    assert (held(tmp_path / "secret"), held(tmp_path / "secret-before")) == (second, first)
    pair(tmp_path).retire()
    assert {path.name for path in tmp_path.iterdir()} == {"secret"}
    assert pair(tmp_path).rotate() not in (first, second)


def test_without_a_secret_nothing_is_changed(tmp_path: Path) -> None:
    for call in (pair(tmp_path).rotate, pair(tmp_path).retire):
        with pytest.raises(Nothing):
            call()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_holds_no_secret(tmp_path: Path) -> None:
    for name in ("secret", "secret-before"):
        (tmp_path / name).write_text("\n")
    made = pair(tmp_path).make()
    assert pair(tmp_path).held() == made
    pair(tmp_path).rotate()
    assert held(tmp_path / "secret-before") == made


def test_the_new_file_has_the_rights_of_the_old_one(tmp_path: Path) -> None:
    pair(tmp_path).make()
    (tmp_path / "secret").chmod(0o640)
    mine = os.geteuid() == 0
    if mine:
        os.chown(tmp_path / "secret", 0, 7)
    pair(tmp_path).rotate()
    for name in ("secret", "secret-before"):
        found = (tmp_path / name).stat()
        assert stat.S_IMODE(found.st_mode) == 0o640
        assert found.st_gid == (7 if mine else os.getegid())


def test_a_rotation_that_is_killed_leaves_a_pair_that_lets_the_vendor_in(tmp_path: Path) -> None:
    outcomes = []
    for number in count(1):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "secret").write_text(OLD + "\n")
        ended = not died(number, lambda folder=folder: pair(folder).rotate())  # type: ignore[misc]
        present, before = held(folder / "secret"), held(folder / "secret-before")
        assert present is not None
        assert len(present) == 64
        assert OLD in (present, before)
        assert before in (None, OLD)
        outcomes.append(present == OLD)
        if present == OLD:  # as if it had not been begun
            assert len(pair(folder).rotate()) == 64
        assert held(folder / "secret-before") == OLD
        assert {path.name for path in folder.iterdir()} == {"secret", "secret-before"}
        if ended:
            break
    assert outcomes == sorted(outcomes, reverse=True)
    assert outcomes.count(True) > 6
    assert outcomes[-1] is False


def test_a_first_secret_that_is_killed_is_whole_or_not_there(tmp_path: Path) -> None:
    for number in count(1):
        folder = tmp_path / str(number)
        folder.mkdir()
        ended = not died(number, lambda folder=folder: pair(folder).make())  # type: ignore[misc]
        found = held(folder / "secret")
        assert found is None or len(found) == 64
        if found is None:
            pair(folder).make()
        assert {path.name for path in folder.iterdir()} == {"secret"}
        if ended:
            break
    assert number > 3

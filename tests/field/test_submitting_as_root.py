"""Root submits beside the service: with the secret that root may read, into a database that stays the service's."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.support.submitting import Submitting, check

SERVICE = 2_000_001

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")


@pytest.fixture
def by(sandbox: Sandbox) -> Iterator[Submitting]:
    with tempfile.TemporaryDirectory() as folder:  # not below the tests' own, which is shut to other users
        Path(folder).chmod(0o711)
        made = Submitting(Path(folder), sandbox)
        state = made.house.database.parent
        for path in (state, *state.iterdir()):
            shutil.chown(path, SERVICE, SERVICE)
        yield made


def test_what_root_may_read_is_enough_and_nothing_becomes_root_s(by: Submitting) -> None:
    assert (by.house.folder / "secret").stat().st_mode & 0o077 == 0
    told = by.told(check(), "--ref", "A")
    assert set(told["recorded"]) == by.begun
    assert {path.stat().st_uid for path in by.house.database.parent.iterdir()} == {SERVICE}

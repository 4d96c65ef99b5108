"""What a request began whose answer never came is found by the daemon, with its refs, and nothing is begun twice."""

from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.support.held_vendor import HeldVendor
from tests.support.submitting import Submitting, check


@pytest.fixture
def by(tmp_path: Path, sandbox: Sandbox) -> Submitting:
    return Submitting(tmp_path, sandbox)


def test_the_daemon_finds_what_was_begun(by: Submitting) -> None:
    with HeldVendor(by.sandbox, "POST") as vendor:
        killed = by.start(check(), "--ref", "A", "--ref", "B")
        vendor.wait_for(1)
        killed.kill()
        killed.wait()
    by.house.rows("UPDATE lookups SET due_at = 1")
    by.house.cdpoll("run", "--once", check=0)
    assert (len(by.posts), len(by.begun)) == (1, 2)
    assert by.refs() == {(task, ref) for task in by.begun for ref in "AB"}
    assert {state for _, _, state in by.lookups} == {"found"}

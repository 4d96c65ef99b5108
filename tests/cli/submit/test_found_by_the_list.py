"""What a request began whose answer never came is found by the daemon, with its ref, and nothing is begun twice."""

from pathlib import Path

import pytest

from sandbox.server import Sandbox
from tests.support.held_vendor import HeldVendor
from tests.support.submitting import Submitting, check


@pytest.fixture
def by(tmp_path: Path, sandbox: Sandbox) -> Submitting:
    return Submitting(tmp_path, sandbox)


@pytest.mark.parametrize(("refs", "given"), [("A", "A"), ("AB", "")])
def test_the_daemon_finds_what_was_begun(by: Submitting, refs: str, given: str) -> None:
    with HeldVendor(by.sandbox, "POST") as vendor:
        killed = by.start(check(), *(word for ref in refs for word in ("--ref", ref)))
        vendor.wait_for(1)
        killed.kill()
        killed.wait()
    by.house.rows("UPDATE lookups SET due_at = 1")
    by.house.cdpoll("run", "--once", check=0)
    assert (len(by.posts), len(by.begun)) == (1, 2)
    assert by.refs() == {(task, ref) for task in by.begun for ref in given}
    assert {state for _, _, state in by.lookups} == {"found"}

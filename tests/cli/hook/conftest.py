"""On a busy machine an intake answers late, and tests of what it answers are to see its answer."""

import pytest

from cli.hook import cdpoll_hook


@pytest.fixture(autouse=True)
def waiting(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The hook waits for as long as a test may take. A test of a bound sets it again."""
    monkeypatch.setattr(cdpoll_hook, "_INTAKE_S", 20)
    monkeypatch.setattr(cdpoll_hook, "_WAIT_S", 50)
    return monkeypatch

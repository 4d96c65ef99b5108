"""What would have gone without a word: nothing that names a task does."""

import gc
import json
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import httpx
import pytest

from cli.hook import cdpoll_hook
from cli.hook.cdpoll_hook import Ways, hand_over
from tests.support.hooking import API, MADE, ONE, SEVERAL, TWO, Handed, handed_to, link, spool_in, taken, vendor
from tests.support.loopback import always, answer

LINK = {"link": link(ONE)[6:]}


@pytest.fixture
def handed(tmp_path: Path) -> Iterator[Handed]:
    with handed_to(taken, tmp_path) as found:
        yield found


def test_another_program_at_the_port_is_not_taken_for_cdpoll(tmp_path: Path) -> None:
    with handed_to(always(answer(200, b"<p>Welcome")), tmp_path) as handed:
        assert hand_over(LINK, ways=handed.ways)
        assert len(handed.left) == 1


def test_a_spool_at_which_nothing_has_ever_looked_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert hand_over(LINK, ways=Ways("", spool=str(spool_in(tmp_path))))
    assert "has not looked for a day" in caplog.text


@pytest.mark.parametrize("at_exit", [False, True])
def test_a_streamed_answer_that_is_never_closed_is_handed_over(handed: Handed, at_exit: bool) -> None:
    hooks = {"response": [cdpoll_hook.httpx_hook(handed.ways)]}
    with vendor(MADE) as url, httpx.Client(event_hooks=hooks, trust_env=False) as http:
        response = http.send(http.build_request("POST", url + API + "/coverage-discovery"), stream=True)
        assert handed.posts == []
        kept = [response] if at_exit else []
        del response
        gc.collect()
        if at_exit:
            cdpoll_hook._at_exit()
        futures.wait([*cdpoll_hook._under_way])
    assert handed.ids() == {ONE}
    assert len(handed.posts) == 1
    assert len(kept) == at_exit


def test_at_the_end_of_a_program_no_thread_is_to_be_had(handed: Handed, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as within:
        within.setattr(threading.Thread, "start", refuse)
        # By the spool, since the intake of this test needs a thread.
        assert hand_over(LINK, ways=Ways("", spool=str(handed.spool)))
    assert handed.ids() == {ONE}


def test_the_log_names_the_ids_of_a_body_and_the_request_to_be_looked_for(caplog: pytest.LogCaptureFixture) -> None:
    nowhere = Ways("", spool="")
    assert not hand_over(status=207, body=SEVERAL, ways=nowhere, ref="PATIENT")
    assert not hand_over(status=202, body=json.loads(SEVERAL), ways=nowhere)
    assert not hand_over(correlation_id="c9", ways=nowhere)
    first, second, third = (one.getMessage() for one in caplog.records)
    assert ONE in first
    assert TWO in first
    assert TWO in second
    assert third.endswith("c9")
    assert "PATIENT" not in caplog.text

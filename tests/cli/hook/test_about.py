"""What is said of one patient's tasks never goes along with another's."""

import asyncio
import contextvars
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cli.hook import cdpoll_hook
from cli.hook.cdpoll_hook import about
from tests.support.hooking import API, CHECKED, Handed, handed_to, link, taken, vendor


@pytest.fixture
def handed(tmp_path: Path) -> Iterator[Handed]:
    with handed_to(taken, tmp_path) as found:
        yield found


def test_a_block_with_another_ref_is_about_another_patient(handed: Handed) -> None:
    headers = {"link": link("x")[6:]}
    with about(ref="A", trace_number="1", member_id="MA", subtenant="s"):
        with about(ref="B", member_id="MB"):
            cdpoll_hook.hand_over(headers, ways=handed.ways)
        cdpoll_hook.hand_over(headers, ways=handed.ways, ref="C")
        with about(ref="A", originator_id="2"):
            cdpoll_hook.hand_over(headers, ways=handed.ways)
        with about(ref=None):
            cdpoll_hook.hand_over(headers, ways=handed.ways)
    said = [{name: value for name, value in one.items() if name != "headers"} for one in handed.objects]
    assert said == [
        {"ref": "B", "member_id": "MB", "subtenant": "s"},
        {"ref": "C", "subtenant": "s"},
        {"ref": "A", "trace_number": "1", "member_id": "MA", "subtenant": "s", "originator_id": "2"},
        {"subtenant": "s"},
    ]


def test_a_task_that_outlives_its_block_brings_no_ref_along(handed: Handed, caplog: pytest.LogCaptureFixture) -> None:
    async def serve(url: str, wanted: "asyncio.Queue[None]") -> None:
        hooks = {"response": [cdpoll_hook.async_httpx_hook(handed.ways)]}
        async with httpx.AsyncClient(event_hooks=hooks, trust_env=False) as http:
            await wanted.get()
            await http.post(url + API + "/")

    async def calls(url: str) -> None:
        wanted: asyncio.Queue[None] = asyncio.Queue()
        with about(ref="A"):
            worker = asyncio.create_task(serve(url, wanted))
            await asyncio.sleep(0)
        wanted.put_nowait(None)
        await worker

    with vendor(CHECKED) as url:
        asyncio.run(calls(url))
    assert [one.get("ref") for one in handed.objects] == [None]
    assert "after its block of about() had ended" in caplog.text


def checks(ref: str) -> Iterator[None]:
    with about(ref=ref):
        yield


def test_blocks_that_overlap_are_told(caplog: pytest.LogCaptureFixture) -> None:
    first, second = checks("A"), checks("B")
    next(first), next(second)
    assert [*first] == []
    assert "overlap" in caplog.text
    assert [*second] == []


def test_a_block_that_ends_elsewhere_raises_nothing() -> None:
    begun = checks("A")
    contextvars.copy_context().run(next, begun)
    assert [*begun] == []


def test_the_correlation_id_that_was_sent_counts(handed: Handed) -> None:
    hooks = [cdpoll_hook.httpx_hook(handed.ways)]
    client = httpx.Client(event_hooks={"response": hooks}, trust_env=False)
    with vendor(CHECKED) as url, client as http, about(correlation_id="said"):
        http.post(url + API + "/", headers={"x-optum-correlation-id": "sent"})
        http.post(url + API + "/")
    assert [one["correlation_id"] for one in handed.objects] == ["sent", "said"]

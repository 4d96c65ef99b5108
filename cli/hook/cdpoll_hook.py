"""Hand the ids of Coverage Discoveries to cdpoll. `cdpoll hook` writes this file out, with a header."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import http.client
import json
import os
import re
import socket
import ssl
import threading
import uuid
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.hook.saying import _NO_BLOCK, _about, _guarded, _log, _lost, _text, _with
from cli.hook.saying import about as about

LOCAL = "http://127.0.0.1:9271/v1/tasks"
SPOOL = "/var/spool/cdpoll/in"
VENDOR = "/rcm/eligibility/"

_WAIT_S = 0.95  # how long the caller waits at most, also at its end
_INTAKE_S = 0.5  # then the intake is given up, and the spool is next
_MOST_THREADS = 1000  # more than can be under way while neither network nor disk hangs
_BODY_BYTES = 1_000_000
_STALE_S = 86_400  # the spool lane of cdpoll renews its mark far more often

_KEPT = ("link", "location", "date", "x-optum-correlation-id", "x-optum-trace-id")
_NOTHING: tuple[dict[str, Any], bool] = ({}, False)
_CREATED = (201, 202, 207)  # of a discovery POST: its body names tasks
_TAKEN = (200, 201, 422)  # answers of the intake: it has kept what was sent
_CUT = (502, 504)  # a gateway gave up waiting; the vendor may have begun discoveries all the same
_OWN = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")

_under_way: set[futures.Future[Any]] = set()
_watched: weakref.WeakSet[Any] = weakref.WeakSet()


class Ways:
    """How cdpoll is reached.

    ``intake`` is the address of the local intake, or ``unix:/path`` for its socket; http for this machine alone.
    ``token`` is its bearer token, ``ca_file`` the authority (PEM) of its certificate. ``spool`` is the folder where
    files are left. Empty: there is none. Answers to a POST whose path contains ``paths`` are handed over.
    """

    def __init__(
        self, intake: str = LOCAL, *, token: str = "", ca_file: str = "", spool: str = SPOOL, paths: str = VENDOR
    ) -> None:
        self.intake, self.token, self.spool, self.paths = intake, token, spool, paths
        address = urlsplit(intake or "unix:")
        self.host, self.port = address.hostname or "localhost", address.port
        self.socket = address.path if address.scheme == "unix" else ""
        self.path = "/v1/tasks" if self.socket else address.path or "/v1/tasks"
        self.tls = ssl.create_default_context(cafile=ca_file or None) if address.scheme == "https" else None
        if address.scheme not in ("unix", "https") and not (address.scheme == "http" and _OWN.fullmatch(self.host)):
            raise ValueError("intake: write unix:/path, https://…, or http://… with an address of this machine")


_HERE = Ways()


def httpx_hook(ways: Ways = _HERE) -> Callable[[Any], None]:
    """For ``event_hooks={"response": [...]}`` of an ``httpx.Client``."""

    def hook(response: Any) -> None:
        _result(_guarded(lambda: _httpx(ways, response)))

    return hook


def async_httpx_hook(ways: Ways = _HERE) -> Callable[[Any], Any]:
    """For ``event_hooks={"response": [...]}`` of an ``httpx.AsyncClient``."""

    async def hook(response: Any) -> None:
        await _wait_async(_guarded(lambda: _httpx(ways, response)))

    return hook


def requests_hook(ways: Ways = _HERE) -> Callable[..., None]:
    """For ``hooks["response"]`` of a ``requests.Session``. With ``stream=True`` the body of the answer to a discovery
    POST is left to the caller; hand it over with :func:`hand_over`."""

    def hook(response: Any, **how: Any) -> None:
        raw = getattr(response.raw, "headers", None) or response.headers  # the latter has lines of one name joined
        found, wants_body = _guarded(lambda: _found(ways, response, raw)) or _NOTHING
        if wants_body and how.get("stream"):
            _log.warning("the body of a streamed answer is left to the caller; its headers are handed over")
        elif wants_body:
            try:
                found["body"] = response.content
            except Exception:  # the caller's own: the same call would raise it without this hook
                _result(_start(ways, found))
                raise
        _result(_start(ways, found))

    return hook


def hand_over(headers: Any = (), *, status: int = 0, body: Any = None, ways: Ways = _HERE, **keys: str | None) -> bool:
    """Hand over a response: its headers (a mapping, or pairs of which every one is kept), its status, and the body
    where it answers a discovery POST. ``keys`` are those of :func:`about`. With ``correlation_id`` alone, cdpoll looks
    for the discoveries of that request, whose answer was not seen. Returns whether cdpoll or the spool has it."""
    found = _guarded(lambda: _object(headers, status, _with(keys))) or {}
    return bool(_result(_guarded(lambda: _start(ways, {**found, "body": body}))))


def _found(ways: Ways, response: Any, headers: Any) -> tuple[dict[str, Any], bool]:
    """The object of a JSON line, and whether the body belongs to it."""
    request, status, path = response.request, response.status_code, urlsplit(str(response.request.url)).path
    if request.method.upper() != "POST" or ways.paths not in path or 300 <= status < 400:
        return _NOTHING
    keys = dict(_about.get())
    if not keys and _about.get() is not _NO_BLOCK:
        _log.warning("a response came after its block of about() had ended: it is handed over without a ref")
    if sent := request.headers.get("x-optum-correlation-id"):
        keys["correlation_id"] = sent
    return _object(headers, status, keys), status in _CREATED and "coverage-discovery" in path


def _object(headers: Any, status: int, keys: dict[str, Any]) -> dict[str, Any]:
    every: dict[str, list[str]] = {}
    for name, value in headers.items() if hasattr(headers, "items") else headers:
        if (name := _text(name).strip().lower()) in _KEPT:
            every.setdefault(name, []).extend(map(_text, value if isinstance(value, (list, tuple)) else [value]))
    kept = {name: values if name in ("link", "location") else values[0] for name, values in every.items() if values}
    found = {name: value for name, value in keys.items() if value}
    if "link" in kept or "location" in kept or 200 <= status < 300:
        found["headers"] = {":status": str(status), **kept} if status else kept
    elif status in _CUT and "correlation_id" not in found:
        _log.warning("status %s, and no x-optum-correlation-id by which its discoveries could be looked for", status)
    return found if status < 300 or status in _CUT or "headers" in found else {}  # an error begins no discovery


def _httpx(ways: Ways, response: Any) -> futures.Future[Any] | None:
    found, wants_body = _found(ways, response, response.headers.multi_items())
    if wants_body and not response.is_closed:
        _guarded(lambda: _watch(ways, response, found))
        return None
    return _start(ways, {**found, "body": response.content} if wants_body else found)  # another hook has read it


def _watch(ways: Ways, response: Any, found: dict[str, Any]) -> None:
    """Hand over once the caller has read the body, or closes the response. The caller sees the same bytes and errors
    at the same time, whether it streams or not."""
    import httpx

    begun: list[Any] = []
    inner, seen = response.stream, bytearray()
    packing = {"content-encoding": response.headers.get("content-encoding", "identity")}

    def start() -> Any:
        if not begun:
            body = _guarded(lambda: httpx.Response(200, headers=packing, content=bytes(seen)).content)
            begun.append(_start(ways, {**found, "body": body}))
        return begun[0]

    class Watched(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for chunk in inner:
                seen.extend(chunk[: _BODY_BYTES - len(seen)])
                yield chunk

        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for chunk in inner:
                seen.extend(chunk[: _BODY_BYTES - len(seen)])
                yield chunk

        def close(self) -> None:
            try:
                inner.close()
            finally:
                _result(start())

        async def aclose(self) -> None:
            try:
                await inner.aclose()
            finally:
                await _wait_async(start())

        def __del__(self) -> None:  # the caller has dropped it, and never closed it
            start()

    response.stream = watched = Watched()
    _watched.add(watched)


def _start(ways: Ways, found: dict[str, Any]) -> futures.Future[Any] | None:
    found = {name: value for name, value in found.items() if value}
    if not found.keys() & {"headers", "body", "correlation_id"}:
        return None
    line = json.dumps(found, default=_text)
    future = _thread(lambda: _deliver(ways, line))
    if future is None:
        _lost(line, "too many threads hang")
    return future


def _thread(work: Callable[[], Any]) -> futures.Future[Any] | None:
    """Have it done elsewhere: what hangs, a name that does not resolve or a disk, is not waited for. Where no thread is
    to be had, as at the end of a program, it is done here."""
    future: futures.Future[Any] = futures.Future()

    def run() -> None:
        done = _guarded(work)
        _under_way.discard(future)
        future.set_result(done)

    if len(_under_way) < _MOST_THREADS:
        _under_way.add(future)
        try:
            threading.Thread(target=run, name="cdpoll_hook", daemon=True).start()
        except RuntimeError:
            run()
        return future
    return None


def _result(future: futures.Future[Any] | None, for_s: float | None = None) -> Any:
    """What came of it, or ``None`` if it is not over by then."""
    return future.result() if future is not None and futures.wait([future], for_s or _WAIT_S).done else None


async def _wait_async(future: futures.Future[Any] | None) -> None:
    with contextlib.suppress(RuntimeError):  # a loop of another kind than asyncio's: the thread goes on by itself
        asyncio.get_running_loop()
        if future is not None:
            await asyncio.wait({asyncio.wrap_future(future)}, timeout=_WAIT_S)


@atexit.register
def _at_exit() -> None:
    for watched in [*_watched]:
        watched.__del__()
    if futures.wait([*_under_way], _WAIT_S).not_done:
        _log.error("the program ends before %d responses are handed over", len(_under_way))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_under_way.clear)


def _deliver(ways: Ways, line: str) -> bool:
    why = []
    if ways.intake:
        call = _Call(ways)
        answer = _result(_thread(lambda: call.answer(line)), _INTAKE_S) or "no answer in time"
        if answer == "422":
            _log.warning("cdpoll keeps a response that it cannot read: see cdpoll unreadable list")
        if answer in ("200", "201", "422"):
            return True
        call.cut()
        why.append(f"the intake: {answer}")
    if ways.spool:
        try:
            _leave(Path(ways.spool), line.encode() + b"\n")
            return True
        except OSError as error:
            why.append(f"the spool: {error.strerror}")
    _lost(line, "; ".join(why))
    return False


class _Call(http.client.HTTPConnection):
    """One POST to the intake. It follows no redirect, uses no proxy, and can be cut from outside."""

    def __init__(self, ways: Ways) -> None:
        super().__init__(ways.host, ways.port or (443 if ways.tls else 80), timeout=_INTAKE_S)
        self.ways, self.is_cut = ways, False

    def connect(self) -> None:
        if self.ways.socket:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(_INTAKE_S)
            self.sock.connect(self.ways.socket)
        else:
            super().connect()
        if self.ways.tls is not None:
            self.sock = self.ways.tls.wrap_socket(self.sock, server_hostname=self.host)

    def answer(self, line: str) -> str:
        """The status; or why there is none."""
        headers = {"Content-Type": "application/json", "Connection": "close"}
        if self.ways.token:
            headers["Authorization"] = f"Bearer {self.ways.token}"
        try:
            self.connect()
            if not self.is_cut:
                self.request("POST", self.ways.path, line, headers)
                response = self.getresponse()
                said = response.read(_BODY_BYTES) if response.status in _TAKEN else b""
                other = response.status in _TAKEN and b'"recorded"' not in said
                return f"{response.status}{', but not of cdpoll' if other else ''}"
        except (OSError, http.client.HTTPException) as error:
            return getattr(error, "strerror", None) or type(error).__name__
        finally:
            self.close()
        return ""

    def cut(self) -> None:
        self.is_cut = True
        with contextlib.suppress(OSError, AttributeError):  # it may be over
            self.sock.shutdown(socket.SHUT_RDWR)


def _leave(folder: Path, line: bytes) -> None:
    """A file that is written aside, brought to the disk and renamed, so that cdpoll sees it whole or not at all."""
    name = f"hook-{uuid.uuid4().hex}.jsonl"
    aside = folder / f".{name}.tmp"
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    try:
        os.fchmod(fd, 0o640)  # cdpoll reads it as a member of the folder's group
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
        aside.rename(folder / name)
        os.fsync(fd)  # the new name, too: a folder where one may only leave files cannot be opened for it
        lane = folder / ".lane"
        if not lane.exists() or os.fstat(fd).st_mtime - lane.stat().st_mtime > _STALE_S:
            _log.warning("left in %s, where cdpoll has not looked for a day", folder)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    finally:
        os.close(fd)

"""Applies the faults: decides which of them strike a request, and changes its answer.

A fault of kind ``instead`` answers in the vendor's place, and nothing else happens. All others act once the vendor has
answered, so a POST whose answer is spoiled has been carried out all the same.

Whether a fault strikes depends on the seed, the fault, the path and (but for the body of a task, which is odd for
good) on how often that path was asked before; the order in which different paths are asked makes no difference.
"""

import json
import math
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from hashlib import blake2b
from urllib.parse import quote, unquote

from sandbox import links
from sandbox.faults import Rule, parse
from sandbox.ledger import Ledger
from sandbox.quirks import Body, Poll, spoil
from sandbox.tasks import Task
from sandbox.tokens import Tokens, refuse, unauthorized
from sandbox.wire import PREFIX, Manner, Reply, Request, encode, json_reply, problem
from worker.core.instant import duration

HTML = b"<!DOCTYPE html><html><head><title>Gateway</title></head><body><h1>Please stand by</h1></body></html>"
MIB_BYTES = 1024 * 1024
FOREIGN_TENANT = "ffffffff-0000-4000-8000-00000000ffff"


class Mischief:
    """The faults of one text. Raises ValueError for a wrong one.

    Its time windows count from the first request, and those of callbacks from the first callback."""

    def __init__(self, faults: str, seed: int, speed: float) -> None:
        self.rules = parse(faults)
        self.seen: Counter[str] = Counter()
        self._seed, self._speed = seed, speed
        self._start: int | None = None
        self._first_callback: int | None = None
        self._asked: Counter[tuple[int, str, str]] = Counter()
        self._struck: Counter[tuple[int, str]] = Counter()
        self._told: Counter[tuple[str, str]] = Counter()
        self._told_concluded: Counter[tuple[str, str]] = Counter()

    def heard(self, now: int) -> None:
        """A request came at ``now``. The first one starts the time windows."""
        if self._start is None:
            self._start = now

    def _strikes(self, index: int, rule: Rule, request: Request, operation: str, now: int) -> bool:
        """Whether a rule strikes this request; counts it if so."""
        where = frozenset({rule.only}) if rule.only else rule.fault.where
        rest = request.path.removeprefix(PREFIX)
        start = self._first_callback if operation == "callback" else self._start
        after = 0 if start is None else (now - start) * self._speed
        if (
            operation not in where
            or not rest.startswith(rule.path)
            or rule.method not in ("", request.method)
            or after < rule.begin
            or (rule.end is not None and after >= rule.end)
        ):
            return False
        if rule.first is not None:
            key = (index, request.path if rule.each else "")
            if self._struck[key] >= rule.first:
                return False
            self._struck[key] += 1
        elif rule.share < 1:
            # the body of a task is odd for good, in polls and callbacks alike
            turn, method = 0, "GET"
            if rule.fault.kind != "body":
                method = request.method
                asked = (index, method, request.path)
                self._asked[asked] += 1
                turn = self._asked[asked]
            text = f"{self._seed}|{index}|{rule.fault.name}|{method}|{request.path}|{turn}"
            if int.from_bytes(blake2b(text.encode(), digest_size=7).digest()) >= rule.share * 2**56:
                return False
        self.seen[rule.fault.name] += 1
        return True

    def _striking(self, kinds: tuple[str, ...], request: Request, operation: str, now: int) -> dict[str, Rule]:
        return {
            rule.fault.name: rule
            for index, rule in enumerate(self.rules)
            if rule.fault.kind in kinds and self._strikes(index, rule, request, operation, now)
        }

    def instead(self, request: Request, operation: str, now: int, ledger: Ledger, tokens: Tokens) -> Reply | None:
        """An answer in the vendor's place, if a fault strikes that gives one."""
        if not self.rules:
            return None
        for index, rule in enumerate(self.rules):
            if rule.fault.kind == "instead" and self._strikes(index, rule, request, operation, now):
                if operation == "healthcheck" and rule.fault.name == "500":
                    return json_reply(500, {"status": "unhealthy"})
                reply = self._refusal(rule, request, now, ledger, tokens)
                return reply if operation != "token" else _of_token(reply)
        return None

    def _refusal(self, rule: Rule, request: Request, now: int, ledger: Ledger, tokens: Tokens) -> Reply:
        wait = max(1, math.ceil(int(rule.argument) / self._speed)) if rule.argument.isdigit() else 1
        match rule.fault.name:
            case "expired":
                tokens.expire(request, now)
                return unauthorized("access_token_expired", "the access token has expired", ledger.ids)
            case "invalid_product":
                return unauthorized("invalid_product", "the credential is not set up for this product", ledger.ids)
            case "token_down":
                return refuse(503, "temporarily_unavailable", "no token can be issued now")
            case "token_refused":
                return refuse(401, "invalid_client", "the client id or its secret is wrong")
            case "unhealthy":
                return json_reply(500, {"status": "unhealthy"})
            case "429":
                return json_reply(429, ["Too Many Requests"], ("Retry-After", str(wait)))
            case "429_date":
                moment = formatdate(math.ceil(now / 1000) + wait, usegmt=True)
                return json_reply(429, ["Too Many Requests"], ("Retry-After", moment))
            case "503_after":
                return json_reply(503, ["Service Unavailable"], ("Retry-After", str(wait)))
            case "404" | "404_then_found":
                return problem(404, "Not Found - there is no such record")
        return _PLAIN_REFUSALS[rule.fault.name]

    def worsen(self, request: Request, reply: Reply, now: int, ledger: Ledger, origin: str) -> Reply:
        """The vendor's answer, spoiled by what strikes."""
        if not self.rules:
            return reply
        if reply.status == 200 and reply.operation == "discovery_get":
            reply = replace(reply, body=self._body(request, reply.operation, reply.body, now, ledger))
        elif reply.status == 200 and reply.operation == "token":
            reply = self._token(request, reply, now)
        elif reply.header("link") and reply.operation in ("real_time", "real_time_x12"):
            reply = self.name_tasks(request, reply, now, origin)
        for rule in self._striking(("after",), request, reply.operation, now).values():
            reply = _AFTER[rule.fault.name](reply, rule.argument)
        for index, rule in enumerate(self.rules):
            free = rule.fault.kind == "delay" or (rule.fault.kind == "manner" and reply.manner.how == "plain")
            if free and self._strikes(index, rule, request, reply.operation, now):
                reply = replace(reply, manner=self._manner(rule, reply.manner))
        return reply

    def _manner(self, rule: Rule, manner: Manner) -> Manner:
        span = self.span_ms(rule.argument) if rule.fault.span else 0
        if rule.fault.kind == "delay":
            return replace(manner, delay_ms=manner.delay_ms + span)
        return replace(manner, how=rule.fault.name, pause_ms=span)

    def _body(self, request: Request, operation: str, said: bytes, now: int, ledger: Ledger) -> bytes:
        """The body of a task, in a poll's answer or a callback, with its quirks."""
        task = ledger.tasks.get(unquote(request.path.rstrip("/").rpartition("/")[2]))
        rules = self._striking(("body",), request, operation, now)
        if task is None or not rules:
            return said
        body: Body = json.loads(said)
        key = (operation, task.id)
        self._told[key] += 1
        if body["status"] != "pending":
            self._told_concluded[key] += 1
        other = _other(task, now, ledger) if "wrong_id" in rules else {}
        counts = (self._told[key], self._told_concluded[key])
        spoil(body, {name: Poll(task, *counts, rule.argument, other) for name, rule in rules.items()})
        return encode(body)

    def callback_body(self, task_id: str, said: bytes, now: int, ledger: Ledger) -> bytes:
        """The body of a task as a callback tells it."""
        return self._body(self._delivery(task_id, now), "callback", said, now, ledger) if self.rules else said

    def of_callback(self, task_id: str, now: int) -> dict[str, Rule]:
        """The faults that strike the callback of a task that has ended, by name."""
        return self._striking(("callback",), self._delivery(task_id, now), "callback", now)

    def _delivery(self, task_id: str, now: int) -> Request:
        """What the delivery of a callback counts as: a request to the task's own path. The first one starts the time
        windows of callbacks."""
        if self._first_callback is None:
            self._first_callback = now
        return Request("POST", f"{PREFIX}/coverage-discovery/{quote(task_id)}", "", {}, b"")

    def span_ms(self, argument: str) -> int:
        """The argument of a fault that takes a span of the vendor's time, as it passes here."""
        return max(1, round(duration(argument) / self._speed))

    def _token(self, request: Request, reply: Reply, now: int) -> Reply:
        body: Body = json.loads(reply.body)
        for name, rule in self._striking(("token",), request, "token", now).items():
            match name:
                case "expires_missing":
                    body.pop("expires_in", None)
                case "expires_string":
                    body["expires_in"] = str(body.get("expires_in", ""))
                case "expires_zero":
                    body["expires_in"] = 0
                case "expires_tiny":
                    body["expires_in"] = int(rule.argument)
        return replace(reply, body=encode(body))

    def token_life(self, request: Request, now: int) -> int | None:
        """How many seconds a token issued now really lives, where a fault says so."""
        rule = self._striking(("life",), request, "token", now).get("expires_lie") if self.rules else None
        return int(rule.argument) if rule else None

    def name_tasks(self, request: Request, reply: Reply, now: int, origin: str) -> Reply:
        """A real-time answer with its Link header in the form that strikes."""
        forms = self._striking(("link",), request, reply.operation, now)
        if not forms:
            return reply
        others = [(name, value) for name, value in reply.headers if name != "link"]
        lines = links.vary(reply.header("link") or "", forms, origin)
        return replace(reply, headers=(*others, *lines))

    def of_list(self, request: Request, now: int) -> dict[str, str]:
        """The faults that strike a request for the list of tasks, by name, each with its argument."""
        if not self.rules:
            return {}
        found = self._striking(("list",), request, "discovery_list", now)
        return {name: rule.argument for name, rule in found.items()}

    def odd_ids(self, request: Request, operation: str, now: int) -> bool:
        """Whether the tasks of this request get ids that are no UUIDs."""
        return "odd_ids" in self._striking(("ids",), request, operation, now)

    def deduplicates(self, since: int, now: int) -> bool:
        """Whether the pretended customer has de-duplication, and ``since`` lies within its window."""
        return any(
            rule.fault.name == "dedup" and (now - since) * self._speed <= duration(rule.argument) for rule in self.rules
        )


def _other(task: Task, now: int, ledger: Ledger) -> Body:
    """The body of some other task."""
    found = next((t for t in ledger.tasks.values() if t.id != task.id), None)
    return {} if found is None else json.loads(ledger.task_bytes(found, now))


def _of_token(reply: Reply) -> Reply:
    """A refusal in the form of the token endpoint: an object, and not an array of strings."""
    said = json.loads(reply.body)
    if isinstance(said, dict):
        return reply
    kept = [(name, value) for name, value in reply.headers if name == "Retry-After"]
    refused = refuse(reply.status, "temporarily_unavailable", said[0])
    return replace(refused, headers=(*refused.headers, *kept))


_PLAIN_REFUSALS = {
    "forbidden": problem(403, "Forbidden - the credential may not do this"),
    "422": problem(422, "Unprocessable Entity - the record cannot be read"),
    "429_bare": problem(429, "Too Many Requests"),
    "500": problem(500, "Internal - something went wrong"),
    "503": problem(503, "Service Unavailable"),
}


def _gateway(reply: Reply, status: int, body: bytes, *headers: tuple[str, str]) -> Reply:
    """An answer of something between the vendor and the client: it has none of the vendor's headers."""
    return replace(reply, status=status, body=body, headers=(("Content-Type", "text/html"), *headers))


def _wrong_tenant(reply: Reply, _argument: str) -> Reply:
    others = tuple((name, value) for name, value in reply.headers if name != "x-optum-tenant-id")
    return replace(reply, headers=(*others, ("x-optum-tenant-id", FOREIGN_TENANT)))


def _gzipped(reply: Reply, body: bytes) -> Reply:
    return replace(reply, body=body, headers=(*reply.headers, ("Content-Encoding", "gzip")))


def _gzip(reply: Reply, _argument: str) -> Reply:
    packer = zlib.compressobj(wbits=31)
    return _gzipped(reply, packer.compress(reply.body) + packer.flush())


def _bomb(reply: Reply, argument: str) -> Reply:
    """Blanks after the body, packed: after a full flush every megabyte of them packs to the same bytes."""
    blanks = b" " * MIB_BYTES
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(reply.body) + packer.flush(zlib.Z_FULL_FLUSH)
    one = packer.compress(blanks) + packer.flush(zlib.Z_FULL_FLUSH)
    count, check = int(argument), zlib.crc32(reply.body)
    for _ in range(count):
        check = zlib.crc32(blanks, check)
    tail = packer.flush() + check.to_bytes(4, "little")
    size = (len(reply.body) + count * MIB_BYTES) % 2**32
    header = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    return _gzipped(reply, header + head + one * count + tail + size.to_bytes(4, "little"))


_AFTER: dict[str, Callable[[Reply, str], Reply]] = {
    "wrong_tenant": _wrong_tenant,
    "html": lambda reply, _: _gateway(reply, 200, HTML),
    "502": lambda reply, _: _gateway(reply, 502, HTML),
    "redirect": lambda reply, argument: _gateway(reply, 302, HTML, ("Location", argument)),
    "empty": lambda reply, _: replace(reply, body=b""),
    "truncated": lambda reply, _: replace(reply, body=reply.body[: len(reply.body) * 2 // 3]),
    "not_object": lambda reply, _: replace(reply, body=b'"string"'),
    "not_utf8": lambda reply, _: replace(reply, body=reply.body.replace(b"IN", b"\xff\xfe", 1) + b"\xe9"),
    "deep": lambda reply, _: replace(reply, body=b"[" * 100_000 + b"]" * 100_000),
    "gzip": _gzip,
    "gzip_bomb": _bomb,
    "oversized": lambda reply, argument: replace(reply, manner=replace(reply.manner, pad=int(argument) * MIB_BYTES)),
}

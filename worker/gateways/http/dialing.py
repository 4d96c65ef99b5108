"""A TCP connection to one of the addresses of a name: attempts overlap, as in RFC 8305, and the first to stand wins.

A machine may have a family of addresses that leads nowhere. Each dead address before a living one costs a quarter of a
second, and the one that answered is tried first the next time.
"""

import errno
import os
import select
import socket
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import NamedTuple

NEXT_ATTEMPT_S = 0.25


class Address(NamedTuple):
    """One of those that a resolver gives, ready to be connected to."""

    family: int
    kind: int
    protocol: int
    place: tuple[object, ...]


class Dialer:
    """Remembers which address of a name answered. For one thread; ``given_up`` tells whether to stop at once."""

    def __init__(self, given_up: Callable[[], bool]) -> None:
        self._given_up = given_up
        self._answered: dict[tuple[str, int], Address] = {}

    def dial(self, host: str, port: int, timeout_s: float) -> socket.socket:
        """A connection, with ``TCP_NODELAY``. Raises OSError (a TimeoutError after ``timeout_s`` for all attempts)."""
        found = [
            Address(one[0], one[1], one[2], one[4]) for one in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
        ]
        first = self._answered.get((host, port))
        order = [*([first] if first in found else []), *interleaved(found)]
        address, made = _first_to_stand(list(dict.fromkeys(order)), timeout_s, self._given_up)
        self._answered[host, port] = address
        made.setblocking(True)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made


def interleaved(addresses: Iterable[Address]) -> Iterator[Address]:
    """One of each family in turn, each family in its own order; that of the first address begins."""
    families: dict[int, list[Address]] = {}
    for address in addresses:
        families.setdefault(address.family, []).append(address)
    return (one for turn in zip_longest(*families.values()) for one in turn if one is not None)


def _first_to_stand(
    addresses: list[Address], left_s: float, given_up: Callable[[], bool]
) -> tuple[Address, socket.socket]:
    """No clock is read: each wait counts in full, also one that a refusal has cut short."""
    attempts = _Attempts()
    try:
        while left_s > 0 and not given_up():
            if addresses:
                attempts.begin(addresses.pop(0))
            if attempts.under_way:
                wait_s = min(NEXT_ATTEMPT_S, left_s)
                stands = attempts.wait(wait_s)
                if stands is not None:
                    return stands
                left_s -= wait_s
            elif not addresses:
                raise attempts.error
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    finally:
        attempts.close()


class _Attempts:
    def __init__(self) -> None:
        self.under_way: dict[int, tuple[Address, socket.socket]] = {}
        self.error = OSError(errno.EADDRNOTAVAIL, "the name has no address")
        self._poll = select.poll()

    def begin(self, address: Address) -> None:
        try:
            made = socket.socket(address.family, address.kind, address.protocol)
        except OSError as error:  # a family that this machine does not have
            self.error = error
            return
        made.setblocking(False)
        self.under_way[made.fileno()] = address, made
        self._poll.register(made, select.POLLOUT)
        code = made.connect_ex(address.place)
        if code not in (0, errno.EINPROGRESS):
            self._end(made.fileno(), code)

    def wait(self, seconds: float) -> tuple[Address, socket.socket] | None:
        """One that stands, if one does within the time."""
        for number, _ in self._poll.poll(seconds * 1000):
            address, made = self.under_way[number]
            code = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code == 0:
                del self.under_way[number]
                return address, made
            self._end(number, code)
        return None

    def _end(self, number: int, code: int) -> None:
        self._poll.unregister(number)
        self.under_way.pop(number)[1].close()
        self.error = OSError(code, os.strerror(code))

    def close(self) -> None:
        for _, made in self.under_way.values():
            made.close()

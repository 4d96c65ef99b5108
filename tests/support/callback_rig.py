"""A sandbox on a frozen clock that delivers callbacks to a receiver, and what became of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.account import Account
from sandbox.callback.sender import Sender
from tests.support.callback_receiver import Receiver
from tests.support.sandbox_client import Rig


@contextmanager
def delivering(
    receiver: Receiver, faults: str = "", *, speed: float = 1, **target: Any
) -> Iterator[tuple[Rig, Sender]]:
    account = Account(callback=receiver.target(**target))
    with Rig(faults, account=account, speed=speed) as rig:
        yield rig, Sender(rig.sandbox)


def states(rig: Rig) -> list[str]:
    return [one.state for one in rig.sandbox.deliveries]


def outcomes(rig: Rig) -> list[list[str]]:
    return [[outcome for _, outcome in one.tries] for one in rig.sandbox.deliveries]

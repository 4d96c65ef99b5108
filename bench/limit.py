"""How much of the limit is used when there is always work, and whether it is ever exceeded.

The whole daemon in real time against the bench's vendor, which writes down when each request came: the token too. The
share is that of a minute after the first two seconds; the most are those of any second from the first request on.
`python -m bench --only limit`.
"""

import contextlib
import tempfile
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench import daemon, vendor
from bench.filling import fill
from bench.part import Part, Target, at_least, table
from worker.clock import Clock

BURST = 5
SETTLING_S = 2.0  # in which the burst goes out


class Used(NamedTuple):
    share: float  # of the limit, over the time measured
    most: int  # requests in any second


def used(rates: tuple[float, ...], seconds: int) -> list[Used]:
    """One daemon for each of the limits (requests a second), all at the same time, each with a vendor of its own."""
    now = Clock().now()
    with contextlib.ExitStack() as stack:
        vendors = []
        for rate in rates:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            there = stack.enter_context(vendor.running())
            many = round(rate * (seconds + 30))
            fill(folder / "cdpoll.db", many, now, lambda n: now - 60_000 + n % 60_000, seen=False)
            config = daemon.configure(folder, there.url, f"requests_per_second = {rate:g}\nburst = {BURST}")
            vendors.append((there, rate, stack.enter_context(daemon.running(config))))
        for there, _, cdpoll in vendors:
            cdpoll.wait_for(partial(_enough, there, seconds))
        return [used_of(there.arrivals(), rate, seconds) for there, rate, _ in vendors]


def _enough(there: vendor.Vendor, seconds: int) -> bool:
    arrivals = there.arrivals()
    return bool(arrivals) and arrivals[-1] - arrivals[0] > seconds + SETTLING_S


def used_of(arrivals: list[float], rate: float, seconds: int) -> Used:
    begin = arrivals[0] + SETTLING_S
    made = sum(begin <= at < begin + seconds for at in arrivals)
    most, first = 0, 0
    for last, at in enumerate(arrivals):
        while at - arrivals[first] >= 1:
            first += 1
        most = max(most, last + 1 - first)
    return Used(made / (rate * seconds), most)


def part(*, quick: bool) -> Part:
    rates, seconds = ((20.0,), 1) if quick else ((50.0, 10.0), 60)
    rows, targets = [], list[Target]()
    for rate, got in zip(rates, used(rates, seconds), strict=True):
        allowed = round(rate) + BURST
        rows.append([f"{rate:g} a second", f"{got.share:.1%}", str(got.most), str(allowed)])
        targets.append(at_least(f"share of {rate:g} requests a second that is used", got.share, 0.98, "{:.1%}"))
        met = got.most <= allowed
        targets.append(Target(f"requests in any second at {rate:g} a second", f"at most {allowed}", str(got.most), met))
    text = table(["limit", "used", "most in any second", "allowed: limit + burst"], rows)
    text += f"\n\nOver {seconds} s with work always waiting, a burst of {BURST} and 4 requests in flight."
    headline = f"With work always waiting, {rows[0][1]} of {rows[0][0]} are used, and {rows[-1][1]} of {rows[-1][0]}."
    return Part("The limit", "python -m bench --only limit", text, targets, [headline])

"""Our download of one file against the ``sftp`` program's, from the same OpenSSH server, by turns in one run.

``python -m bench.sftp [--megabytes 100] [--rounds 7]`` starts a server on loopback as whoever runs it, and prints a
table of medians. Both sides are measured from the first packet to the end: login, one look at the file, the file, and
for ours its SHA-256 and the fsync that makes it durable.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.sshd import ME, Sshd, sshd
from worker.clock import Clock
from worker.gateways.sftp.drop import connect


def ours(server: Sshd, to: Path) -> None:
    with connect(server.settings(), Clock(), threading.Event()) as drop:
        (remote,) = drop.list()
        drop.fetch(remote, to)


def theirs(server: Sshd, to: Path) -> None:
    command = ["sftp", "-q", "-b", "-", "-P", str(server.port), "-i", str(server.key), "-o", "BatchMode=yes"]
    command += ["-o", f"UserKnownHostsFile={server.known_hosts}", "-o", "IdentitiesOnly=yes", f"{ME}@127.0.0.1"]
    script = f"get {server.drop}/a.x12 {to}/a.x12\n"
    subprocess.run(command, input=script, text=True, check=True, stdout=subprocess.DEVNULL)


def seconds(download: Callable[[Sshd, Path], None], server: Sshd, to: Path) -> float:
    began = time.perf_counter()
    download(server, to)
    took = time.perf_counter() - began
    for path in to.iterdir():
        path.unlink()
    return took


def measure(megabytes: int = 100, rounds: int = 7) -> float:
    """Our speed as a share of the program's: of the medians, both taking turns."""
    with tempfile.TemporaryDirectory() as name, sshd(Path(name, "sshd")) as server:
        to = Path(name, "in")
        to.mkdir(mode=0o700)
        server.put("a.x12", os.urandom(1_000_000) * megabytes)
        times: dict[str, list[float]] = {"cdpoll": [], "sftp": []}
        for number in range(rounds + 1):
            for who, download in (("cdpoll", ours), ("sftp", theirs)):
                took = seconds(download, server, to)
                if number:  # the first round warms the caches of both
                    times[who].append(took)
    return statistics.median(times["sftp"]) / statistics.median(times["cdpoll"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Our SFTP download against the sftp program's.")
    parser.add_argument("--megabytes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    speed = measure(arguments.megabytes, arguments.rounds)
    print(f"speed relative to the sftp program: {speed:.2f} (at least 0.7 is wanted)")


if __name__ == "__main__":
    main()

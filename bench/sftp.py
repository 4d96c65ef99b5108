"""Our download of one file against the ``sftp`` program's, from the same OpenSSH server, by turns in one run.

``python -m bench.sftp [--megabytes 100] [--rounds 7]`` starts a server on loopback as the user who runs it, and prints
a table of medians. Both sides are measured from the first packet to the end: login, one stat of the file, the file, and
for ours its SHA-256 and the fsync that makes it durable.
"""

import argparse
import os
import pwd
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.clock import Clock
from worker.gateways.sftp.drop import DropSettings, Server, connect

ME = pwd.getpwuid(os.geteuid()).pw_name


@contextmanager
def sshd(folder: Path) -> Iterator[DropSettings]:
    """An OpenSSH server on loopback that lets its starter in, and a drop that it serves."""
    drop, host, key = folder / "drop", folder / "host", folder / "key"
    drop.mkdir(parents=True)
    for path in (host, key):
        keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
        subprocess.run(keygen, check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host.with_suffix('.pub').read_text()}")
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nAuthorizedKeysFile {key}.pub\nStrictModes no\n"
        "UsePAM no\nPermitRootLogin yes\nPidFile none\nSubsystem sftp internal-sftp\n"
    )
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise SystemExit("the Debian package openssh-server is missing")
    command = [program, "-D", "-e", "-f", str(folder / "sshd_config")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while "Server listening" not in process.stderr.readline():
            assert process.poll() is None, "sshd did not start"
        server = Server("127.0.0.1", port, ME, folder / "known_hosts", key_file=key)
        try:
            yield DropSettings(server, str(drop), ("*.x12",))
        finally:
            process.terminate()


def ours(settings: DropSettings, to: Path) -> None:
    with connect(settings, Clock(), threading.Event()) as drop:
        (remote,) = drop.list()
        drop.fetch(remote, to)


def theirs(settings: DropSettings, to: Path) -> None:
    server = settings.server
    command = ["sftp", "-q", "-b", "-", "-P", str(server.port), "-i", str(server.key_file), "-o", "BatchMode=yes"]
    command += ["-o", f"UserKnownHostsFile={server.known_hosts}", "-o", "IdentitiesOnly=yes", f"{ME}@127.0.0.1"]
    script = f"get {settings.folder}/a.x12 {to}/a.x12\n"
    subprocess.run(command, input=script, text=True, check=True, stdout=subprocess.DEVNULL)


def seconds(download: Callable[[DropSettings, Path], None], settings: DropSettings, to: Path) -> float:
    began = time.perf_counter()
    download(settings, to)
    took = time.perf_counter() - began
    for path in to.iterdir():
        path.unlink()
    return took


def measure(megabytes: int = 100, rounds: int = 7) -> float:
    """Our speed as a share of the program's: of the medians, both taking turns."""
    with tempfile.TemporaryDirectory() as name, sshd(Path(name, "sshd")) as settings:
        to = Path(name, "in")
        to.mkdir(mode=0o700)
        Path(settings.folder, "a.x12").write_bytes(os.urandom(1_000_000) * megabytes)
        times: dict[str, list[float]] = {"cdpoll": [], "sftp": []}
        for number in range(rounds + 1):
            for who, download in (("cdpoll", ours), ("sftp", theirs)):
                took = seconds(download, settings, to)
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

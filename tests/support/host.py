"""A machine with a real systemd: this one's files under an overlay, booted by systemd-nspawn. It needs root.

What is done in it is gone with it. Its network is a loopback of its own, so what needs the package index is installed
before it boots (:meth:`Host.chroot`).
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.cdpoll_process import DEADLINE, until

Done = subprocess.CompletedProcess[str]


class Host:
    """See the module."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def mount(self) -> None:
        """The overlay. Its upper layer is memory, as an overlay does not stand on an overlay."""
        self.folder.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4G", "tmpfs", self.folder], check=True)
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir()
        layers = f"lowerdir=/,upperdir={self.folder}/upper,workdir={self.folder}/work"
        subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", self.root], check=True)
        # What other packages of this machine would start is no part of the test.
        for units in ("multi-user.target.wants", "timers.target.wants"):
            shutil.rmtree(self.root / "etc/systemd/system" / units, ignore_errors=True)

    def chroot(self, *command: str | Path, check: bool = True) -> Done:
        """Run a command in it before it boots, with this machine's network."""
        with contextlib.ExitStack() as stack:
            for name in ("proc", "dev"):
                subprocess.run(["mount", "--rbind", f"/{name}", self.root / name], check=True)
                stack.callback(_run, ["umount", "-l", self.root / name], check=True)
            return _run(["chroot", self.root, *command], check=check)

    def boot(self) -> None:
        """Start its systemd, and wait until that has nothing more to start."""
        begin = ["systemd-nspawn", "--boot", "--quiet", "--private-network", "--register=no", "--keep-unit"]
        self._nspawn = subprocess.Popen(
            [*begin, "--link-journal=no", "--console=pipe", f"--directory={self.root}", "systemd.show_status=no"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._is_up, "a machine that is up", self._nspawn, every=0.2)

    def _is_up(self) -> bool:
        assert self._nspawn is not None
        # Its first child makes the second, which becomes the machine's first process, and goes.
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        if len(children) != 1:
            return False
        self._leader = int(children[0])
        return self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")

    def run(self, *command: str | Path, check: bool = True, stdin: str = "") -> Done:
        """Run a command in it, as root."""
        enter = ["nsenter", f"--target={self._leader}", "--all", "--", "/usr/bin/env", "-i", *_CLEAN]
        return _run([*enter, *command], check=check, stdin=stdin)

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file in it."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)

    def copy(self, checkout: Path, place: str) -> None:
        """The files of a checkout that git knows."""
        known = subprocess.run(["git", "ls-files", "-z"], cwd=checkout, check=True, capture_output=True, text=True)
        for name in filter(None, known.stdout.split("\0")):
            target = self.root / place.lstrip("/") / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(checkout / name, target)

    def shown(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).stdout.strip()

    def journal(self, unit: str) -> str:
        """What a unit has said."""
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}").stdout

    def close(self) -> None:
        if self._nspawn is not None:
            self.run("systemctl", "poweroff", check=False)
            try:
                self._nspawn.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                os.kill(self._leader, signal.SIGKILL)  # with its first process the whole machine ends
                self._nspawn.kill()
                self._nspawn.wait()
        for place in (self.root, self.folder):
            subprocess.run(["umount", "-l", place], check=False, stderr=subprocess.DEVNULL)


_CLEAN = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root")


def _run(command: list[str | Path], *, check: bool, stdin: str = "") -> Done:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=10 * DEADLINE)
    assert not check or done.returncode == 0, f"{command[-4:]}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[Host]:
    """One that is mounted and not yet booted."""
    found = Host(folder)
    try:
        found.mount()
        yield found
    finally:
        found.close()

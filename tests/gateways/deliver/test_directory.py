"""Results as files in a folder, seen by readers that look all the time."""

import json
import os
import resource
import shutil
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.config.test_files import without_privileges
from tests.support.letters import letter
from worker.core.delivery import Delivered, Letter, LetterRefused, ReceiverDown, Sent
from worker.gateways.deliver.directory import Directory, Folders, trouble_with

NOW = 1_750_000_000_000


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    (tmp_path / "out").mkdir()
    return Folders(tmp_path / "out", tmp_path / "aside")


def way(folders: Folders, template: str = "{ref}", mode: int = 0o640, *, x12: bool = False) -> Directory:
    return Directory(folders, template, mode, with_x12=x12)


def down(sent: Sent) -> tuple[str, str]:
    assert isinstance(sent, ReceiverDown), sent
    assert sent.retry_after_ms is None
    assert sent.counts
    return sent.code, sent.detail


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


class Reader(threading.Thread):
    """Reads and takes away whatever is in a folder, all the time, as an interface engine does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self._over = threading.Event()
        self.seen: list[int] = []
        self.wrong: list[str] = []
        self.looked = 0

    def run(self) -> None:
        last = False
        while not last:
            last = self._over.is_set()  # look once more after the end
            self.looked += 1
            for path in sorted(self._folder.glob("*.json")):
                self._take(path)

    def _take(self, path: Path) -> None:
        try:
            told = json.loads(path.read_bytes())
            texts = [file.read_bytes() for file in (path.with_suffix(".x12"), path.with_suffix(".2.x12"))]
            whole = texts == [b"ISA*%d~" % told["seq"] * 5_000, b"IEA*%d~" % told["seq"]]
            self.wrong += [] if whole and told["tail"] == "end" else [path.name]
            self.seen.append(told["seq"])
        except (ValueError, KeyError, OSError) as error:
            self.wrong.append(f"{path.name}: {error!r}")
        for file in (path, path.with_suffix(".x12"), path.with_suffix(".2.x12")):
            file.unlink(missing_ok=True)

    def end(self) -> None:
        self._over.set()
        self.join(30)
        assert not self.is_alive()


def test_a_reader_that_looks_all_the_time_sees_whole_results_in_their_order(folders: Folders) -> None:
    reader = Reader(folders.path)
    reader.start()
    writer = way(folders, "{seq}", x12=True)
    for number in range(1, 61):
        texts = b"ISA*%d~" % number * 5_000, b"IEA*%d~" % number
        assert writer.send(letter(number, "r", *texts, padding="x" * 50_000, tail="end"), NOW) == Delivered()
    reader.end()
    assert reader.wrong == []
    assert reader.seen == list(range(1, 61))
    assert reader.looked > 1
    assert names(folders.aside) == []


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is done to files, in its order: which was put on the disk, which was renamed."""
    done: list[tuple[str, str]] = []
    fsync, rename = os.fsync, Path.rename

    def noted_fsync(fd: int) -> None:
        done.append(("fsync", Path(f"/proc/self/fd/{fd}").readlink().name))
        fsync(fd)

    def noted_rename(self: Path, target: Path) -> Path:
        done.append(("rename", target.name))
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    return done


def test_everything_is_on_the_disk_before_it_appears_and_the_json_appears_last(
    folders: Folders, calls: list[tuple[str, str]]
) -> None:
    out = way(folders, x12=True)
    out.send(letter(1, "r", b"ISA", b"IEA"), NOW)
    files = [("fsync", f"cdpoll-{number}.part") for number in range(3)]
    appeared = [("rename", name) for name in ("r.x12", "r.2.x12", "r.json")]
    assert calls == [*files, *appeared]
    assert out.flush() is None
    assert calls[-1] == ("fsync", "out"), "once for several letters"


def test_what_is_in_the_files(folders: Folders) -> None:
    one = letter(1, "r", b"ISA", b"IEA")
    assert way(folders).send(one, NOW) == Delivered()
    assert names(folders.path) == ["r.json"]
    assert (folders.path / "r.json").read_bytes() == one.body
    assert stat.S_IMODE((folders.path / "r.json").stat().st_mode) == 0o640
    assert stat.S_IMODE(folders.aside.stat().st_mode) == 0o700
    assert way(folders, "b-{ref}", 0o664, x12=True).send(one, NOW) == Delivered()
    assert names(folders.path) == ["b-r.2.x12", "b-r.json", "b-r.x12", "r.json"]
    assert (folders.path / "b-r.x12").read_bytes() == b"ISA"
    assert {stat.S_IMODE((folders.path / name).stat().st_mode) for name in names(folders.path)} == {0o640, 0o664}


def test_the_same_again_is_no_new_file_and_a_later_body_of_the_same_result_replaces_it(folders: Folders) -> None:
    writer = way(folders)
    writer.send(letter(1, "r"), NOW)
    first = (folders.path / "r.json").stat().st_ino
    assert writer.send(letter(1, "r"), NOW) == Delivered()
    assert (folders.path / "r.json").stat().st_ino == first
    changed = letter(1, "r", found_later=True)
    assert writer.send(changed, NOW) == Delivered()
    assert names(folders.path) == ["r.json"]
    assert (folders.path / "r.json").read_bytes() == changed.body


def test_the_file_of_another_result_is_never_replaced(folders: Folders) -> None:
    writer = way(folders, x12=True)
    first, second = letter(1, "r", b"one"), letter(2, "r", b"two")
    for one in (first, second, second):
        assert writer.send(one, NOW) == Delivered()
    assert names(folders.path) == ["r-0000000002.json", "r-0000000002.x12", "r.json", "r.x12"]
    assert (folders.path / "r.json").read_bytes() == first.body
    assert (folders.path / "r-0000000002.x12").read_bytes() == b"two"


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to("/etc/passwd"), Path.touch])
def test_what_is_no_file_of_ours_is_never_replaced(folders: Folders, make: Callable[[Path], None]) -> None:
    make(folders.path / "r.json")
    before = os.lstat(folders.path / "r.json").st_ino
    assert way(folders).send(letter(1, "r"), NOW) == Delivered()
    assert names(folders.path) == ["r-0000000001.json", "r.json"]
    assert os.lstat(folders.path / "r.json").st_ino == before
    make(folders.path / "s.json")
    make(folders.path / "s-0000000002.json")
    sent = way(folders).send(letter(2, "s"), NOW)
    assert isinstance(sent, LetterRefused)
    assert sent.code == "name_taken"


def test_a_271_that_a_reader_left_behind_is_not_mixed_with_another_result(folders: Folders) -> None:
    writer = way(folders, x12=True)
    writer.send(letter(1, "r", b"one"), NOW)
    (folders.path / "r.json").unlink()
    assert writer.send(letter(1, "r", b"one"), NOW) == Delivered()  # an attempt that was cut short looks the same
    assert names(folders.path) == ["r.json", "r.x12"]
    (folders.path / "r.json").unlink()
    assert writer.send(letter(2, "r", b"two"), NOW) == Delivered()
    assert names(folders.path) == ["r-0000000002.json", "r-0000000002.x12", "r.x12"]
    assert (folders.path / "r.x12").read_bytes() == b"one"


def test_what_an_earlier_life_left_unfinished_is_removed_and_nothing_else(folders: Folders) -> None:
    folders.aside.mkdir()
    for name in ("cdpoll-0.part", "cdpoll-1.part", "cdpoll-x.part", "mine"):
        (folders.aside / name).touch()
    writer = way(folders)
    assert names(folders.aside) == ["cdpoll-x.part", "mine"]
    (folders.aside / "cdpoll-0.part").write_text("of this life")
    assert writer.send(letter(1, "r"), NOW) == Delivered()
    assert names(folders.aside) == ["cdpoll-x.part", "mine"]


def test_killed_at_any_moment_it_leaves_no_half_and_the_next_life_goes_on(folders: Folders) -> None:
    total = 0
    for moment in range(1, 40):
        child = os.fork()
        if child == 0:
            try:
                _die_at(moment)
                way(folders, "{seq}", x12=True).send(letter(moment, "r", b"ISA"), NOW)
            finally:
                os._exit(0)
        status = os.waitpid(child, 0)[1]
        for file in folders.path.glob("*.json"):
            assert json.loads(file.read_bytes())["found"]
            assert file.with_suffix(".x12").read_bytes() == b"ISA"
        assert way(folders, "{seq}", x12=True).send(letter(moment, "r", b"ISA"), NOW) == Delivered()
        assert names(folders.aside) == []
        assert len(names(folders.path)) == 2 * moment
        total += 1
        if not os.WIFSIGNALED(status):
            break
    assert 10 < total < 39  # each step was met, and then one life came to its end


def _die_at(moment: int) -> None:
    """Be killed at this call of the system, of those that change files."""
    left = moment

    def count(event: str, _arguments: object) -> None:
        nonlocal left
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.chmod", "os.chown", "os.listdir", "os.scandir"):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    import sys

    sys.addaudithook(count)


def test_folders_that_cannot_be_used(folders: Folders, tmp_path: Path) -> None:
    writer = way(Folders(tmp_path / "none", tmp_path / "aside"))
    code, detail = down(writer.send(letter(1, "secret-ref"), NOW))
    assert (code, detail) == ("missing", f"there is no folder {tmp_path}/none; make it, or write another path")
    (tmp_path / "file").touch()
    assert down(way(Folders(tmp_path / "file", tmp_path / "aside")).send(letter(1), NOW))[0] == "missing"
    code, detail = down(way(Folders(folders.path, tmp_path / "no/where")).send(letter(1), NOW))
    assert code == "missing"
    assert f"the folder {tmp_path}/no/where cannot be made (no such file or directory)" in detail


def test_another_file_system_aside(folders: Folders) -> None:
    here = folders.path.parent.stat().st_dev
    elsewhere = next(place for place in ("/dev/shm", "/var/tmp") if Path(place).stat().st_dev != here)
    aside = Path(elsewhere) / "cdpoll-test-aside"
    try:
        code, detail = down(way(Folders(folders.path, aside)).send(letter(1), NOW))
        assert code == "other_file_system"
        assert f"{aside} is on another file system than {folders.path}" in detail
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def test_a_folder_of_another_user() -> None:
    with without_privileges() as base:
        folders = Folders(base / "out", base / "aside")
        folders.path.mkdir()
        writer = way(folders)
        assert writer.send(letter(1, "before"), NOW) == Delivered()
        folders.path.chmod(0o555)
        code, detail = down(writer.send(letter(2, "secret-ref"), NOW))
        folders.path.chmod(0o755)
        assert code == "denied"
        assert detail.startswith(f"no file can be made in {folders.path}: {folders.path} belongs to ")
        assert "secret-ref" not in detail
        folders.aside.chmod(0o555)
        code, detail = down(writer.send(letter(3), NOW))
        folders.aside.chmod(0o755)
        assert code == "denied"
        assert detail.startswith(f"no file can be made in {folders.aside}")
        assert writer.send(letter(4, "after"), NOW) == Delivered()
        assert names(folders.path) == ["after.json", "before.json"]


def test_a_full_disk_leaves_nothing_and_is_told(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on the size of files makes the kernel fail in the middle of a write, as a full disk does."""
    writer = way(folders)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
    try:
        code, detail = down(writer.send(letter(1, "secret-ref", padding="x" * 5_000), NOW))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (code, detail) == ("failed", f"writing into {folders.path} failed: file too large")
    assert names(folders.path) == []
    assert names(folders.aside) == []
    assert writer.send(letter(1, "r", padding="x" * 5_000), NOW) == Delivered()


def test_the_code_of_a_full_disk(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = way(folders)

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    assert down(writer.send(letter(1), NOW)) == ("full", f"writing into {folders.path} failed: no space left on device")


def test_a_name_that_the_file_system_does_not_take(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> Path:
        raise OSError(22, "Invalid argument", str(target))

    monkeypatch.setattr(Path, "rename", refuse)
    sent = way(folders).send(letter(1, "secret-ref"), NOW)
    assert isinstance(sent, LetterRefused)
    assert sent.code == "bad_name"
    assert "secret-ref" not in sent.detail
    assert names(folders.aside) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only root gives files to any group")
def test_files_get_the_group_of_a_folder_with_setgid() -> None:
    with without_privileges() as base:
        folders = Folders(base / "out", base / "aside")
        folders.path.mkdir()
        os.seteuid(0)
        os.chown(folders.path, -1, 4711)
        folders.path.chmod(0o2777)
        assert way(folders).send(letter(1, "r"), NOW) == Delivered()
        assert (folders.path / "r.json").stat().st_gid == 4711
        os.chown(folders.aside, 65534, -1)
        os.seteuid(65534)
        code, detail = down(way(folders).send(letter(2, "s"), NOW))
        assert code == "denied"
        assert "cannot be given to its group, gid 4711; let nobody join that group" in detail
        assert names(folders.path) == ["r.json"]


def test_what_is_wrong_can_be_told_before(folders: Folders, tmp_path: Path) -> None:
    assert trouble_with(folders) is None
    assert names(folders.path) == []
    found = trouble_with(Folders(tmp_path / "none", folders.aside))
    assert found is not None
    assert found.code == "missing"


def test_letters_without_a_task(folders: Folders) -> None:
    one: Letter = letter(5, id_=None)
    assert way(folders, "{seq}-{id}-{outcome}").send(one, NOW) == Delivered()
    assert names(folders.path) == ["0000000005-none-success.json"]

"""Others may write where cdpoll reads or writes: pipes, links, folders and packages that were planted."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.demo.process import command
from cli.own_folder import make_own_folder, write_private
from tests.support.cdpoll_process import DEADLINE, House
from worker.core.errors import StorageFailed

STRANGER_UID = 61_009


@pytest.mark.parametrize("where", ["cdpoll.ini", "conf.d/z.ini", "secret", "ca.pem"])
def test_a_pipe_in_place_of_a_file_is_a_mistake_and_is_not_waited_for(tmp_path: Path, where: str) -> None:
    house = House(tmp_path)
    (house.config.parent / "conf.d").mkdir()
    text = "[api]\nbase_url = https://127.0.0.1:9/v1\nclient_id = c\nclient_secret = {file secret}\nca_file = ca.pem\n"
    house.config.write_text(f"[store]\npath = {tmp_path}/cdpoll.db\n{text}")
    (house.config.parent / "secret").write_text("s")
    planted = house.config if where == "cdpoll.ini" else house.config.parent / where
    planted.unlink(missing_ok=True)
    os.mkfifo(planted)
    done = house.cdpoll("run", "--once", check=78)
    assert planted.name in done.err
    assert "not a regular file" in done.err


def test_the_demo_runs_no_package_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cli", "worker", "click"):
        (tmp_path / name).mkdir()
        for file in ("__init__.py", "__main__.py"):
            (tmp_path / name / file).write_text("import os; os.abort()")
    monkeypatch.chdir(tmp_path)
    done = command(tmp_path / "none.ini", "--version")
    assert (done.returncode, done.stdout[:7]) == (0, b"cdpoll ")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Below /tmp, for the folders of pytest are this user's alone."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def test_a_new_folder_is_private_and_a_file_in_it_replaces_a_link(folder: Path) -> None:
    (folder / "victim").write_text("kept")
    make_own_folder(folder / "a" / "b")
    (folder / "a" / "b" / "cdpoll.ini").symlink_to(folder / "victim")
    write_private(folder / "a" / "b" / "cdpoll.ini", "written")
    assert (folder / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert (folder / "victim").read_text() == "kept"
    written = folder / "a" / "b" / "cdpoll.ini"
    assert (written.read_text(), written.is_symlink(), written.stat().st_mode & 0o777) == ("written", False, 0o600)


def a_link(place: Path) -> Path:
    (place.parent / "elsewhere").mkdir()
    place.symlink_to("elsewhere")
    return place


def of_a_stranger(place: Path) -> Path:
    place.mkdir()
    os.chown(place, STRANGER_UID, STRANGER_UID)
    return place


def below_a_stranger(place: Path) -> Path:
    return of_a_stranger(place) / "s"


def below_a_link_of_a_stranger(place: Path) -> Path:
    a_link(place)
    os.chown(place, STRANGER_UID, STRANGER_UID, follow_symlinks=False)
    return place / "s"


def open_to_all(place: Path) -> Path:
    place.mkdir()
    place.chmod(0o777)
    return place


def below_one_open_to_all(place: Path) -> Path:
    return open_to_all(place) / "s"


PLANTED = [a_link, open_to_all, below_one_open_to_all]
BY_STRANGERS = [of_a_stranger, below_a_stranger, below_a_link_of_a_stranger]
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


@pytest.mark.parametrize("plant", [*PLANTED, *(pytest.param(one, marks=ROOT_ONLY) for one in BY_STRANGERS)])
@pytest.mark.parametrize("new", [False, True])
def test_nothing_is_written_where_others_could_lead_it_elsewhere(
    folder: Path, plant: Callable[[Path], Path], new: bool
) -> None:
    place = plant(folder / "place")
    before = sorted(folder.rglob("*"))
    with pytest.raises(StorageFailed):
        make_own_folder(place, new=new)
    with pytest.raises(StorageFailed):
        write_private(place / "cdpoll.ini", "written")
    assert sorted(folder.rglob("*")) == before


def test_the_sandbox_and_the_demo_refuse_a_folder_that_is_a_link(folder: Path) -> None:
    place = a_link(folder / "place")
    for words in ("sandbox", "--port", "0"), ("demo", "--tasks", "1"):
        line = [sys.executable, "-m", "cli", *words, "--dir", str(place)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert (done.returncode, str(place) in done.stderr) == (74, True), words
    assert list((folder / "elsewhere").iterdir()) == []

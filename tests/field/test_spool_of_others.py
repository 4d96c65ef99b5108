"""Users who may not open the database, or not even read the configuration, hand ids in through the spool."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.spool_folder import SERVICE, SPOOLING_GID, make_spool
from tests.support.users import User, call_as, let_all_run
from worker.core.exit_code import ExitCode
from worker.core.intake.json_lines import from_jsonl_line

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can work as several users")

A = "0716e3e8-87ee-11ee-b9d1-0242ac120002"
MEMBER = User(61_004, 61_004, (SPOOLING_GID,), 0o077)
STRANGER = User(61_005, 61_005)


class Site:
    """As the package makes it: state and configuration for the service and its group, a spool for another group."""

    def __init__(self, folder: Path) -> None:
        self.state, self.ini = folder / "state", folder / "etc" / "cdpoll.ini"
        self.errors, self.output = folder / "errors", folder / "output"
        self.spool = make_spool(folder / "spool", SERVICE)
        self.state.mkdir()
        self.ini.parent.mkdir()
        self.ini.write_text(f"[store]\npath = {self.state}/cdpoll.db\n[spool]\npath = {folder}/spool\n")
        for path, mode in ((self.state, 0o2770), (self.ini.parent, 0o750), (self.ini, 0o640)):
            os.chown(path, SERVICE if path == self.state else 0, SERVICE)
            path.chmod(mode)
        self.errors.touch()
        self.errors.chmod(0o666)
        folder.chmod(0o755)

    def record(self, user: User, *words: str, **environ: str) -> int:
        return call_as(user, ["--config", str(self.ini), "record", *words], self.errors, self.output, **environ)

    @property
    def left(self) -> list[Path]:
        return [one for one in self.spool.iterdir() if one.name != ".lane"]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Below /tmp, for the folders of pytest are root's alone."""
    made = Path(tempfile.mkdtemp())
    let_all_run(made, monkeypatch)
    yield Site(made)
    shutil.rmtree(made)


@pytest.mark.parametrize("readable", [True, False], ids=["configuration", "no configuration"])
def test_a_member_of_the_group_of_the_spool_hands_an_id_in(site: Site, readable: bool) -> None:
    environ = {} if readable else {"CDPOLL_SPOOL_PATH": str(site.spool.parent)}
    if readable:
        site.ini.parent.chmod(0o755)
        site.ini.chmod(0o644)
    assert site.record(MEMBER, A, "--ref", "R", **environ) == 0, site.errors.read_text()
    assert site.output.read_text() == f"spooled {A}\n"
    why = "Permission denied" if readable else "this user may not read the configuration"
    assert why in site.errors.read_text()
    [file] = site.left
    [one] = from_jsonl_line(file.read_bytes(), place="line").recordings
    assert (one.id, one.ref) == (A, "R")
    about = file.stat()
    assert (about.st_uid, about.st_gid, stat.S_IMODE(about.st_mode)) == (MEMBER.uid, SPOOLING_GID, 0o640)


def test_who_may_read_the_database_and_not_write_it_leaves_a_file_too(site: Site) -> None:
    assert site.record(User(SERVICE, SERVICE, (SPOOLING_GID,)), A) == 0
    for path in (site.state, site.ini.parent, *site.state.iterdir(), site.ini):
        path.chmod(0o755)
    assert site.record(MEMBER, A) == 0, site.errors.read_text()
    assert site.output.read_text() == f"spooled {A}\n"
    assert "readonly" in site.errors.read_text()


def test_another_user_is_told_how_to_become_a_member(site: Site) -> None:
    where = {"CDPOLL_SPOOL_PATH": str(site.spool.parent)}
    assert site.record(STRANGER, A, **where) == ExitCode.TRY_LATER
    said = site.errors.read_text()
    assert f"may leave no files in {site.spool}" in said
    assert f"join the group gid {SPOOLING_GID}" in said
    assert site.left == []


def test_where_no_spool_is_the_configuration_is_what_is_to_be_mended(site: Site) -> None:
    nowhere = {"CDPOLL_SPOOL_PATH": str(site.spool / "nowhere")}
    assert site.record(MEMBER, A, **nowhere) == ExitCode.CONFIGURATION
    assert "Permission denied" in site.errors.read_text().replace("permission", "Permission")


def test_a_configuration_with_a_mistake_is_to_be_mended(site: Site) -> None:
    site.ini.parent.chmod(0o755)
    site.ini.write_text("[store]\npaht = x\n")
    site.ini.chmod(0o644)
    assert site.record(MEMBER, A, CDPOLL_SPOOL_PATH=str(site.spool.parent)) == ExitCode.CONFIGURATION
    assert site.left == []


def test_the_service_itself_opens_the_database(site: Site) -> None:
    assert site.record(User(SERVICE, SERVICE, (SPOOLING_GID,)), A) == 0, site.errors.read_text()
    assert site.output.read_text() == f"recorded {A}\n"
    assert site.left == []

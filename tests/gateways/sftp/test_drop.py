"""The drop at a real OpenSSH server: what is listed, fetched, moved and removed, and what is left alone."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from tests.support.sshd import LAYOUTS, Sshd, left_threads, sshd
from worker.clock import Clock
from worker.core import ssh
from worker.gateways.sftp.drop import Drop, DropSettings, RemoteFile, SftpFailed, connect
from worker.gateways.sftp.landing import Landing, make_whole, with_temporary_names

BIG = bytes(range(256)) * 12_000  # 3 MB: more than is read ahead


@pytest.fixture(scope="module", params=LAYOUTS)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    folder = tmp_path_factory.mktemp("sshd")
    with LAYOUTS[request.param](folder) as server:
        yield server


@pytest.fixture
def server(running: Sshd) -> Sshd:
    for path in sorted(running.drop.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    return running


def opened(settings: DropSettings) -> AbstractContextManager[Drop]:
    return connect(settings, Clock(), threading.Event())


def the_file(drop: Drop) -> RemoteFile:
    (remote,) = drop.list()
    return remote


def failure(settings: DropSettings) -> SftpFailed:
    with pytest.raises(SftpFailed) as caught, opened(settings) as drop:
        drop.list()
    return caught.value


def test_regular_files_that_match_are_listed_with_size_and_time(server: Sshd) -> None:
    path = server.put("a.x12", b"12345")
    os.utime(path, (1_700_000_000, 1_700_000_001))
    server.put("b.x12", b"")
    server.put("c.999")
    (server.drop / "folder.x12").mkdir()
    (server.drop / "link.x12").symlink_to(path)
    os.mkfifo(server.drop / "pipe.x12")
    with opened(server.settings("*.x12")) as drop:
        first, second = drop.list()
        assert first == RemoteFile(b"a.x12", 5, 1_700_000_001_000)
        assert (second.name, second.size) == (b"b.x12", 0)
        assert drop.others == 4
        assert [one.name for one in drop.links] == [b"link.x12"]
        (server.drop / "link.x12").unlink()
        drop.list()
        assert drop.links == []


def test_names_are_bytes_and_shown_without_harm(server: Sshd) -> None:
    odd = [b"\xe4\xf6.x12", "ä\u202e.x12".encode(), b"new\nline.x12", b"a b'$(x).x12", b"-rf.x12"]
    for name in odd:
        (server.drop / os.fsdecode(name)).write_bytes(name)
    with opened(server.settings("*.x12")) as drop:
        found = drop.list()
        assert sorted(remote.name for remote in found) == sorted(odd)
        assert all(remote.text.isprintable() for remote in found)
        for remote in found:
            fetched = drop.fetch(remote, server.folder / "in")
            assert fetched.path.read_bytes() == remote.name
            assert fetched.path.name == hashlib.sha256(remote.name).hexdigest()


def test_patterns_are_of_the_name_and_exclude_wins(server: Sshd) -> None:
    for name in ("ERA_271_1.x12", "ERA_271_2.txt", "era_271.x12", "ERA_999.x12", "ERA_271_tmp.x12"):
        server.put(name)
    settings = DropSettings(server.server(), server.folder_name or str(server.drop), ("ERA_271*", "x"), ("*tmp*",))
    with opened(settings) as drop:
        assert [remote.name for remote in drop.list()] == [b"ERA_271_1.x12", b"ERA_271_2.txt"]


def test_a_file_that_is_not_meant_for_us_is_never_touched(server: Sshd, tmp_path: Path) -> None:
    server.put("b.999")
    foreign = [RemoteFile(b"b.999", 4, 0), RemoteFile(b"../b.x12", 4, 0), RemoteFile(b"..", 4, 0)]
    with opened(server.settings("*.x12", "..")) as drop:
        for remote in foreign:
            for act in (partial(drop.fetch, remote, tmp_path), partial(drop.remove, remote)):
                with pytest.raises(ValueError, match="not meant for us"):
                    act()
            with pytest.raises(ValueError, match="not meant for us"):
                drop.move(remote, "done")
    assert (server.drop / "b.999").read_bytes() == b"ISA*"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"x", BIG[:32768], BIG[:261120], BIG[:261121], BIG], ids=len)
def test_a_file_arrives_whole_under_its_hash_and_private(server: Sshd, tmp_path: Path, content: bytes) -> None:
    server.put("a.x12", content)
    told: list[int] = []
    with opened(server.settings()) as drop:
        fetched = drop.fetch(the_file(drop), tmp_path / "in", told.append)
    assert fetched.path.read_bytes() == content
    assert (fetched.size, fetched.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert fetched.path == tmp_path / "in" / fetched.sha256
    assert [path.name for path in (tmp_path / "in").iterdir()] == [fetched.sha256]
    assert fetched.path.stat().st_mode & 0o007 == 0, "nothing for others"
    assert told == sorted(told)
    assert told[-1:] == [len(content)] * bool(content)


def test_fetching_the_same_file_again_changes_nothing(server: Sshd, tmp_path: Path) -> None:
    server.put("a.x12", b"same")
    with opened(server.settings()) as drop:
        remote = the_file(drop)
        assert drop.fetch(remote, tmp_path) == drop.fetch(remote, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("change", "doubtful"), [("before", False), ("grows", True), ("shrinks", True), ("rewritten", True)]
)
def test_a_file_that_changes_is_read_to_its_end_and_said_to_have_changed(
    server: Sshd, tmp_path: Path, change: str, doubtful: bool
) -> None:
    path = server.put("a.x12", BIG)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    changed = False

    def at_the_first_piece(_so_far: int) -> None:
        nonlocal changed
        if not changed and change != "before":
            changed = True
            with path.open("r+b") as file:
                if change == "shrinks":
                    file.truncate(2_900_000)
                else:
                    file.seek(0, 2 if change == "grows" else 0)
                    file.write(b"more" * (20_000 if change == "grows" else 1))

    with opened(server.settings()) as drop:
        remote = the_file(drop)
        if change == "before":
            path.write_bytes(BIG + b"more")
        fetched = drop.fetch(remote, tmp_path, at_the_first_piece)
        assert fetched.changed == doubtful
        assert fetched.size == (len(BIG) if change == "rewritten" else path.stat().st_size)
        # The connection is as good as before.
        again = drop.fetch(the_file(drop), tmp_path)
        assert (again.size, again.changed) == (path.stat().st_size, False)


def test_a_file_that_is_gone_is_vanished(server: Sshd, tmp_path: Path) -> None:
    path = server.put("a.x12")
    with opened(server.settings()) as drop:
        remote = the_file(drop)
        path.unlink()
        for act in (
            partial(drop.fetch, remote, tmp_path),
            partial(drop.remove, remote),
            partial(drop.move, remote, "x"),
        ):
            with pytest.raises(SftpFailed) as caught:
                act()
            assert caught.value.code == "vanished"
    assert not list(tmp_path.iterdir())


def test_remove_and_move_only_what_was_ingested(server: Sshd) -> None:
    server.put("a.x12", b"one")
    with opened(server.settings()) as drop:
        remote = the_file(drop)
        for other in (RemoteFile(remote.name, 4, remote.mtime), RemoteFile(remote.name, 3, remote.mtime + 1000)):
            for act in (partial(drop.remove, other), partial(drop.move, other, str(server.drop))):
                with pytest.raises(SftpFailed) as caught:
                    act()
                assert caught.value.code == "changing"
        assert (server.drop / "a.x12").read_bytes() == b"one"
        drop.remove(remote)
    assert not (server.drop / "a.x12").exists()


def test_moving_writes_over_nothing(server: Sshd) -> None:
    done = server.drop / "done"
    done.mkdir()
    folder = f"{server.folder_name or server.drop}/done"
    targets = []
    with opened(server.settings()) as drop:
        for content in (b"1", b"2", b"3"):
            server.put("a.x12", content)
            targets.append(drop.move(the_file(drop), folder).rpartition(b"/")[2])
    assert targets == [b"a.x12", b"a.x12_1", b"a.x12_2"]
    assert {path.name: path.read_bytes() for path in done.iterdir()} == {
        "a.x12": b"1",
        "a.x12_1": b"2",
        "a.x12_2": b"3",
    }


@pytest.mark.parametrize("what", ["nothing", "a file"])
def test_a_folder_that_is_not_there_is_a_mistake_of_the_configuration(server: Sshd, what: str) -> None:
    path = server.put("a.x12")
    wrong = f"{server.folder_name or server.drop}/{'nowhere' if what == 'nothing' else 'a.x12'}"
    failed = failure(DropSettings(server.server(), wrong, ("*",)))
    assert (failed.code, failed.as_error().exit_code) == ("drop_missing", 78)
    assert f"has no folder {wrong}" in failed.message
    assert "check drop under [sftp]" in failed.hint
    with opened(server.settings()) as drop, pytest.raises(SftpFailed) as caught:
        drop.move(the_file(drop), wrong)
    assert (caught.value.code, caught.value.as_error().exit_code) == ("move_to_missing", 78)
    assert "check move_to under [sftp]" in caught.value.hint
    assert path.exists()


def test_our_own_folder_that_cannot_be_written_is_told(server: Sshd, tmp_path: Path) -> None:
    server.put("a.x12")
    with opened(server.settings()) as drop:
        remote = the_file(drop)
        (tmp_path / "file").write_text("")
        with pytest.raises(SftpFailed) as caught:
            drop.fetch(remote, tmp_path / "file")
        assert caught.value.code == "local"
        assert caught.value.as_error().exit_code == 74
        assert drop.fetch(remote, tmp_path / "in").size == 4


def test_what_a_crash_left_has_a_temporary_name_until_it_is_made_whole(tmp_path: Path) -> None:
    landing = Landing(tmp_path, 3)
    landing.write(b"abc")
    (tmp_path / "whole").write_bytes(b"")
    (left,) = with_temporary_names(tmp_path)
    assert make_whole(left) == tmp_path / hashlib.sha256(b"abc").hexdigest()
    assert make_whole(tmp_path / "whole").name == hashlib.sha256(b"").hexdigest()
    assert with_temporary_names(tmp_path) == []
    landing.abandon()
    assert with_temporary_names(tmp_path / "nowhere") == []


def test_keys_are_renewed_in_the_middle_of_a_file(tmp_path: Path) -> None:
    with sshd(tmp_path / "sshd", "RekeyLimit 300K") as server:
        server.put("a.x12", BIG)
        with opened(server.settings()) as drop:
            assert drop.fetch(the_file(drop), tmp_path / "in").path.read_bytes() == BIG


def test_a_read_only_server(tmp_path: Path) -> None:
    with sshd(tmp_path / "sshd", "ForceCommand internal-sftp -R") as server:
        server.put("a.x12")
        with opened(server.settings()) as drop:
            remote = the_file(drop)
            assert drop.fetch(remote, tmp_path / "in").size == 4
            for act in (partial(drop.remove, remote), partial(drop.move, remote, "/tmp")):
                with pytest.raises(SftpFailed) as caught:
                    act()
                assert caught.value.code == "permission"
                assert "after = leave" in caught.value.hint


def test_a_server_without_sftp(tmp_path: Path) -> None:
    with sshd(tmp_path / "sshd", "ForceCommand false") as server:
        assert failure(server.settings()).code in ("sftp", "cut")


@pytest.mark.parametrize("size", ["limits", "usual"])
def test_old_servers_are_read_in_small_pieces(size: str, tmp_path: Path) -> None:
    # The extension that tells how much may be read at once is what servers before 8.5 do not have.
    denied = "ForceCommand internal-sftp" + " -P limits" * (size == "usual")
    with sshd(tmp_path / "sshd", denied) as server:
        server.put("a.x12", BIG)
        with opened(server.settings()) as drop:
            assert drop.fetch(the_file(drop), tmp_path / "in").path.read_bytes() == BIG


def test_every_connection_ends_with_its_threads(server: Sshd) -> None:
    before = threading.enumerate()
    for _ in range(3):
        with opened(server.settings()) as drop:
            drop.list()
    assert left_threads(before) == []


def test_old_algorithms_are_used_only_when_asked_for(tmp_path: Path) -> None:
    with sshd(tmp_path / "sshd", "Ciphers aes256-cbc", "MACs hmac-sha1") as server:
        failed = failure(server.settings())
        assert failed.code == "algorithms"
        assert "no cipher in common" in failed.message
        assert "aes256-cbc" in failed.message
        assert "algorithms under [sftp]" in failed.hint
        server.put("a.x12")
        with opened(server.settings(algorithms=ssh.changed(("+aes256-cbc", "+hmac-sha1")))) as drop:
            assert the_file(drop).size == 4

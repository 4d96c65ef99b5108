"""``[store] url``: a database on a PostgreSQL server, whose password is never shown."""

from pathlib import Path

import pytest

from tests.config.test_files import ini
from worker.config import ConfigurationMistakes, load

SERVER_URLS = {
    "postgresql://cdpoll@db.example/cdpoll": "postgresql://cdpoll@db.example/cdpoll",
    "postgres://cdpoll:s3cret@db.example:5433/x": "postgres://cdpoll:(not shown)@db.example:5433/x",
    "postgresql:///cdpoll?host=/run/postgresql": "postgresql:///cdpoll?host=/run/postgresql",
    "postgresql://a,b/cdpoll?password=s3cret&target_session_attrs=read-write": (
        "postgresql://a,b/cdpoll?password=(not shown)&target_session_attrs=read-write"
    ),
    "postgresql://u@h/x?sslpassword=s3cret&Password=s3cret": (
        "postgresql://u@h/x?sslpassword=(not shown)&Password=(not shown)"
    ),
}


@pytest.mark.parametrize("url", SERVER_URLS)
def test_a_server_is_shown_without_its_password(tmp_path: Path, url: str) -> None:
    path = ini(tmp_path / "x.ini", f"[store]\nurl = {url}\ndaemon = east\nprepare_threshold = 0\n")
    Path(path).chmod(0o600)
    store = load(path, {}).store
    assert store.url is not None
    assert (store.url.shown, store.url.reveal()) == (SERVER_URLS[url], url)
    server = store.place.server
    assert server is not None
    assert (server.shown, server.daemon, server.prepare_threshold) == (SERVER_URLS[url], "east", None)
    assert load(path, {}).store == store  # so a reload finds it unchanged


def test_a_password_in_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = ini(tmp_path / "x.ini", "[store]\nurl = postgresql://cdpoll:s3cret@db.example/cdpoll\n")
    Path(path).chmod(0o644)
    with pytest.raises(ConfigurationMistakes) as caught:
        load(path, {})
    assert "s3cret" not in str(caught.value.mistakes)
    assert [one.key for one in caught.value.mistakes] == ["url"]


@pytest.mark.parametrize("password", ["s3cret@rest", "s3cret/rest", "s3cret?rest", "s3cret#rest", "12/rest@more"])
def test_a_password_with_a_sign_that_cuts_it_is_refused_and_not_told(tmp_path: Path, password: str) -> None:
    path = ini(tmp_path / "x.ini", f"[store]\nurl = postgresql://cdpoll:{password}@db.example/cdpoll\n")
    Path(path).chmod(0o600)
    with pytest.raises(ConfigurationMistakes) as caught:
        load(path, {})
    said = str(caught.value.mistakes)
    assert "write special characters as %XX" in said
    assert not any(part in said for part in ("s3cret", "rest"))


@pytest.mark.parametrize("url", ["mysql://db/x", "cdpoll.db"])
def test_what_is_no_server_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationMistakes):
        load(ini(tmp_path / "x.ini", f"[store]\nurl = {url}\n"), {})

"""Who needs `[store]` only goes on where another section is wrong, and never with another database than was meant."""

from pathlib import Path

import pytest

from tests.config.test_files import BASE, ini, without_privileges
from worker.config import ConfigurationMistakes, Tolerated, load, load_store
from worker.config.polling import schedule_of

STORE = "[store]\npath = mine.db\n"


def read(folder: Path, text: str | bytes, environ: dict[str, str] | None = None) -> Tolerated:
    return load_store(ini(folder / "x.ini", text), environ or {})


def test_without_a_mistake_it_is_what_load_gives(tmp_path: Path) -> None:
    path = ini(tmp_path / "x.ini", BASE + STORE + "[polling]\nburst = 3\n")
    loose, whole = load_store(path, {}), load(path, {})
    assert (loose.mistakes, loose.unread) == ((), ())
    assert loose.config.polling == whole.polling
    assert loose.config.store == whole.store
    assert loose.config.api is not None


@pytest.mark.parametrize(
    "wrong",
    [
        "[api]\ntimout = 3s\n",
        "[api]\nbase_url = http://apigw.example.com\n",
        "[api]\nclient_secret = hunter2-that-others-may-read\n",
        "[sftp]\nhost = sftp.example.com\n",
        "[polling]\nburst = many\n",
        "[polling]\nmin_interval = 1h\n",
        "[polling]\ncadence = soon\nmin_interval = 2h\n",
        "[polling]\nburst = 1\nburst = 2\n",
        "[pollling]\nburst = 1\n",
        "[log\nlevel = info\n",
        "[log]\nlevel = loud\njust words\n",
        "stray = 1\n",
        "[log]\nlevel =\u00a0info\n",
        "[log]\nlevel = info\n[log]\nformat = json\n",
    ],
)
@pytest.mark.parametrize("order", ["before", "behind"])
def test_a_mistake_elsewhere_leaves_the_store_known(tmp_path: Path, wrong: str, order: str) -> None:
    text = wrong + STORE if order == "before" else STORE + wrong
    if wrong.startswith("stray") and order == "behind":
        text = wrong + "\n" + STORE
    found = read(tmp_path, text)
    assert found.config.store.path == tmp_path / "mine.db"
    assert found.mistakes
    assert not found.unread
    with pytest.raises(ConfigurationMistakes) as caught:
        load(str(tmp_path / "x.ini"), {})
    assert list(found.mistakes) == caught.value.mistakes
    schedule_of(found.config).first_poll("x", None)  # such as it is, it can be used


def test_what_cannot_be_read_has_its_default_and_the_rest_is_as_written(tmp_path: Path) -> None:
    config = read(tmp_path, STORE + "[polling]\nburst = many\nalert_after = 3h\ncadence = 1m x2 1h 5%\n").config
    assert (config.polling.burst, config.polling.alert_after_ms, config.polling.cadence.first) == (
        5,
        10_800_000,
        60_000,
    )
    config = read(tmp_path, STORE + "[polling]\nmin_interval = 1h\nalert_after = 3h\ncadence = 1m x2 1h 5%\n").config
    assert (config.polling.min_interval_ms, config.polling.cadence.first) == (5_000, 10_000)  # they contradict
    assert config.polling.alert_after_ms == 10_800_000
    config = read(tmp_path, STORE + BASE + "timeout = long\n[sftp]\nhost = h.example.com\n").config
    assert config.api is not None
    assert (config.api.base_url, config.api.timeout_ms) == ("https://api.example.com/rcm/eligibility/v1", 30_000)
    assert config.sftp is None
    assert read(tmp_path, STORE + "[api]\nbase_url = nowhere\n").config.api is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[store]\npaht = a.db\n", 2),
        ("[store]\npath = a/\n", 2),
        ("[store]\npath = a.db\npath = b.db\n", 3),
        ("[store]\npath = a.db\n[store]\njournal = wal\n", 3),
        ("[store]\npath = a.db\njust words\n", 3),
        ("[stroe]\npath = a.db\n", 1),
        ("[Store]\npath = a.db\n", 1),
        ("[database]\npath = a.db\n", 1),
        ("[store\npath = a.db\n", 1),
        ("[api]\nbase_url = https://h.example/v1\npath = a.db\n", 3),
        ("path = a.db\n", 1),
        ("[log]\nlevel = info\n  [store]\n  path = a.db\n", 2),
        ("[log]\nlevel = info\n  path = a.db\n", 2),
        (b"[log]\n[store\xe9]\npath = a.db\n", 3),
        (b"[log]\nlevel = info\n\0", 3),
        ("[log]\n".encode("utf-16"), 1),
    ],
)
def test_a_mistake_that_may_be_about_the_store_stops(tmp_path: Path, text: str | bytes, line: int) -> None:
    with pytest.raises(ConfigurationMistakes) as caught:
        read(tmp_path, text)
    assert caught.value.exit_code == 78
    assert line in [mistake.place.line for mistake in caught.value.mistakes]


def test_only_what_may_be_about_the_store_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationMistakes, match=r"^[^\n]*:4: \[store\][^\n]*$"):
        read(tmp_path, "[log]\nlevel = loud\n[store]\npaht = a.db\n")


@pytest.mark.parametrize(
    ("environ", "stops"),
    [
        ({"CDPOLL_STORE_PATH": "relative.db"}, True),
        ({"CDPOLL_STORE_PAHT": "/a.db"}, True),
        ({"CDPOLL_STROE_PATH": "/a.db"}, True),
        ({"CDPOLL_STORE_FILE_NAME": "/a.db"}, True),
        ({"CDPOLL_POLLING_BRUST": "3"}, False),
        ({"CDPOLL_POLLING_BURST": "many"}, False),
    ],
)
def test_a_variable_that_may_be_about_the_store_stops(tmp_path: Path, environ: dict[str, str], stops: bool) -> None:
    path = ini(tmp_path / "x.ini", STORE)
    if stops:
        with pytest.raises(ConfigurationMistakes):
            load_store(path, environ)
    else:
        assert len(load_store(path, environ).mistakes) == 1


def test_a_file_of_conf_d_with_an_error_is_no_obstacle_and_one_that_cannot_be_read_is_told_apart() -> None:
    with without_privileges() as folder:
        main = ini(folder / "x.ini", STORE)
        ini(folder / "conf.d/1.ini", "[log]\nlevel = loud\n")
        ini(folder / "conf.d/2.ini", b"[log]\n; caf\xe9\n")
        found = load_store(main, {})
        assert (len(found.mistakes), found.unread) == (2, ())
        ini(folder / "conf.d/3.ini", "[log]\n", mode=0)
        ini(folder / "conf.d/4.ini", "[log]\n".encode("utf-16"))
        ini(folder / "conf.d/5.ini", "# filler\n" * 200_000)
        found = load_store(main, {})
        assert found.config.store.path == folder / "mine.db"
        assert [m.place.file.name for m in found.unread if m.place.file] == ["4.ini", "5.ini", "3.ini"]
        (folder / "conf.d").chmod(0o300)
        assert [m.place.file for m in load_store(main, {}).unread] == [folder / "conf.d"]
        (folder / "conf.d").chmod(0o700)


def test_a_main_file_that_cannot_be_read_stops_with_owner_and_mode() -> None:
    with without_privileges() as folder:
        path = ini(folder / "x.ini", STORE, mode=0o200)
        with pytest.raises(ConfigurationMistakes, match="with mode 0200") as told:
            load_store(path, {})
        assert told.value.message.startswith(f"{path}: cannot be read (permission denied); {path} belongs to ")


def test_nothing_at_all_stops(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationMistakes, match="no configuration"):
        load_store(None, {"XDG_CONFIG_HOME": str(tmp_path)})

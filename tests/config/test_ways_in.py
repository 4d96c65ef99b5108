"""The sections of the ways in: [spool], [backfill] and [local]."""

from pathlib import Path

import pytest

from tests.config.test_files import ini, mistakes
from worker.config import BackfillSection, SpoolSection, load
from worker.config.keys import KEYS

MINUTE, DAY = 60_000, 86_400_000


def test_both_sections_are_absent_unless_they_are_written(tmp_path: Path) -> None:
    config = load(ini(tmp_path / "x.ini", "[store]\npath = x.db\n"), {})
    assert (config.spool, config.backfill) == (None, None)
    config = load(ini(tmp_path / "x.ini", "[spool]\n[backfill]\n"), {})
    assert config.spool == SpoolSection(Path("/var/spool/cdpoll"), 2_000, 7 * DAY)
    assert config.backfill == BackfillSection(60 * MINUTE, DAY, None, None, None)
    assert not config.asks_without_fail


def test_names_may_hold_blanks_and_commas(tmp_path: Path) -> None:
    text = (
        "[backfill]\ntenant_names = One, Ltd; Two\nnames = Default *;\ncorrelation_ids = a-* b\n[spool]\npath = here\n"
    )
    config = load(ini(tmp_path / "x.ini", text), {})
    assert config.backfill is not None
    assert config.backfill.tenant_names == ("One, Ltd", "Two")
    assert config.backfill.names == ("Default *",)
    assert config.backfill.correlation_ids == ("a-*", "b")
    assert config.spool is not None
    assert config.spool.path == tmp_path / "here"
    shown = KEYS["backfill", "tenant_names"].kind.show
    assert shown(config.backfill.tenant_names) == "One, Ltd; Two"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("listen = 0.0.0.0:80", "and token and tls_certificate and tls_key are missing; write them"),
        ("listen = [::]:80\ntls_certificate = c\ntls_key = k", "and token is missing; write it"),
        ("tls_key = k", "tls_certificate is missing; write both, or neither"),
        ("listen = nowhere:80", "is not an address"),
        ("new_ids_per_minute = 0", "is not a whole number from 1"),
    ],
)
def test_what_local_refuses(tmp_path: Path, text: str, words: str) -> None:
    (line,) = mistakes(ini(tmp_path / "x.ini", f"[local]\n{text}\n"), {})
    assert words in line


def test_what_local_may_listen_on(tmp_path: Path) -> None:
    for listen in ("127.0.0.1:1", "[::1]:1", "localhost:1"):
        assert load(ini(tmp_path / "x.ini", f"[local]\nlisten = {listen}\n"), {}).local.listen.endswith(":1")
    text = "[local]\nlisten = 0.0.0.0:9\ntoken = {env T}\ntls_certificate = c\ntls_key = k\n"
    assert load(ini(tmp_path / "x.ini", text), {}).local.listen == "0.0.0.0:9"

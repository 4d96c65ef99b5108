"""A secret that stands at a wrong place of the configuration, whole or in pieces, appears in no message."""

import json
from pathlib import Path

import pytest

from tests.config.test_files import ini
from worker.config import ConfigurationMistakes, load
from worker.config.deliver_keys import COMMON, KINDS
from worker.config.keys import KEYS
from worker.core.errors import BadConfiguration

SECRET = "Qz7wK2mVx9Tb4Rn8Yc3Lp6Hd"
HALF, REST = SECRET[:12], SECRET[12:]
PIECE_CHARACTERS = 8
BASE = "[api]\nbase_url = https://api.example.com/v1\n"
VALUES = (
    SECRET,
    f"+{SECRET}",
    f"-{SECRET}",
    f"a/{SECRET}",
    f"{SECRET}:x",
    f"{SECRET} x1.4 15m 10%",
    f"10s x1.4 {SECRET} 10%",
    f"https://me:{SECRET}@h.example/v1",
    f"https://h.example:{SECRET}/v1",
    f"https://h.example/?key={SECRET}",
    f"http://me:{SECRET}@h.example/v1?x",
    f"{{vault {SECRET}}}",
    f"{HALF}\n {REST}",
    f"{HALF}:\n {REST}=",
)
FILES = {
    "key": f"{BASE}{SECRET} = x\n",
    "key without a value": f"{BASE}{SECRET}=\n",
    "key, twice": f"{BASE}{SECRET} = x\n{SECRET} = y\n",
    "key, behind the name of one": f"{BASE}client_secret {HALF}==\n",
    "key, without a blank behind the name": f"{BASE}client_secret{HALF} = x\n",
    "key of another section's name": f"{BASE}burst{HALF} = x\n",
    "section": f"{BASE}[{SECRET}]\nx = y\n",
    "section, twice": f"{BASE}[{SECRET}]\n[{SECRET}]\n",
    "section, with mistakes in it": f"{BASE}[{SECRET}]\nx = 1\nx = 2\nno setting\ny = \xa0\n",
    "section, behind the name of one": f"{BASE}[api {HALF}]\n",
    "section that does not end": f"{BASE}[{SECRET}\nx = y\n",
    "line of its own": f"{BASE}{SECRET}\n",
    "before the first section": f"{SECRET} = x\n{BASE}",
    "second line, not indented": f"{BASE}client_secret = {HALF}\n{REST}==\n",
    "second line, with a colon": f"{BASE}client_secret = {HALF}\n{REST}:x\n",
    "second line, in brackets": f"{BASE}client_secret = {HALF}\n[{REST}]\n",
    "second line, indented": f"{BASE}client_secret = {HALF}\n  {REST}==\n",
    "second line of an unknown key": f"{BASE}secret_of_client = {HALF}\n  {REST}==\n",
    "value of an unknown key": f"{BASE}secret_of_client = {SECRET}\n",
    "value with a comment": f"{BASE}timeout = {SECRET} # x\n",
    "value with an invisible character": f"{BASE}client_secret = {HALF}\xa0{REST}\n",
}


def said(explicit: str | None, environ: dict[str, str]) -> str:
    """All that loading has to say, for people and for programs, in lower case; "" when nothing is wrong."""
    try:
        warnings = load(explicit, environ).warnings
    except ConfigurationMistakes as error:
        mistakes = json.dumps([mistake.as_json() for mistake in error.mistakes])
        return f"{error}\n{error.message}\n{error.hint}\n{mistakes}".lower()
    return "\n".join(map(str, warnings)).lower()


def pieces_in(text: str) -> list[str]:
    """The pieces of the secret in a text, letter case ignored, for keys are read in lower case."""
    pieces = (SECRET[at : at + PIECE_CHARACTERS].lower() for at in range(len(SECRET) - PIECE_CHARACTERS + 1))
    return [piece for piece in pieces if piece in text]


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_secret_in_a_line_of_the_file(tmp_path: Path, text: str, mode: int) -> None:
    told = said(ini(tmp_path / "x.ini", text, mode), {})
    assert "x.ini:" in told
    assert pieces_in(told) == []


@pytest.mark.parametrize("place", KEYS, ids=".".join)
def test_a_secret_as_the_value_of_any_key(tmp_path: Path, place: tuple[str, str]) -> None:
    section, key = place
    for value in VALUES:
        # An unknown key beside it makes a mistake in any case: a value that can be used must not be told either.
        told = said(ini(tmp_path / "x.ini", f"[{section}]\n{key} = {value}\nnone = 1\n"), {})
        assert f"[{section}]: unknown key" in told
        assert pieces_in(told) == []
        told = said(None, {f"CDPOLL_{section}_{key}".upper(): value, "CDPOLL_NONE": "1"})
        assert "sets no known key" in told
        assert pieces_in(told) == []


@pytest.mark.parametrize(("kind", "key"), [(kind, key.name) for kind, keys in KINDS.items() for key in COMMON + keys])
def test_a_secret_as_the_value_of_any_key_of_a_way_out(tmp_path: Path, kind: str, key: str) -> None:
    kinds = "" if key == "kind" else f"kind = {kind}\n"
    for value in VALUES:
        told = said(ini(tmp_path / "x.ini", f"[deliver.a]\n{kinds}{key} = {value}\nstrange = 1\n"), {})
        assert "[deliver.a]: unknown key" in told
        assert pieces_in(told) == []
        told = said(str(tmp_path / "x.ini"), {f"CDPOLL_DELIVER_A_{key}".upper(): value})
        assert pieces_in(told) == []


@pytest.mark.parametrize("name", [f"CDPOLL_{SECRET}", f"CDPOLL_API_{SECRET}", f"CDPOLL_API_CLIENT_SECRET_{HALF}"])
def test_a_secret_as_the_name_of_a_variable(name: str) -> None:
    told = said(None, {"CDPOLL_API_BASE_URL": "https://h.example/v1", name: "x"})
    assert "sets no known key" in told
    assert pieces_in(told) == []


def test_a_secret_as_the_value_of_an_unknown_variable() -> None:
    told = said(None, {"CDPOLL_API_CLIENT_SECRTE": SECRET})
    assert "cdpoll_api_client_secrte: sets no known key; did you mean cdpoll_api_client_secret?" in told
    assert pieces_in(told) == []


@pytest.mark.parametrize("name", [SECRET, f"client_{HALF}", HALF.lower(), HALF.upper()])
def test_a_secret_as_the_name_in_a_reference(tmp_path: Path, name: str) -> None:
    config = load(ini(tmp_path / "x.ini", f"{BASE}client_secret = {{env {name}}}\n"), {})
    assert config.api is not None
    with pytest.raises(BadConfiguration) as failed:
        config.api.client_secret.reveal()
    assert failed.value.message == "[api] client_secret: the environment variable that it names is not set"
    assert pieces_in(f"{failed.value.hint}".lower()) == []

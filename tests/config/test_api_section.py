"""When [api] is there, and what it needs."""

from pathlib import Path

import pytest

from tests.config.test_files import ini, mistakes
from worker.config import load
from worker.core.errors import BadConfiguration


def test_without_an_api_section_there_is_no_api(tmp_path: Path) -> None:
    config = load(ini(tmp_path / "x.ini", "[store]\npath = x.db\n"), {})
    assert config.api is None
    with pytest.raises(BadConfiguration, match=r"^\[api\] base_url, client_id and client_secret are missing$"):
        config.require_api()


def test_an_api_section_needs_a_base_url(tmp_path: Path) -> None:
    path = ini(tmp_path / "x.ini", "[log]\n[api]\n")
    (line,) = mistakes(path, {})
    assert line.startswith(f"{path}:2: [api]: base_url is missing; write it, as in base_url = https://")
    (line,) = mistakes(None, {"CDPOLL_API_SCOPE": "x"})
    assert "[api]: base_url is missing" in line
    (line,) = mistakes(None, {"CDPOLL_API_BASE_URL": "http://x"})
    assert "http is only for loopback" in line


def test_require_api_names_what_is_missing() -> None:
    environ = {"CDPOLL_API_BASE_URL": "https://h.example/rcm/eligibility/v1"}
    with pytest.raises(BadConfiguration, match=r"^\[api\] client_id and client_secret are missing$") as caught:
        load(None, environ).require_api()
    assert caught.value.exit_code == 78
    environ["CDPOLL_API_CLIENT_ID"] = "me"
    with pytest.raises(BadConfiguration, match=r"^\[api\] client_secret is missing$"):
        load(None, environ).require_api()
    environ["CDPOLL_API_CLIENT_SECRET"] = "{env NOT_THERE_YET}"
    config = load(None, environ)
    assert config.require_api() is config.api

"""The keys of ``[alert]``: what may be written, what is shown, and what ``config check`` tries."""

from pathlib import Path

import pytest

from tests.support.cdpoll_process import House
from worker.config import ConfigurationMistakes, load
from worker.config.settings import AlertSection

PING = "https://hc-ping.com/5c1e0dc0"


def alert(folder: Path, **keys: str) -> AlertSection:
    house = House(folder)
    house.write(**{f"alert_{key}": value for key, value in keys.items()})
    return load(str(house.config), {}).alert


def test_nothing_is_configured_by_default(tmp_path: Path) -> None:
    assert alert(tmp_path) == AlertSection(None, None, None, None, 60_000, "critical")


def test_the_path_of_a_ping_is_not_shown(tmp_path: Path) -> None:
    found = alert(tmp_path, ping=PING)
    assert found.ping is not None
    assert (found.ping.reveal(), found.ping.shown) == (PING, "https://hc-ping.com/(not shown)")
    assert "5c1e0dc0" not in House(tmp_path, alert_ping=PING).cdpoll("config", "show", check=0).text


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"ping": "http://hc-ping.com/x"}, "http is only for loopback addresses"),
        ({"ping": PING + "?create=1"}, "has a query or a fragment, and /fail is appended to it"),
        ({"ping": "http://127.0.0.1/x", "proxy": "http://proxy:3128"}, "http goes through the proxy in clear"),
        ({"command": "page-me"}, "does not begin with the full path of a program"),
        ({"min_severity": "bad"}, '"bad" is not known here'),
        ({"pings": PING}, "unknown key; did you mean ping?"),
    ],
)
def test_mistakes(tmp_path: Path, keys: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationMistakes) as caught:
        alert(tmp_path, **keys)
    (mistake,) = caught.value.mistakes
    assert said in str(mistake)
    assert "5c1e0dc0" not in str(mistake)


def test_config_check_tries_secrets_certificates_and_the_program(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.write(
        alert_ping=f"{{file {tmp_path}/no-ping}}",
        alert_proxy=f"{{file {tmp_path}/no-proxy}}",
        alert_ca_file=str(tmp_path / "no.pem"),
        alert_command=str(tmp_path / "no-program"),
    )
    told = house.cdpoll("config", "check", "--json", check=78).json["mistakes"]
    keys = [one["key"] for one in told if one["section"] == "alert"]
    assert keys == ["ping", "proxy", "ca_file", "command"]


def test_a_proxy_with_a_password_in_the_file_is_a_warning(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.write(alert_ping=PING, alert_proxy="http://me:hunter2@proxy:3128")
    (warned,) = [one for one in load(str(house.config), {}).warnings if one.section == "alert"]
    assert "a secret written out in the file" in str(warned)
    assert "hunter2" not in str(warned)

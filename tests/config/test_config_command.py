"""`cdpoll config`, the example file, the reference page, and what reading a configuration may cost."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.config import config as group
from tests.config.test_files import BASE, ini
from worker.config import ConfigurationMistakes, load
from worker.config.deliver_keys import EXAMPLES, KINDS
from worker.config.keys import KEYS, SECTIONS, VARIABLES
from worker.config.mistakes import BUILT_IN
from worker.config.reference import example_ini, reference_markdown

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.ini"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("CDPOLL_")]:
        monkeypatch.delenv(name)


def run(path: str, *arguments: str) -> Result:
    return CliRunner().invoke(group, arguments, obj={"config": path})


def test_show_prints_every_key_and_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ini(
        tmp_path / "x.ini", BASE + "client_secret = hunter2\nclient_id = {env ME}\n[store]\npath = x.db\n", 0o600
    )
    monkeypatch.setenv("CDPOLL_POLLING_ALERT_AFTER", "90m")
    result = run(path, "show", "--json")
    assert result.exit_code == 0
    shown: dict[str, Any] = json.loads(result.stdout)
    assert (shown["config"], shown["files"]) == (path, [path])
    rows = {(row["section"], row["key"]): (row["value"], row["from"]) for row in shown["keys"]}
    assert list(rows) == list(KEYS)
    assert rows["api", "client_secret"] == ("(literal, not shown)", f"{path}:3")
    assert rows["api", "client_id"] == ("{env ME}", f"{path}:4")
    assert rows["api", "scope"] == (None, "default")
    assert rows["api", "token_url"] == ("https://api.example.com/apip/auth/v2/token", "default")
    assert rows["store", "path"] == (str(tmp_path / "x.db"), f"{path}:6")
    assert rows["polling", "alert_after"] == ("1h30m", "environment variable CDPOLL_POLLING_ALERT_AFTER")
    assert rows["polling", "cadence"] == ("10s x1.4 15m 10%", "default")
    assert rows["polling", "requests_per_second"] == ("1", "default")
    assert [w["key"] for w in shown["warnings"]] == ["client_secret"]
    plain = run(path, "show")
    assert plain.exit_code == 0
    assert plain.stdout.startswith(f"# {path}\n")
    for key, value, place in [
        (key, *row) for (section, key), row in rows.items() if section not in ("sftp", "spool", "backfill", "callback")
    ]:
        pattern = rf"^{re.escape(f'{key} = {value}' if value is not None else f'{key} =')} +# {re.escape(place)}$"
        assert re.search(pattern, plain.stdout, re.MULTILINE)
    assert plain.stderr.startswith(f"warning: {path}:3: [api] client_secret: ")
    assert "hunter2" not in plain.output + result.output


def test_show_says_when_there_is_no_api(tmp_path: Path) -> None:
    path = ini(tmp_path / "x.ini", "[log]\n")
    assert "[api]  # not configured\n\n[store]" in run(path, "show").stdout
    rows = json.loads(run(path, "show", "--json").stdout)["keys"]
    assert {row["value"] for row in rows if row["section"] == "api"} == {None}


def test_what_show_prints_reads_back_as_the_same(tmp_path: Path) -> None:
    path = ini(tmp_path / "x.ini", BASE + "client_id = me\n[polling]\ncadence = 1500ms x1.05 3h 2.5%\n")
    rows = json.loads(run(path, "show", "--json").stdout)["keys"]
    text = ""
    for section in SECTIONS:
        text += f"[{section.name}]\n" * (section.name != "sftp")
        text += "".join(f"{r['key']} = {r['value']}\n" for r in rows if r["section"] == section.name and r["value"])
    again = load(ini(tmp_path / "y.ini", text), {})
    first = load(path, {})
    assert (again.polling, again.store, again.log) == (first.polling, first.store, first.log)
    assert again.api is not None
    assert again.api.token_url == "https://api.example.com/apip/auth/v2/token"


def test_check_passes_with_warnings_on_stderr(tmp_path: Path) -> None:
    text = "[api]\nbase_url = https://api.example.com\nclient_id = c\nclient_secret = s\n"
    path = ini(tmp_path / "x.ini", f"{text}[store]\npath = x.db\n", 0o600)
    result = run(path, "check")
    assert result.exit_code == 0
    assert result.stderr.startswith(f"warning: {path}:2: [api] base_url: has no path;")
    result = run(path, "check", "--json")
    assert result.exit_code == 0
    assert result.stderr == ""
    answer = json.loads(result.stdout)
    assert (answer["ok"], answer["mistakes"]) == (True, [])
    assert [w["line"] for w in answer["warnings"]] == [2, 4]


def test_check_lists_every_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = ini(tmp_path / "x.ini", "[api]\ntimout = 3\n[log]\nlevel = loud\n")
    monkeypatch.setenv("CDPOLL_POLLING_BURST", "none")
    result = run(path, "check", "--json")
    assert result.exit_code == 78
    answer = json.loads(result.stdout)
    assert answer["ok"] is False
    assert [(m["file"], m["line"], m["variable"], m["section"], m["key"]) for m in answer["mistakes"]] == [
        (path, 1, None, "api", None),
        (path, 2, None, "api", "timout"),
        (path, 4, None, "log", "level"),
        (None, None, "CDPOLL_POLLING_BURST", "polling", "burst"),
        (path, 1, None, "api", None),  # client_id and client_secret, found by trying
        (path, 1, None, "api", None),
    ]
    assert all(m["message"] for m in answer["mistakes"])
    result = run(path, "check")
    assert isinstance(result.exception, ConfigurationMistakes)
    assert len(result.exception.message.split("\n")) == 6
    assert isinstance(run(path, "show").exception, ConfigurationMistakes)


def test_the_example_lists_every_key_with_its_real_default() -> None:
    section, found = "", {}
    for line in EXAMPLE.read_text().splitlines():
        if heading := re.fullmatch(r"#?\[([\w.]+)\]", line):
            section = heading[1]
        elif setting := re.fullmatch(r"#(\w+) = (.+)", line):
            found[section, setting[1]] = setting[2]
        else:
            assert line in ("", "#") or line.startswith("# "), f"neither a comment nor a commented key: {line}"
    keys = KEYS | {(section.name, key.name): key for section in EXAMPLES for key in section.keys}
    assert list(found) == list(keys)
    for place, key in keys.items():
        assert found[place] == (key.sample if key.default is None else key.default)


def test_the_example_asks_for_nothing_but_the_base_url() -> None:
    with pytest.raises(ConfigurationMistakes) as caught:
        load(str(EXAMPLE), {})
    (mistake,) = caught.value.mistakes
    assert (mistake.section, mistake.message[:19]) == ("api", "base_url is missing")


def test_the_example_loads_when_completed_and_changes_no_default_when_uncommented(tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    of_api, _, rest = text.partition("\n[store]")
    written = re.sub(r"(?m)^#(base_url|client_id|client_secret) ", r"\1 ", of_api)
    completed = load(ini(tmp_path / "a.ini", f"{written}\n[store]{rest}"), {})
    everything = load(ini(tmp_path / "b.ini", re.sub(r"(?m)^#(\w+ = |\[)", r"\1", text)), {})
    assert completed.require_api().timeout_ms == everything.require_api().timeout_ms
    assert everything.require_api().token_url == completed.require_api().token_url
    assert everything.polling == completed.polling._replace(daily_budget=20_000)  # the one without a default
    alone = everything.store._replace(url=None, daemon=None)  # these have no default
    assert (alone, everything.log) == (completed.store, completed.log)
    assert [way.kind for way in everything.deliver] == list(KINDS)
    assert not everything.warnings
    assert BUILT_IN not in [everything.places[place] for place in KEYS]


@pytest.mark.parametrize(
    ("path", "render"), [(EXAMPLE, example_ini), (ROOT / "docs/configuration.md", reference_markdown)]
)
def test_the_pages_are_those_of_the_table(path: Path, render: Any) -> None:
    assert path.read_text() == render(), "run: python -m worker.config.reference"


def test_every_key_is_in_the_reference() -> None:
    page = (ROOT / "docs/configuration.md").read_text()
    for section in SECTIONS:
        table = page.split(f"## `[{section.name}]`")[1].split("\n## ")[0]
        for key in section.keys:
            (row,) = re.findall(rf"^\| `{key.name}` \|.*$", table, re.MULTILINE)
            assert row.count("|") == 5
            assert key.doc in row
            assert key.default is None or key.default in row
    assert len(VARIABLES) == len(KEYS)


HEAVY = {
    "asyncio", "configparser", "decimal", "difflib", "email", "http", "importlib.metadata", "json",
    "logging", "random", "socket", "ssl", "subprocess", "tempfile", "uuid", "xml",
    "click", "httpx", "rich", "sqlite3", "sqlite_utils", "structlog",
}  # fmt: skip


def test_reading_the_configuration_imports_nothing_heavy(tmp_path: Path) -> None:
    path = ini(tmp_path / "x.ini", BASE + "client_secret = {env X}\n")
    code = "import sys; from worker.config import load; load(sys.argv[1], {});print('\\n'.join(sys.modules))"
    # Without site packages, so that only what the configuration asks for is there.
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "worker.config.loading" in loaded
    assert loaded & HEAVY == set()

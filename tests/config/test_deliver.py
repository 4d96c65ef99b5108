"""The sections [deliver.NAME]: what each key accepts and refuses, and what they mean together."""

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.config import config as group
from tests.config.test_files import ini, mistakes
from worker.config import CommandSection, Config, DirectorySection, WebhookSection, load, load_store
from worker.config.deliver_keys import KINDS, way_section
from worker.core.errors import BadConfiguration

HOUR = 3_600_000
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
ENOUGH = {
    "directory": "path = /srv/out",
    "webhook": "url = https://hooks.example.com/in\nsecret = {env HOOK}",
    "command": "command = /bin/true",
}


def written(name: str, kind: str, *lines: str) -> str:
    return "\n".join((f"[deliver.{name}]", f"kind = {kind}", ENOUGH[kind], *lines, ""))


def loaded(folder: Path, text: str, environ: dict[str, str] | None = None, mode: int = 0o644) -> Config:
    return load(ini(folder / "x.ini", text, mode), environ or {})


def one(folder: Path, kind: str, *lines: str) -> Any:
    (way,) = loaded(folder, written("a", kind, *lines)).deliver
    return way


def refused(folder: Path, text: str, environ: dict[str, str] | None = None, mode: int = 0o644) -> list[str]:
    found = mistakes(ini(folder / "x.ini", text, mode), environ or {})
    return [line.removeprefix(f"{folder}/x.ini:") for line in found]


def test_a_folder_and_its_defaults(tmp_path: Path) -> None:
    way = one(tmp_path, "directory")
    assert way == DirectorySection(
        name="a",
        kind="directory",
        schedule_ms=(5_000, 300_000, HOUR // 2, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR),
        start="all",
        subtenant=None,
        outcomes=("success", "failure", "batch"),
        path=Path("/srv/out"),
        aside=Path("/srv/.a.aside"),
        name_template="{seq}-{id}-{outcome}",
        x12=False,
        mode=0o640,
    )
    assert 3 * 24 * HOUR < sum(way.schedule_ms) < 3.5 * 24 * HOUR  # about three days


def test_a_webhook_and_its_defaults(tmp_path: Path) -> None:
    way = one(tmp_path, "webhook")
    assert isinstance(way, WebhookSection)
    assert (way.payload, way.timeout_ms, way.ca_file, way.proxy) == ("thin", 20_000, None, None)
    assert way.url.reveal() == "https://hooks.example.com/in"
    assert (way.secret.form, bool(way.previous_secret)) == ("env", False)


def test_a_command_and_its_defaults(tmp_path: Path) -> None:
    way = one(tmp_path, "command")
    assert isinstance(way, CommandSection)
    assert (way.command, way.timeout_ms) == (("/bin/true",), 60_000)


def test_several_stand_in_the_order_in_which_they_are_written(tmp_path: Path) -> None:
    text = written("b", "command") + written("A_2", "directory") + written("c-c", "webhook")
    ini(tmp_path / "conf.d/more.ini", "[deliver.z]\nkind = command\ncommand = /bin/z\n[deliver.b]\ntimeout = 2s\n")
    found = loaded(tmp_path, text).deliver
    assert [(way.name, way.kind) for way in found] == [
        ("b", "command"),
        ("A_2", "directory"),
        ("c-c", "webhook"),
        ("z", "command"),
    ]
    assert isinstance(found[0], CommandSection)
    assert found[0].timeout_ms == 2_000
    assert loaded(tmp_path / "none", "[log]\n").deliver == ()


@pytest.mark.parametrize(
    ("kind", "line", "field", "value"),
    [
        ("directory", "schedule = 1s, 2m\t3h", "schedule_ms", (1_000, 120_000, 3 * HOUR)),
        ("directory", "start = NEW", "start", "new"),
        ("directory", "subtenant = north, south", "subtenant", ("north", "south")),
        ("directory", "outcomes = batch success", "outcomes", ("success", "batch")),
        ("directory", "aside = /srv/other/", "aside", Path("/srv/other")),
        ("directory", "aside = /srv/out/../tmp", "aside", Path("/srv/tmp")),
        ("directory", "name = {ref}.json", "name_template", "{ref}"),
        ("directory", "name = r={ref}_{id}.{seq}", "name_template", "r={ref}_{id}.{seq}"),
        ("directory", "x12 = yes", "x12", True),
        ("directory", "mode = 664", "mode", 0o664),
        ("webhook", "payload = Full", "payload", "full"),
        ("webhook", "timeout = 110s", "timeout_ms", 110_000),
        ("webhook", "ca_file = /x/ca.pem", "ca_file", Path("/x/ca.pem")),
        ("command", "timeout = 15m", "timeout_ms", 900_000),
    ],
)
def test_accepted(tmp_path: Path, kind: str, line: str, field: str, value: object) -> None:
    assert getattr(one(tmp_path, kind, line), field) == value


@pytest.mark.parametrize(
    ("kind", "line", "what"),
    [
        ("directory", "schedule = 5s soon", '"soon" is not a duration'),
        ("directory", "schedule = 0s", "write waits of 1ms to 7d"),
        ("directory", "schedule = 8d", "write waits of 1ms to 7d"),
        ("directory", f"schedule = {'1s ' * 51}", "not a list of 1 to 50 waits"),
        ("directory", "start = old", "write one of all, new"),
        ("directory", "subtenant = ,", "names nothing"),
        ("directory", "outcomes = succes", "did you mean success?"),
        ("directory", "name = {reff}", "did you mean {ref}?"),
        ("directory", "name = {outcome}", "every file would have the same name"),
        ("directory", "name = a/{seq}", "not safe in the name of a file"),
        ("directory", "name = .{seq}", "not safe in the name of a file"),
        ("directory", "name = {seq", "every file would have the same name"),
        ("directory", "name = {seq}{", "not safe in the name of a file"),
        ("directory", f"name = {'x' * 101}{{seq}}", "longer than 100"),
        ("directory", "x12 = maybe", "neither yes nor no"),
        ("directory", "mode = 0750", "is not the mode of such a file"),
        ("directory", "mode = 0440", "is not the mode of such a file"),
        ("directory", "mode = rw", "is not the mode of such a file"),
        ("directory", "aside = ~/x", "~ is not expanded"),
        ("directory", "aside = /srv/out", "readers would find half of a file"),
        ("webhook", "payload = both", "write one of full, thin"),
        ("webhook", "timeout = 2m", "write 1s to 110s"),
        ("webhook", "previous_secret = hunter2", "a secret in a file that others can read"),
        ("webhook", "proxy = ftp://x", "not an http address"),
        ("command", "timeout = 1h", "write 1s to 15m"),
        ("command", "x12 = no", "it belongs to kind = directory; leave it out here"),
        ("directory", "timeout = 5s", "it belongs to kind = webhook and kind = command; leave it out here"),
        ("directory", "modes = 0640", "did you mean mode?"),
        ("directory", "host = a.example", "it belongs into [sftp]"),
    ],
)
def test_refused(tmp_path: Path, kind: str, line: str, what: str) -> None:
    (told,) = refused(tmp_path, written("a", kind, line))
    number = written("a", kind).count("\n") + 1
    assert told.startswith(f"{number}: [deliver.a] {line.partition(' ')[0]}: ")
    assert what in told


@pytest.mark.parametrize(
    ("kind", "line", "what"),
    [
        ("directory", "path = ~/out", "~ is not expanded"),
        ("webhook", "url = http://hooks.example.com/in", "http is only for loopback addresses"),
        ("webhook", "url = https://hooks.example.com/in?a=b", "a secret in a file that others can read"),
        ("webhook", "url = https://hooks.example.com/in?a#b", "a query that is not well-formed"),
        ("webhook", "url = https://me:secret@hooks.example.com/in", "a user name or password"),
        ("command", "command = true", "the full path of a program"),
        ("command", "command = /bin/a 'b", "has no end"),
        ("command", "command = /bin/a | /bin/b", "what only a shell understands"),
        ("command", "command = /bin/a >/dev/null", "what only a shell understands"),
        ("command", "command = /bin/a 2>&1", "what only a shell understands"),
    ],
)
def test_refused_instead_of_what_is_required(tmp_path: Path, kind: str, line: str, what: str) -> None:
    key = line.partition(" ")[0]
    lines = [other for other in ENOUGH[kind].split("\n") if not other.startswith(f"{key} =")]
    (told,) = refused(tmp_path, "\n".join(("[deliver.a]", f"kind = {kind}", *lines, line, "")))
    assert f"[deliver.a] {key}: " in told
    assert what in told


def test_what_is_required(tmp_path: Path) -> None:
    assert refused(tmp_path, "[deliver.a]\npath = /x\nnme = y\n") == [
        "1: [deliver.a]: kind is missing; write it, as in kind = directory",
        "3: [deliver.a] nme: unknown key; did you mean name?",
    ]
    (told,) = refused(tmp_path, "[deliver.a]\nkind = webhok\nurl = https://x.example\n")
    assert "did you mean webhook?" in told
    assert refused(tmp_path, "[deliver.a]\nkind = webhook\n") == [
        "1: [deliver.a]: url is missing; write it, as in url = https://hooks.example.com/coverage",
        "1: [deliver.a]: secret is missing; write it, as in secret = {credential webhook-secret}",
    ]


@pytest.mark.parametrize("heading", ["deliver", "deliver.", "deliver.a b", "Deliver.x", "deliver." + "x" * 33])
def test_a_heading_that_names_none(tmp_path: Path, heading: str) -> None:
    (told,) = refused(tmp_path, f"[{heading}]\nkind = command\n")
    assert told.endswith(
        "not the name of a way out; write [deliver.NAME], the name of at most 32 letters, digits, - and _"
    )


def test_names_that_share_a_variable(tmp_path: Path) -> None:
    (told,) = refused(tmp_path, written("a-b", "command") + written("A_B", "directory"))
    assert told.startswith("4: [deliver.A_B]: CDPOLL_DELIVER_A_B_ASIDE would set a key of [deliver.a-b] too;")
    (told,) = refused(tmp_path, written("x", "webhook") + written("x-previous", "webhook"))
    assert "CDPOLL_DELIVER_X_PREVIOUS_SECRET would set a key of [deliver.x] too" in told


def test_folders_that_two_would_write_into(tmp_path: Path) -> None:
    (told,) = refused(tmp_path, written("a", "directory") + written("b", "directory"))
    assert told.startswith("6: [deliver.b] path: [deliver.a] writes into this folder too;")
    other = "[deliver.b]\nkind = directory\npath = /srv/in\naside = /srv/.a.aside\n"
    (told,) = refused(tmp_path, written("a", "directory") + other)
    assert told.startswith("7: [deliver.b] aside: [deliver.a] writes into this folder too;")


SECTIONS = (
    "alert, api, backfill, callback, deliver.NAME, doctor, local, log, polling, retention, sftp, spool, store, support"
)


@pytest.mark.parametrize(
    ("heading", "cure"),
    [
        ("delivery", "did you mean deliver.NAME?"),
        (
            "outgoing",
            f"write one of {SECTIONS}",
        ),
    ],
)
def test_a_heading_that_is_none_names_ways_out_too(tmp_path: Path, heading: str, cure: str) -> None:
    (told,) = refused(tmp_path, f"[{heading}]\n")
    assert told.endswith(f"unknown section; {cure}")


def test_variables_set_keys_of_sections_that_stand_in_a_file(tmp_path: Path) -> None:
    environ = {"CDPOLL_DELIVER_A_B_TIMEOUT": "3s", "CDPOLL_DELIVER_A_B_KIND": "webhook", "HOOK": SECRET}
    text = "[deliver.a-b]\nkind = command\nurl = https://hooks.example.com/\nsecret = {env HOOK}\n"
    (way,) = loaded(tmp_path, text, environ).deliver
    assert isinstance(way, WebhookSection)
    assert way.timeout_ms == 3_000
    assert way.secret.reveal() == SECRET
    found = loaded(tmp_path, text, environ)
    assert str(found.places["deliver.a-b", "timeout"]) == "environment variable CDPOLL_DELIVER_A_B_TIMEOUT"
    assert "deliver.a-b" in found.headings


def test_a_variable_without_a_section(tmp_path: Path) -> None:
    (told,) = refused(tmp_path, "[log]\n", {"CDPOLL_DELIVER_OUT_PATH": "/x"})
    assert "no section [deliver.NAME] in a file has it; write the section there" in told
    (told,) = refused(tmp_path, written("out", "directory"), {"CDPOLL_DELIVER_OUT_PAHT": "/x"})
    assert "did you mean CDPOLL_DELIVER_OUT_PATH?" in told
    (told,) = refused(tmp_path, written("out", "directory"), {"CDPOLL_DELIVER_OUT_TIMEOUT": "3s"})
    assert "it belongs to kind = webhook and kind = command" in told


def test_a_secret_is_checked_where_it_is_written_and_where_it_is_taken_from(tmp_path: Path) -> None:
    base = "[deliver.a]\nkind = webhook\nurl = https://hooks.example.com/\n"
    for text, what in (
        (SECRET.removeprefix("whsec_"), "does not begin with whsec_"),
        ("whsec_k!", "is not Base64"),
        ("whsec_" + base64.b64encode(b"short-secret").decode(), "stands for 12 bytes and not for 24 to 64"),
    ):
        (told,) = refused(tmp_path, f"{base}secret = {text}\n", mode=0o600)
        assert what in told
        assert text not in told
        (way,) = loaded(tmp_path, f"{base}secret = {{env HOOK}}\n", {"HOOK": text}).deliver
        assert isinstance(way, WebhookSection)
        with pytest.raises(BadConfiguration, match=what) as caught:
            way.secret.reveal()
        assert text not in str(caught.value.message)
    found = loaded(tmp_path, f"{base}secret = {SECRET}\n", mode=0o600)
    (warning,) = found.warnings
    assert (warning.section, warning.key) == ("deliver.a", "secret")
    assert "secret written out" in warning.message


def test_an_address_with_a_query_is_a_secret(tmp_path: Path) -> None:
    url = "https://prod.example.com:443/workflows/in?sig=hunter2&v=1"
    text = f"[deliver.a]\nkind = webhook\nurl = {url}\nsecret = {{env HOOK}}\n"
    found = loaded(tmp_path, text, mode=0o600)
    (way,) = found.deliver
    assert isinstance(way, WebhookSection)
    assert (way.url.shown, way.url.reveal()) == ("https://prod.example.com/workflows/in?(not shown)", url)
    assert [(w.key, "hunter2" in w.message) for w in found.warnings] == [("url", False)]
    text = "[deliver.a]\nkind = webhook\nurl = {env URL}\nsecret = {env HOOK}\n"
    (way,) = loaded(tmp_path, text, {"URL": url}).deliver
    assert isinstance(way, WebhookSection)
    assert way.url.reveal() == url
    (way,) = loaded(tmp_path, text, {"URL": "http://hooks.example.com"}).deliver
    assert isinstance(way, WebhookSection)
    with pytest.raises(BadConfiguration, match="only for loopback"):
        way.url.reveal()


def test_a_proxy_gets_nothing_in_clear(tmp_path: Path) -> None:
    lines = "[deliver.a]\nkind = webhook\nurl = http://127.0.0.1:8080/\nsecret = {env HOOK}\n"
    (told,) = refused(tmp_path, lines + "proxy = http://proxy.example.com:3128\n")
    assert told.startswith("3: [deliver.a] url: http goes through the proxy in clear")
    assert loaded(tmp_path, lines).deliver


def test_a_mistake_in_one_leaves_the_store_and_the_others_known(tmp_path: Path) -> None:
    text = "[deliver.a]\nkind = directory\npath = /x\nmode = 7\n" + written("b", "command")
    text += "[deliver.c d]\npath = /y\n[deliver.e]\nkind = webhook\npath = /z\n[store]\npath = mine.db\n"
    found = load_store(ini(tmp_path / "x.ini", text), {})
    assert found.config.store.path == tmp_path / "mine.db"
    assert [way.name for way in found.config.deliver] == ["b"]
    assert {mistake.section for mistake in found.mistakes} == {"deliver.a", None, "deliver.e"}


def test_every_key_has_its_field_and_every_field_its_key() -> None:
    for kind, cls in (("directory", DirectorySection), ("webhook", WebhookSection), ("command", CommandSection)):
        assert ["name", *(key.field for key in way_section("deliver.x", kind).keys)] == list(cls._fields)
    assert list(KINDS) == ["directory", "webhook", "command"]


def test_show_prints_them_with_their_defaults_and_it_reads_back_as_the_same(tmp_path: Path) -> None:
    text = written("a", "directory", "mode = 660", "schedule = 90s,1h") + written("b", "webhook")
    path = ini(tmp_path / "x.ini", text + written("c", "command") + "timeout = 5s\n")
    result = CliRunner().invoke(group, ["show", "--json"], obj={"config": path})
    rows = [row for row in json.loads(result.stdout)["keys"] if row["section"].startswith("deliver.")]
    shown = {(row["section"], row["key"]): (row["value"], row["from"]) for row in rows}
    assert shown["deliver.a", "schedule"] == ("1m30s 1h", f"{path}:5")
    assert shown["deliver.a", "aside"] == ("/srv/.a.aside", "default")
    assert shown["deliver.b", "secret"] == ("{env HOOK}", f"{path}:9")
    again = ""
    for section in dict.fromkeys(row["section"] for row in rows):
        again += f"[{section}]\n"
        again += "".join(f"{r['key']} = {r['value']}\n" for r in rows if r["section"] == section and r["value"])
    first, second = load(path, {}), loaded(tmp_path / "y", again)
    assert repr(second.deliver) == repr(first.deliver)
    plain = CliRunner().invoke(group, ["show"], obj={"config": path}).stdout
    assert "\n[deliver.a]\nkind = directory " in plain
    assert "\nx12 = no " in plain


def test_reading_them_imports_nothing_heavy(tmp_path: Path) -> None:
    path = ini(tmp_path / "x.ini", "".join(written(kind, kind) for kind in KINDS))
    code = "import sys; from worker.config import load; load(sys.argv[1], {}); print('\\n'.join(sys.modules))"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, path], cwd=root, capture_output=True, text=True, check=True
    )
    assert "worker.config.ways" in done.stdout
    assert not {"httpx", "ssl", "socket", "subprocess", "difflib", "hmac", "click"} & set(done.stdout.split())

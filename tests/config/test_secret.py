"""Secrets are looked up when they are needed, and shown never."""

import os
import pwd
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.config.test_files import BASE, ini, mistakes, without_privileges
from worker.config import Config, Secret, load
from worker.config.secret import one_visible_line
from worker.core.errors import BadConfiguration

HIDDEN = "hunter2"
API = "https://h.example/rcm/eligibility/v1"


def from_environment(reference: str, environ: dict[str, str]) -> Secret:
    config = load(
        None,
        {"CDPOLL_API_BASE_URL": API, "CDPOLL_API_CLIENT_SECRET": reference} | environ,
    )
    assert config.api is not None
    return config.api.client_secret


def from_file(path: Path, text: str, mode: int = 0o600) -> Config:
    return load(ini(path, BASE + text, mode), {})


def failure(secret: Secret) -> BadConfiguration:
    with pytest.raises(BadConfiguration) as caught:
        secret.reveal()
    assert caught.value.message.startswith("[api] client_secret")
    assert caught.value.hint
    assert HIDDEN not in caught.value.message + caught.value.hint
    return caught.value


def test_each_reference_finds_its_secret(tmp_path: Path) -> None:
    for content in (HIDDEN, f"{HIDDEN}\n", f"{HIDDEN}\r\n"):
        ini(tmp_path / "optum", content)
        credentials = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
        assert from_environment("{credential optum}", credentials).reveal() == HIDDEN
        assert from_environment(f"{{file {tmp_path}/optum}}", {}).reveal() == HIDDEN
    assert from_environment("{ env  ELSEWHERE }", {"ELSEWHERE": HIDDEN}).reveal() == HIDDEN


def test_a_file_is_found_relative_to_the_file_that_names_it(tmp_path: Path) -> None:
    ini(tmp_path / "secrets/my optum", HIDDEN)
    api = from_file(
        tmp_path / "x.ini", "client_secret = {file secrets/my optum}\nclient_id = {file secrets/my optum}"
    ).api
    assert api is not None
    assert (api.client_secret.reveal(), api.client_id.reveal()) == (HIDDEN, HIDDEN)


def test_a_secret_is_looked_up_whenever_it_is_used(tmp_path: Path) -> None:
    secret = from_environment(f"{{file {tmp_path}/late}}", {})
    assert "no such file" in failure(secret).message
    ini(tmp_path / "late", HIDDEN)
    assert secret.reveal() == HIDDEN
    ini(tmp_path / "late", "rotated")
    assert secret.reveal() == "rotated"


def test_a_secret_may_be_one_that_need_not_be_there(tmp_path: Path) -> None:
    path = tmp_path / "former"
    secret = from_environment(f"{{file {path}}}", {})
    credential = from_environment("{credential former}", {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert (secret.reveal_if_there(), credential.reveal_if_there()) == (None, None)
    assert Secret("x", "missing").reveal_if_there() is None
    for empty in ("", "\n"):  # so does a unit give a credential whose file is not there
        ini(path, empty)
        assert (secret.reveal_if_there(), credential.reveal_if_there()) == (None, None)
    ini(path, HIDDEN)
    assert (secret.reveal_if_there(), credential.reveal_if_there()) == (HIDDEN, HIDDEN)
    for unusable in ("two\nlines", " blank"):
        ini(path, unusable)
        with pytest.raises(BadConfiguration):
            secret.reveal_if_there()
    with pytest.raises(BadConfiguration):
        from_environment("{credential former}", {}).reveal_if_there()


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    proxy = f"proxy = http://me:{HIDDEN}@proxy.example:3128\n"
    config = from_file(tmp_path / "x.ini", f"client_secret = {HIDDEN}\nclient_id = my-id\n{proxy}")
    api = config.require_api()
    assert api.proxy is not None
    assert api.client_secret.reveal() == HIDDEN
    assert api.proxy.reveal() == f"http://me:{HIDDEN}@proxy.example:3128"
    for shown in (repr(config), str(api.client_secret), f"{api.client_secret}", f"{api.proxy}", repr(api.proxy)):
        assert HIDDEN not in shown
    assert api.client_secret.shown == "(literal, not shown)"
    assert api.proxy.shown == "http://(not shown)@proxy.example:3128"
    assert api.client_id.shown == "my-id"
    assert not hasattr(api.client_secret, "__dict__")


def test_a_literal_in_a_private_file_is_a_warning(tmp_path: Path) -> None:
    text = f"client_secret = {HIDDEN} ; part of it\nproxy = http://me:{HIDDEN}@p:1\n"
    config = from_file(tmp_path / "x.ini", text)
    assert [(w.place.line, w.key) for w in config.warnings] == [(3, "client_secret"), (4, "proxy")]
    assert HIDDEN not in "".join(map(str, config.warnings))
    assert config.api is not None
    assert config.api.client_secret.reveal() == f"{HIDDEN} ; part of it"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601])
def test_a_literal_in_a_file_of_others_is_a_mistake(tmp_path: Path, mode: int) -> None:
    text = f"client_id = fine\nclient_secret = {HIDDEN}\nproxy = http://me:{HIDDEN}@p:1\n"
    lines = mistakes(ini(tmp_path / "x.ini", BASE + text, mode), {})
    assert [line.split(": ")[1] for line in lines] == ["[api] client_secret", "[api] proxy"]
    assert all("chmod 600" in line for line in lines)
    assert HIDDEN not in "".join(lines)


def test_each_file_answers_for_itself(tmp_path: Path) -> None:
    main = ini(tmp_path / "x.ini", BASE, 0o600)
    ini(tmp_path / "conf.d/secret.ini", f"[api]\nclient_secret = {HIDDEN}\n", 0o644)
    assert len(mistakes(main, {})) == 1
    (tmp_path / "conf.d/secret.ini").chmod(0o600)
    (tmp_path / "x.ini").chmod(0o644)
    assert len(load(main, {}).warnings) == 1


def test_from_the_environment_only_references_are_taken() -> None:
    environ = {
        "CDPOLL_API_BASE_URL": API,
        "CDPOLL_API_CLIENT_ID": "fine",
        "CDPOLL_API_CLIENT_SECRET": HIDDEN,
        "CDPOLL_API_PROXY": f"http://me:{HIDDEN}@p:1",
    }
    lines = mistakes(None, environ)
    assert [line.split(": ")[0] for line in lines] == [
        "environment variable CDPOLL_API_CLIENT_SECRET",
        "environment variable CDPOLL_API_PROXY",
    ]
    assert all(line.endswith("with another variable's name") for line in lines)
    assert HIDDEN not in "".join(lines)


def test_a_variable_that_a_reference_names_may_begin_with_the_prefix() -> None:
    assert from_environment("{env CDPOLL_OPTUM}", {"CDPOLL_OPTUM": HIDDEN}).reveal() == HIDDEN


@pytest.mark.parametrize(
    "text",
    [
        "{credental hunter2}",
        "{file}",
        "{file /x",
        "{file /x} hunter2",
        "{}",
        "{hunter2",
        "{credential ../hunter2}",
        "{credential ..}",
        "{credential a/b}",
        "{env A-B}",
        "{env A B}",
        "{file hunter2}",
        "{file ~/hunter2}",
    ],
)
@pytest.mark.parametrize("key", ["CLIENT_SECRET", "CLIENT_ID", "PROXY"])
def test_what_is_no_reference_is_a_mistake(key: str, text: str) -> None:
    (line,) = mistakes(None, {"CDPOLL_API_BASE_URL": "https://h.example", f"CDPOLL_API_{key}": text})
    assert HIDDEN not in line


def test_a_literal_must_be_visible(tmp_path: Path) -> None:
    (line,) = mistakes(ini(tmp_path / "x.ini", BASE + f"client_secret = {HIDDEN}\u4e00\n", 0o600), {})
    assert "not visible Latin-1" in line
    assert HIDDEN not in line


def test_what_was_not_handed_over(tmp_path: Path) -> None:
    error = failure(from_environment("{credential optum}", {}))
    assert "$CREDENTIALS_DIRECTORY is not set" in error.message
    assert "LoadCredential=optum:" in error.hint
    error = failure(from_environment("{credential optum}", {"CREDENTIALS_DIRECTORY": str(tmp_path)}))
    assert f"{tmp_path}/optum cannot be used: no such file or directory" in error.message
    assert "LoadCredential=optum:" in error.hint
    assert "ELSEWHERE is not set" in failure(from_environment("{env ELSEWHERE}", {})).message
    assert "is empty" in failure(from_environment("{env ELSEWHERE}", {"ELSEWHERE": ""})).message


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"hunter2\n\n", "more than one line"),
        (b"hunter2\nhunter2", "more than one line"),
        (b" hunter2\n", "a blank"),
        (b"hunter2 ", "a blank"),
        (b"hunter2\t", "not visible"),
        (b"hunter2\r", "more than one line"),
        (b"\xef\xbb\xbfhunter2", "not visible"),
        (b"hunter2\xff", "not UTF-8"),
        (b"hunter2\0", "not visible"),
        ("hunter2€".encode(), "not visible"),
        (b"x" * 8193, "larger than 8192 bytes"),
    ],
)
def test_what_a_file_must_not_hold(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "s").write_bytes(content)
    assert what in failure(from_environment(f"{{file {tmp_path}/s}}", {})).message


def test_only_regular_files_hold_secrets(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in failure(from_environment(f"{{file {tmp_path}/pipe}}", {})).message
    assert "is a directory" in failure(from_environment(f"{{file {tmp_path}}}", {})).message


def test_a_file_that_may_not_be_read_says_whose_it_is() -> None:
    with without_privileges() as folder:
        me = pwd.getpwuid(os.geteuid()).pw_name
        (folder / "closed").mkdir()
        ini(folder / "secret", HIDDEN, 0)
        ini(folder / "closed/secret", HIDDEN)
        (folder / "closed").chmod(0)
        error = failure(from_environment(f"{{file {folder}/secret}}", {}))
        assert f"{folder}/secret belongs to {me}:" in error.message
        assert error.message.endswith(f" with mode 0000, and this process runs as {me}")
        assert "chown" in error.hint
        error = failure(from_environment(f"{{file {folder}/closed/secret}}", {}))
        assert f"{folder}/closed belongs to {me}:" in error.message
        (folder / "closed").chmod(0o700)


def test_loading_resolves_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    references = "client_id = {env NOT_SET}\nclient_secret = {file pipe}\nproxy = {credential gone}\n"
    config = from_file(tmp_path / "x.ini", references, 0o644)
    assert config.require_api() is config.api
    assert not config.warnings


def test_a_proxy_from_a_reference_is_checked_when_it_is_looked_up() -> None:
    def proxy(text: str) -> str:
        environ = {
            "CDPOLL_API_BASE_URL": API,
            "CDPOLL_API_PROXY": "{env P}",
            "P": text,
        }
        found = load(None, environ).api
        assert found is not None
        assert found.proxy is not None
        assert found.proxy.shown == "{env P}"
        return found.proxy.reveal()

    assert proxy("http://me:hunter%32@p.example:3128") == "http://me:hunter%32@p.example:3128"
    for wrong in (f"socks5://me:{HIDDEN}@p:1", f"http://me:{HIDDEN}@p:1/path", f"http://m{{e:{HIDDEN}@p:1", "p:3128"):
        with pytest.raises(BadConfiguration) as caught:
            proxy(wrong)
        assert caught.value.message.startswith("[api] proxy: {env P}: ")
        assert HIDDEN not in caught.value.message


@pytest.mark.parametrize("text", ["http://p.example:3128", "https://[::1]:1/", "http://10.0.0.1"])
def test_a_proxy_without_a_password_is_no_secret(text: str) -> None:
    config = load(None, {"CDPOLL_API_BASE_URL": API, "CDPOLL_API_PROXY": text})
    assert config.api is not None
    assert config.api.proxy is not None
    assert config.api.proxy.reveal() == text
    assert config.api.proxy.shown == text.rstrip("/")
    assert not config.warnings


@pytest.mark.parametrize("key", ["BASE_URL", "TOKEN_URL"])
@pytest.mark.parametrize("proxy", ["http://proxy.example:3128", "https://127.0.0.1:3128", "{env P}"])
def test_no_secret_goes_through_a_proxy_in_clear(key: str, proxy: str) -> None:
    environ = {
        "CDPOLL_API_BASE_URL": API,
        f"CDPOLL_API_{key}": "http://127.0.0.1:1/v1",
    }
    assert load(None, environ).api is not None
    with pytest.raises(BadConfiguration) as caught:
        load(None, environ | {"CDPOLL_API_PROXY": proxy})
    assert "through the proxy in clear" in str(caught.value)


def test_a_missing_secret_says_which() -> None:
    config = load(None, {"CDPOLL_API_BASE_URL": API})
    assert config.api is not None
    assert "is not set" in failure(config.api.client_secret).message


@given(st.text(max_size=20))
def test_what_counts_as_one_visible_line_fits_into_a_header(text: str) -> None:
    try:
        one_visible_line(text)
    except ValueError:
        assert not (text and text.isascii() and text.isprintable() and text == text.strip())
    else:
        assert text.encode("latin-1")
        assert len(text.splitlines()) == 1
        assert text.isprintable()


def test_a_credential_that_the_unit_set_empty_for_want_of_a_file_says_where_it_belongs(tmp_path: Path) -> None:
    (tmp_path / "client_secret").write_bytes(b"\n")
    error = failure(from_environment("{credential client_secret}", {"CREDENTIALS_DIRECTORY": str(tmp_path)}))
    assert "is empty" in error.message
    assert "LoadCredential=client_secret:" in error.hint

"""How a server is reached: over which TLS, with which password, at which of several addresses."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.postgres import Cluster
from worker.core.errors import CdpollError, ServerLost, StorageFailed
from worker.place import DatabasePlace, Server
from worker.store.db import server_address
from worker.store.db.postgres import PostgresStore
from worker.store.db.server_address import parameters_of, shown
from worker.store.db.store import Store

PASSWORD = "Kirschkern-4711"


def parameters(url: str) -> dict[str, object]:
    return parameters_of(Server(lambda: url, "shown", "east"), 15.0)


def connect(url: str) -> None:
    PostgresStore(DatabasePlace(Path("/nowhere/cdpoll.db"), server=Server(lambda: url, "shown", "east"))).close()


def refused(url: str) -> CdpollError:
    with pytest.raises(CdpollError) as caught:
        connect(url)
    assert PASSWORD not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"
    return caught.value


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://db.example/cdpoll",
        "postgresql://192.0.2.7/cdpoll",
        "postgresql://localhost,db.example/cdpoll",
        "postgresql:///cdpoll?host=/run/postgresql,db.example",
        "postgresql:///cdpoll?host=localhost&hostaddr=192.0.2.7",
        "postgresql:///cdpoll?host=localhost,db.example&hostaddr=127.0.0.1,",
        "postgresql:///cdpoll?service=east",
    ],
)
def test_a_server_elsewhere_must_prove_who_it_is(url: str) -> None:
    assert parameters(url)["sslmode"] == "verify-full"
    assert parameters(url)["sslrootcert"] in (str(server_address.AUTHORITIES), "system")


@pytest.mark.parametrize("name", ["PGHOST", "PGHOSTADDR", "PGSERVICE"])
def test_what_the_environment_names_may_be_elsewhere(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert "sslmode" not in parameters("postgresql:///cdpoll")
    monkeypatch.setenv(name, "db.example")
    assert parameters("postgresql:///cdpoll")["sslmode"] == "verify-full"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///cdpoll",
        "postgresql:///cdpoll?host=/run/postgresql",
        "postgresql:///cdpoll?host=@abstract",
        "postgresql://localhost/cdpoll",
        "postgresql://127.0.0.1:5433/cdpoll",
        "postgresql://[::1]/cdpoll",
        "postgresql:///cdpoll?host=db.example&hostaddr=127.0.0.1",
    ],
)
def test_what_stays_on_this_machine_needs_no_tls(url: str) -> None:
    assert "sslmode" not in parameters(url)


def test_what_the_url_says_counts() -> None:
    said = parameters("postgresql://db.example/cdpoll?sslmode=require&connect_timeout=20&application_name=x")
    assert said["sslmode"] == "require"
    assert "sslrootcert" not in said
    assert (said["connect_timeout"], said["application_name"]) == ("20", "x")
    assert parameters("postgresql://db.example/cdpoll?sslrootcert=/etc/ours.pem")["sslrootcert"] == "/etc/ours.pem"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://me:secret@db.example:5433/cdpoll", "postgresql://db.example:5433/cdpoll"),
        ("postgresql://me@a.example:5433,b.example:5434/cdpoll", "postgresql://a.example:5433,b.example:5434/cdpoll"),
        ("postgresql://a.example,b.example/cdpoll?port=6432", "postgresql://a.example:6432,b.example:6432/cdpoll"),
        ("postgresql://[2001:db8::7]:5433/cdpoll", "postgresql://[2001:db8::7]:5433/cdpoll"),
        ("postgresql:///cdpoll?host=/run/postgresql&port=5433", "postgresql:///cdpoll"),
        ("postgresql://me@/?hostaddr=192.0.2.7", "postgresql://192.0.2.7/me"),
    ],
)
def test_people_are_shown_the_address_alone(url: str, words: str) -> None:
    assert shown(parameters(url)) == words


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def guarded(authority: Authority) -> Iterator[Cluster]:
    """A server that speaks TLS as db.example, and asks ``keeper`` for a password."""
    with Cluster(tcp=True) as cluster:
        data = cluster.folder / "data"
        made = authority.certificate("server", host="db.example")
        owner = data.stat()
        for name, text in (("server.crt", made.cert.read_bytes()), ("server.key", made.key.read_bytes())):
            (data / name).write_bytes(text)
            (data / name).chmod(0o600)
            os.chown(data / name, owner.st_uid, owner.st_gid)
        rules = (data / "pg_hba.conf").read_text()
        (data / "pg_hba.conf").write_text(f"hostssl all keeper all scram-sha-256\nhost all keeper all reject\n{rules}")
        cluster.run(f"CREATE ROLE keeper LOGIN PASSWORD '{PASSWORD}'")
        cluster.run("ALTER SYSTEM SET ssl = on")
        cluster.restart()
        yield cluster


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's address is not one of this machine's own."""
    monkeypatch.setattr(server_address, "_loopback", lambda host: False)


def at(cluster: Cluster, host: str, more: str = "", user: str = "cdpoll") -> str:
    return f"postgresql://{user}@{host}:{cluster.port}/cdpoll?hostaddr=127.0.0.1{more}"


def test_the_right_certificate_is_believed(elsewhere: None, guarded: Cluster, authority: Authority) -> None:
    connect(at(guarded, "db.example", f"&sslrootcert={authority.file}"))


def test_a_certificate_of_another_host_is_refused(elsewhere: None, guarded: Cluster, authority: Authority) -> None:
    error = refused(at(guarded, "other.example", f"&sslrootcert={authority.file}"))
    assert isinstance(error, StorageFailed)
    assert 'does not match host name "other.example"' in error.message
    assert "sslrootcert" in (error.hint or "")


def test_a_certificate_of_an_unknown_authority_is_refused(elsewhere: None, guarded: Cluster) -> None:
    error = refused(at(guarded, "db.example"))
    assert isinstance(error, StorageFailed)
    assert "certificate verify failed" in error.message


def test_a_server_without_tls_is_refused(elsewhere: None) -> None:
    with Cluster(tcp=True) as cluster:
        error = refused(at(cluster, "db.example"))
        assert isinstance(error, StorageFailed)
        assert "does not support SSL" in error.message
        connect(at(cluster, "db.example", "&sslmode=disable"))


def test_a_file_of_authorities_that_is_missing_is_said(elsewhere: None, guarded: Cluster) -> None:
    error = refused(at(guarded, "db.example", "&sslrootcert=/nowhere.pem"))
    assert isinstance(error, StorageFailed)
    assert '"/nowhere.pem" does not exist' in error.message
    assert "sslrootcert" in (error.hint or "")


def test_a_password_comes_in_the_url_or_from_a_file(guarded: Cluster, tmp_path: Path) -> None:
    connect(at(guarded, "db.example", "&sslmode=require", user=f"keeper:{PASSWORD}"))
    passfile = tmp_path / "pass"
    passfile.write_text(f"*:*:cdpoll:keeper:{PASSWORD}\n")
    passfile.chmod(0o600)
    connect(at(guarded, "db.example", f"&sslmode=require&passfile={passfile}", user="keeper"))
    wrong = refused(at(guarded, "db.example", "&sslmode=require", user=f"keeper:{PASSWORD}x"))
    missing = refused(at(guarded, "db.example", "&sslmode=require&passfile=/nowhere", user="keeper"))
    for error in (wrong, missing):
        assert isinstance(error, StorageFailed)
        assert "password" in error.message
        assert "pg_hba.conf" in (error.hint or "")


@pytest.mark.parametrize(
    ("change", "words", "hint"),
    [
        (("/cdpoll?", "/nothing?"), 'database "nothing" does not exist', "make the database"),
        (("cdpoll@", "stranger@"), 'role "stranger" does not exist', "the user and the password"),
        (("cdpoll@", "keeper@"), "pg_hba.conf rejects connection", "pg_hba.conf of the server"),
    ],
)
def test_what_a_person_must_mend_is_no_loss_of_the_server(
    guarded: Cluster, change: tuple[str, str], words: str, hint: str
) -> None:
    error = refused(at(guarded, "db.example", "&sslmode=disable").replace(*change))
    assert isinstance(error, StorageFailed)
    assert words in error.message
    assert hint in (error.hint or "")


def test_the_one_that_takes_writes_is_taken(guarded: Cluster) -> None:
    """And where none does, one of them may come to it by itself."""
    servers = f"postgresql://cdpoll@127.0.0.1:1,127.0.0.1:{guarded.port}/cdpoll?sslmode=disable"
    connect(f"{servers}&target_session_attrs=read-write")
    error = refused(f"{servers}&target_session_attrs=standby")
    assert isinstance(error, ServerLost)
    assert "standby" in (error.hint or "")
    wrong_and_down = refused(f"{servers}&target_session_attrs=read-write".replace("/cdpoll?", "/nothing?"))
    assert isinstance(wrong_and_down, ServerLost)


def test_a_server_without_room_for_a_connection_is_waited_for() -> None:
    with Cluster(max_connections="5", superuser_reserved_connections="4") as cluster:
        cluster.run("CREATE ROLE one LOGIN")
        with cluster.connect():
            error = refused(cluster.url().replace("cdpoll@", "one@"))
        assert isinstance(error, ServerLost)
        assert "max_connections" in (error.hint or "")


@pytest.mark.parametrize(
    ("sql", "hint"),
    [("PREPARE a AS SELECT 1; PREPARE a AS SELECT 1", "prepare_threshold = 0"), ("EXECUTE a", "prepare_threshold = 0")],
)
def test_what_a_pooler_causes_is_told(server_store: Store, sql: str, hint: str) -> None:
    assert isinstance(server_store, PostgresStore)
    with pytest.raises(StorageFailed) as caught:
        server_store.script(sql)
    assert hint in caught.value.hint

"""A user who may not open what he needs reads what is in the way, whose it is, and what lets him in."""

import grp
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.forks import import_all
from tests.support.users import User, call_as
from worker.rounds.machine import machine_of
from worker.store.opening import open_store
from worker.store.views.problems import StatusRules, problems

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can work as several users")

# Accounts that every Debian has, with groups of their own: the service's, and a person's.
SERVICE, PERSON = pwd.getpwnam("games"), pwd.getpwnam("daemon")
GROUP = grp.getgrgid(SERVICE.pw_gid).gr_name
OUTSIDER = User(PERSON.pw_uid, PERSON.pw_gid)
MEMBER = User(PERSON.pw_uid, PERSON.pw_gid, (SERVICE.pw_gid,))
JOIN = (
    f"join the group {GROUP} (as root: usermod -aG {GROUP} {PERSON.pw_name}; then log in again), "
    f"or run this with sudo -u {SERVICE.pw_name}"
)


class Machine:
    """An installation as the unit's comment makes it."""

    def __init__(self, folder: Path) -> None:
        self.etc, self.state = folder / "etc", folder / "state"
        self.ini, self.errors = self.etc / "cdpoll.ini", folder / "errors"
        self.secret = self.etc / "secret"
        self.etc.mkdir(mode=0o755)
        self.state.mkdir()
        os.chown(self.state, SERVICE.pw_uid, SERVICE.pw_gid)
        self.state.chmod(0o2770)
        self.write(f"{{file {self.secret}}}")
        self.secret.write_text("s")
        self.secret.chmod(0o600)
        os.umask(0o007)
        open_store(self.state / "cdpoll.db", create=True).close()
        for found in self.state.iterdir():
            os.chown(found, SERVICE.pw_uid, SERVICE.pw_gid)
        folder.chmod(0o755)

    def write(self, secret: str) -> None:
        self.ini.write_text(
            f"[store]\npath = {self.state}/cdpoll.db\n"
            f"[api]\nbase_url = http://127.0.0.1:9/rcm/eligibility/v1\nclient_id = c\nclient_secret = {secret}\n"
        )
        self.ini.chmod(0o644)

    def call(self, user: User, *words: str) -> tuple[int, str]:
        """The exit code, and what was said on standard error."""
        code = call_as(user, ["--config", str(self.ini), *words], self.errors)
        return code, self.errors.read_text()


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Below /tmp, for the folders of pytest are root's alone."""
    import_all()
    before = os.umask(0o022)
    made = Path(tempfile.mkdtemp())
    yield Machine(made)
    os.umask(before)
    shutil.rmtree(made)


def test_the_configuration_cannot_be_read(machine: Machine) -> None:
    machine.ini.chmod(0o640)
    os.chown(machine.ini, 0, SERVICE.pw_gid)
    code, said = machine.call(OUTSIDER, "record", "a")
    whose = f"{machine.ini} belongs to root:{GROUP} with mode 0640, and this process runs as {PERSON.pw_name}"
    join = JOIN.partition(", or")[0]  # what root owns needs no `sudo -u root`
    assert (code, f"{machine.ini}: cannot be read (permission denied); {whose}: {join}\n" in said) == (78, True), said
    assert machine.call(MEMBER, "record", "a")[0] == 0


def test_the_folder_of_the_configuration_cannot_be_entered(machine: Machine) -> None:
    machine.etc.chmod(0o750)
    os.chown(machine.etc, SERVICE.pw_uid, SERVICE.pw_gid)
    code, said = machine.call(OUTSIDER, "status")
    assert code == 78
    assert f"{machine.etc} belongs to {SERVICE.pw_name}:{GROUP} with mode 0750" in said
    assert said.splitlines()[0].endswith(f": {JOIN}")


@pytest.mark.parametrize("command", [("record", "a"), ("status",), ("tasks",)], ids=" ".join)
@pytest.mark.parametrize("mode", [0o2770, 0o2771, 0o2775])
def test_the_database_cannot_be_opened(machine: Machine, mode: int, command: tuple[str, ...]) -> None:
    machine.state.chmod(mode)
    code, said = machine.call(OUTSIDER, *command)
    assert code == 74
    assert f" belongs to {SERVICE.pw_name}:{GROUP} with mode " in said
    assert said.endswith(f"; {JOIN}\n")
    assert machine.call(MEMBER, *command)[0] == 0


def test_the_folder_above_the_database_cannot_be_entered(machine: Machine) -> None:
    above = machine.state / "above"
    (above / "data").mkdir(parents=True)
    os.chown(above, SERVICE.pw_uid, SERVICE.pw_gid)
    above.chmod(0o750)
    machine.state.chmod(0o755)
    machine.ini.write_text(machine.ini.read_text().replace("/cdpoll.db", "/above/data/cdpoll.db"))
    code, said = machine.call(OUTSIDER, "record", "a")
    assert code == 74
    assert f"{above} belongs to {SERVICE.pw_name}:{GROUP} with mode 0750" in said
    assert said.endswith(f"; {JOIN}\n")


def test_what_no_group_may_use_names_no_group(machine: Machine) -> None:
    machine.ini.chmod(0o600)
    code, said = machine.call(MEMBER, "record", "a")
    assert code == 78
    assert "the group" not in said
    assert said.splitlines()[0].endswith("with mode 0600, and this process runs as daemon: let this user read it")


@pytest.mark.parametrize("secret", ["{credential client_secret}", "{file PATH}"])
def test_a_member_without_the_secret_is_told_who_can_help(machine: Machine, secret: str) -> None:
    machine.write(secret.replace("PATH", str(machine.secret)))
    assert machine.call(MEMBER, "record", "a")[0] == 0
    code, said = machine.call(MEMBER, "poll", "a")
    assert code == 78
    assert said.startswith(
        "cdpoll: the daemon is down, and this user cannot ask the vendor in its place: [api] client_"
    )
    assert said.splitlines()[1].strip().startswith("ask an administrator to start it (systemctl start cdpoll)")


def test_root_checks_the_configuration_as_the_owner_of_the_state_folder(machine: Machine) -> None:
    """What root can read, the service may not be able to."""
    root = User(0, 0)
    machine.ini.write_text(machine.ini.read_text() + f"ca_file = {machine.etc}/ca.pem\n")
    ca = machine.etc / "ca.pem"
    ca.write_text("")
    ca.chmod(0o640)
    code, said = machine.call(root, "config", "check")
    assert code == 78
    assert f"{machine.secret} belongs to root:root with mode 0600, and this process runs as {SERVICE.pw_name}" in said
    assert f"{ca} belongs to root:root with mode 0640, and this process runs as {SERVICE.pw_name}" in said
    assert f"read as {SERVICE.pw_name}" in said
    code, said = machine.call(root, "config", "check", "--user", PERSON.pw_name)
    assert code == 78
    assert f"{machine.state} belongs to {SERVICE.pw_name}:{GROUP} with mode 2770" in said
    machine.state.chmod(0o700)
    os.chown(machine.secret, SERVICE.pw_uid, -1)
    machine.ini.write_text(machine.ini.read_text().replace("ca_file", "# ca_file"))
    assert machine.call(root, "config", "check") == (0, "")
    machine.ini.chmod(0o600)
    code, said = machine.call(root, "config", "check")
    assert (code, f"{machine.ini}: cannot be read (permission denied)" in said) == (78, True)


@pytest.mark.parametrize("secret", ["{credential sftp_password}", "{file PATH}"])
def test_a_member_who_reads_the_drop_is_told_that_the_daemon_does(machine: Machine, secret: str) -> None:
    written = secret.replace("PATH", str(machine.secret))
    sftp = f"[sftp]\nhost = sftp.example.com\nusername = u\ninclude = *.x12\npassword = {written}\n"
    machine.ini.write_text(machine.ini.read_text() + sftp)
    code, said = machine.call(MEMBER, "ingest")
    assert code == 78
    assert said.startswith("cdpoll: this user cannot log in to the SFTP server: [sftp] password: ")
    assert "the daemon reads the drop by itself" in said


def test_a_daemon_that_has_the_database_open_tells_that_it_cannot_be_opened_anew(machine: Machine) -> None:
    database = machine.state / "cdpoll.db"
    database.chmod(0)
    with open_store(database) as store:  # as root, who may always
        assert machine_of(store).denied is None
        os.setegid(SERVICE.pw_gid)
        os.seteuid(SERVICE.pw_uid)
        try:
            seen = machine_of(store)
            told = problems(store, 1, StatusRules(), seen, alive=True)
        finally:
            os.seteuid(0)
            os.setegid(0)
    (said,) = [one.hint for one in told if one.code == "database_denied"]
    assert f"{database} belongs to {SERVICE.pw_name}:{GROUP} with mode 0000" in said
    assert said.endswith(f"; as root: chown --reference={machine.state} {database} && chmod ug+rwX {database}")

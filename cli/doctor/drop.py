"""The SFTP server: one login as the daemon would make it, and what we may do in the drop, as far as owners and modes
tell. No file is opened: some servers move a file away when it is."""

import contextlib
import sys
import threading
from collections.abc import Iterator

from cli.doctor.finding import Finding, fail, good, not_checked, unchecked, warn
from cli.doctor.way import Peer, found_name
from worker.clock import Clock
from worker.config import Config, SftpSection
from worker.core.errors import CdpollError
from worker.core.instant import iso
from worker.core.problems import counted
from worker.daemon.drop_lane import rules_of
from worker.gateways.sftp.drop import RemoteFile
from worker.gateways.sftp.inspection import ENTER, READ, WRITE, Inspection, SftpFailed, inspecting, may
from worker.store.opening import open_store
from worker.store.state import logins

STEP_MS = 5_000
ALL_S = 17.0
_LOOKED_AT_FILES = 5

_STAGES = ("sftp_connect", "sftp_algorithms", "sftp_host_key", "sftp_login", "sftp_list", "sftp_read")
_STAGE_OF = {
    "algorithms": "sftp_algorithms",
    "known_hosts": "sftp_host_key",
    "host_key_unknown": "sftp_host_key",
    "host_key_changed": "sftp_host_key",
    "host_key_revoked": "sftp_host_key",
    "key_file": "sftp_login",
    "auth": "sftp_login",
    "auth_partial": "sftp_login",
    "sftp": "sftp_login",
}
# Found in our own files, before the server is asked.
_AT_HOME = ("known_hosts", "key_file")


class DropChecks:
    """``logins`` counts those that were tried."""

    def __init__(self, config: Config, sftp: SftpSection, clock: Clock, *, store_known: bool) -> None:
        self.logins = 0
        self._config, self._sftp, self._clock, self._store_known = config, sftp, clock, store_known

    def checks(self) -> Iterator[Finding]:
        sftp = self._sftp
        stages = _stages(sftp)
        try:
            rules = rules_of(sftp) if sftp.host and sftp.username and sftp.include else None
        except CdpollError:
            rules = None
        if rules is None:
            yield from unchecked(("sftp_dns", *stages), "configuration")
            return
        code, found = found_name(Peer(sftp.host, sftp.port), "sftp_dns")
        yield (
            found._replace(cure="check host under [sftp], and this machine's name servers") if code == "dns" else found
        )
        if code:
            yield from unchecked(stages, "sftp_dns")
            return
        waits = self._waits()
        if waits and not sys.stdin.isatty():
            said = f"the server refused our login; the next attempt is at {iso(waits)}"
            cure = "see the problem of the login, below; at a terminal the doctor tries at once"
            yield from (not_checked(stage, said, cure) for stage in stages)
            return
        yield from self._logged_in(rules.drop.server.name, stages)

    def _logged_in(self, name: str, stages: tuple[str, ...]) -> Iterator[Finding]:
        stop = threading.Event()
        timer = threading.Timer(ALL_S, stop.set)
        timer.daemon = True
        timer.start()
        told: list[Finding] = []
        self.logins += 1
        try:
            with inspecting(rules_of(self._sftp).drop, self._clock, stop, STEP_MS) as there:
                agreed = there.agreed
                used = ", ".join(filter(None, (agreed.kex, agreed.cipher, agreed.mac)))
                told.append(good("sftp_connect", f"{name} speaks SSH and SFTP"))
                told.append(good("sftp_algorithms", used))
                told.append(good("sftp_host_key", f"{agreed.key_type} {agreed.fingerprint}, as it is on file"))
                told.append(good("sftp_login", f"{self._sftp.username} is let in"))
                for found in self._rights(there):
                    told.append(found)
        except SftpFailed as failure:
            if failure.code in _AT_HOME:
                self.logins -= 1
            told += _failed(failure, told, stages, name)
        finally:
            timer.cancel()
        yield from told

    def _rights(self, there: Inspection) -> Iterator[Finding]:
        sftp = self._sftp
        found = there.drop.list()
        yield good("sftp_list", f"{counted(len(found), 'file')} for us in {sftp.drop}, {there.drop.others} of others")
        user = there.our_number()
        yield _read(there, found, user)
        if sftp.after != "leave":
            folders = [sftp.drop] + [sftp.move_to or ""] * (sftp.after == "move")
            yield from _writable(there, folders, user, f"sftp_{sftp.after}")
        if sftp.archive is not None and there.folder(sftp.archive) is None:
            yield fail("sftp_archive", f"the server has no folder {sftp.archive}", "check archive under [sftp]")
        elif sftp.archive is not None:
            yield good("sftp_archive", f"{sftp.archive} is there")

    def _waits(self) -> int:
        """When the next login may be tried (ms); 0: at once."""
        place = self._config.store
        if self._store_known and (place.url or place.path.exists()):
            with contextlib.suppress(CdpollError), open_store(place.place, timeout=1.0) as store:
                return logins.next_at(store, self._clock.now())
        return 0


def _stages(sftp: SftpSection) -> tuple[str, ...]:
    more = [f"sftp_{sftp.after}"] * (sftp.after != "leave") + ["sftp_archive"] * (sftp.archive is not None)
    return (*_STAGES, *more)


def _failed(failure: SftpFailed, told: list[Finding], stages: tuple[str, ...], name: str) -> Iterator[Finding]:
    """What was found before is well; what comes behind is not known."""
    done = {one.check for one in told}
    stage = _STAGE_OF.get(failure.code) or next(one for one in stages if one not in done)
    before = stages[: stages.index(stage)]
    if failure.code in _AT_HOME:
        yield from (not_checked(one, f"it needs what {stage} did not find") for one in before if one not in done)
    else:
        words = {"sftp_connect": f"{name} speaks SSH", "sftp_algorithms": "some in common", "sftp_host_key": "on file"}
        yield from (good(one, words.get(one, "well")) for one in before if one not in done)
    if failure.code == "stopped":
        said = f"it took longer than {ALL_S:.0f} s: {failure.message}"
        yield warn(stage, said, "is the drop very large? `cdpoll ingest` takes the time that it needs")
    else:
        yield fail(stage, failure.message, failure.hint)
    yield from unchecked(tuple(one for one in stages[stages.index(stage) + 1 :] if one not in done), stage)


def _read(there: Inspection, files: list[RemoteFile], user: int | None) -> Finding:
    if not files:
        return good("sftp_read", "no file for us is there to be read")
    answers = []
    for one in files[:_LOOKED_AT_FILES]:
        told = there.drop.look(one)
        answers.append(None if told is None else may(told, user, READ))
    if False in answers:
        said = f"{answers.count(False)} of {len(answers)} files may not be read by us, as their modes say"
        return fail("sftp_read", said, "ask the server's side to let us read what is dropped for us")
    if None in answers:
        return not_checked("sftp_read", "owners and modes do not tell, and no file is opened here", _BY_ROUND)
    return good("sftp_read", f"{counted(len(answers), 'file')} may be read by us, as their modes say")


_BY_ROUND = "the next round of the daemon shows it: see `cdpoll files`"


def _writable(there: Inspection, folders: list[str], user: int | None, check: str) -> Iterator[Finding]:
    unsure = []
    for name in folders:
        told = there.folder(name)
        if told is None:
            key = "drop" if name == folders[0] else "move_to"
            yield fail(check, f"the server has no folder {name}", f"check {key} under [sftp], or have it made there")
            return
        answer = may(told, user, WRITE | ENTER)
        if answer is False:
            said = f"we may not write into {name}, as its mode says"
            yield fail(check, said, "ask the server's side to allow it, or set after = leave")
            return
        unsure += [name] * (answer is None)
    if unsure:
        said = f"owners and modes of {' and '.join(unsure)} do not tell, and nothing is changed here"
        yield not_checked(check, said, _BY_ROUND)
    else:
        yield good(check, f"we may write into {' and '.join(folders)}, as modes say")

"""One machine with cdpoll installed by `make install`, and a simulated vendor, for all the tests of this folder."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.support.cdpoll_process import ROOT
from tests.support.host import Host, mounted
from tests.system.service import SOURCE, begin_vendor


@pytest.fixture(scope="package")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with mounted(Path(tmp_path_factory.mktemp("machine")) / "here") as found:
        found.copy(ROOT, SOURCE)
        found.chroot("make", "-C", SOURCE, "install")
        found.boot()
        begin_vendor(found)
        yield found


@pytest.fixture
def host(booted: Host) -> Iterator[Host]:
    """The machine with the services stopped, as they were installed, and no database."""
    yield booted
    booted.run("systemctl", "stop", "cdpoll", "cdpoll-deliver", "cdpoll-callback.socket", "cdpoll-callback.service")
    reverted = ("cdpoll.service", "cdpoll-deliver.service", "cdpoll-callback.service")
    booted.run("systemctl", "revert", *reverted, check=False)
    booted.run("systemctl", "reset-failed", check=False)
    booted.run("sh", "-c", "rm -rf /var/lib/cdpoll/* /var/lib/cdpoll/.[!.]* /etc/cdpoll/conf.d/*")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a test that fails stands what the services have said."""
    report = yield
    host = item.funcargs.get("booted")
    if report.failed and isinstance(host, Host):
        for unit in ("cdpoll", "cdpoll-deliver", "cdpoll-callback", "cdpoll-local"):
            report.sections.append((f"journal of {unit}", host.journal(unit)[-4000:]))
    return report

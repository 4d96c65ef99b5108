"""The secret is changed while the real ``cdpoll serve callback`` runs, and the configuration stays as it is."""

import signal
from pathlib import Path

from cli.callback.address import target_of
from cli.callback.caller import Caller, Credentials
from cli.callback.endpoints import Endpoints
from tests.support.cdpoll_process import House, until
from tests.support.served import Served, served
from worker.clock import Clock
from worker.gateways.http.client import tls_context


def started(process: Served) -> int:
    return process.log.read_bytes().count(b"Booting worker")


def reload(process: Served) -> None:
    before = started(process)
    process.process.send_signal(signal.SIGHUP)
    until(lambda: started(process) > before, "a new worker process", process.process)


def vendor(process: Served, secret: str) -> Endpoints:
    caller = Caller(tls_context(None), 30.0)
    return Endpoints(target_of(process.url, None, None), Credentials("c", secret), caller, Clock().now())


def test_both_secrets_are_let_in_until_the_former_one_is_retired(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.write(
        callback_client_id="c",
        callback_client_secret=f"{{file {tmp_path / 'of-callbacks'}}}",
        callback_previous_secret=f"{{file {tmp_path / 'former'}}}",
    )
    house.record("a")

    def secret(*args: str) -> str:
        return str(house.cdpoll("callback-secret", "--show", "--json", *args, check=0).json["secret"])

    first = secret()
    with served(house, what="callback") as process:
        until(lambda: started(process), "a worker process", process.process)
        before = vendor(process, first)
        assert before.basic().level == "OK"
        second = secret("--rotate")
        assert (before.delivery().level, vendor(process, second).basic().level) == ("OK", "FAIL")

        reload(process)
        after = vendor(process, second)
        assert [one.level for one in (before.delivery(), before.basic(), after.basic(), after.delivery())] == ["OK"] * 4

        kept = tmp_path / "of-callbacks"
        kept.write_text("")
        reload(process)
        assert after.basic().level == "OK"
        assert b"reload refused" in process.log.read_bytes()
        kept.write_text(second)

        assert secret("--retire") == second
        reload(process)
        assert before.delivery().words == "concluded: HTTP 401"
        assert before.basic().words == "with HTTP Basic and a form: HTTP 401, invalid_client"
        assert after.delivery().level == "OK"

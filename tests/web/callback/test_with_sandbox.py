"""The sandbox delivers to a real `cdpoll serve callback`, with each of its faults: what is taken, and what is kept."""

from pathlib import Path

from sandbox.account import Account
from sandbox.callback.sender import Sender
from sandbox.callback.target import CALLBACK_PATH, TOKEN_PATH, Target
from sandbox.catalogue import FAULTS
from sandbox.settings import callback_text, config_text
from tests.support.cdpoll_process import House
from tests.support.rehearsing import free_port, serving
from tests.support.sandbox_client import MINUTE, Rig
from worker.store.opening import open_store

SECRET = "the-secret-of-the-rehearsal"

# What becomes of the deliveries that a fault makes of one task, in their order, where not all are accepted.
REFUSED = {
    "callback_lost": ["lost"],
    "callback_oversized": ["given_up"],
    "callback_content_type": ["given_up"],
}
STATUSES = {"callback_oversized": "413", "callback_content_type": "415"}
# The faults that make a second result of a task, and those whose body is kept apart from all tasks.
REVISED = {"callback_revised"}
ASIDE = {"callback_foreign", "callback_broken"}


def test_each_fault_of_callbacks_comes_to_the_end_that_was_meant(tmp_path: Path) -> None:
    house, url = House(tmp_path), f"http://127.0.0.1:{free_port()}"
    target = Target(url + CALLBACK_PATH, url + TOKEN_PATH, "vendor", SECRET)
    faults = [name for name, fault in FAULTS.items() if fault.kind == "callback"]
    with Rig(account=Account(callback=target)) as rig:
        (tmp_path / "client-secret").write_text(rig.sandbox.account.client_secret)
        (tmp_path / "secret").write_text(SECRET)
        text = config_text(rig.sandbox, str(house.database), str(tmp_path / "client-secret"))
        house.config.write_text(text + callback_text(target, f"{{file {tmp_path / 'secret'}}}"))
        open_store(house.database, create=True).close()
        sender = Sender(rig.sandbox)
        begun = {}
        with serving(house, url):
            for n, fault in enumerate(["", *faults]):
                rig.sandbox.set_faults(fault.replace("oversized", "oversized:26"))
                begun[fault] = rig.task("NOW-FOUND", n)
                for _ in range(7):
                    sender.step()
                    rig.clock.at += 5 * MINUTE
                rig.ask_token()
            rig.sandbox.set_faults("")
            rig.sandbox.set_callback(Target(target.url, target.token_url, "vendor", SECRET, "older"))
            begun["older"] = rig.task("MINUTES-FOUND", 99)
            for _ in range(7):
                sender.step()
                rig.clock.at += 5 * MINUTE
        became = {fault: [d for d in rig.sandbox.deliveries if d.task.id == task] for fault, task in begun.items()}
        for fault, deliveries in became.items():
            wanted = REFUSED.get(fault, ["accepted"] * len(deliveries))
            assert [one.state for one in deliveries] == wanted, (fault, deliveries)
            heard = {outcome for one in deliveries for _, outcome in one.tries}
            assert heard - {"204", "no answer"} == ({STATUSES[fault]} if fault in STATUSES else set()), fault
        assert [one.why for one in became["older"]] == ["pending", "ended"]
    with open_store(house.database) as store:
        kept = store.read(
            "SELECT t.id, MAX(r.revision) AS many FROM tasks t JOIN results r ON r.task = t.seq GROUP BY t.id"
        )
        results = {row["id"]: row["many"] for row in kept}
        aside = store.read("SELECT reason, COUNT(*) AS many FROM bodies WHERE source = 'callback' GROUP BY reason")
        quarantined = {row["reason"]: row["many"] for row in aside}
    told = {task: 1 + (fault in REVISED) for fault, task in begun.items() if fault not in {*REFUSED, *ASIDE}}
    assert {task: many for task, many in results.items() if task in begun.values()} == told
    assert len(results) == len(told) + 2  # callback_unknown and callback_forged tell of another task as well
    assert list(quarantined.values()) == [1, 1]

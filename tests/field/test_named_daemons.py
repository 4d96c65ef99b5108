"""Two real daemons on a real server: what `status` says of them on each host, and while the server is away."""

from pathlib import Path

from sandbox.server import Sandbox
from tests.support.cdpoll_process import House, until
from tests.support.postgres import Cluster


def a_house(folder: Path, sandbox: Sandbox, cluster: Cluster, name: str) -> House:
    folder.mkdir()
    return House(folder, sandbox, store_url=cluster.url(), store_daemon=name)


def living(house: House) -> list[str]:
    return [one["name"] for one in house.status()["daemons"] if one["alive"]]


def test_status_on_each_host_and_while_the_server_is_away(tmp_path: Path, sandbox: Sandbox) -> None:
    with Cluster() as cluster:
        a, b = (a_house(tmp_path / name, sandbox, cluster, name) for name in ("a", "b"))
        with a.start() as first, b.start() as second:
            first.ready()
            second.ready()
            until(lambda: living(b) == ["a", "b"], "two daemons", second.process)
            for house, name in ((a, "a"), (b, "b")):
                picture = house.status()
                assert (picture["daemon"]["name"], picture["daemon"]["alive"], picture["problems"]) == (name, True, [])
            twin = a_house(tmp_path / "twin", sandbox, cluster, "a")
            refused = twin.cdpoll("run", check=75).err
            assert "a daemon of the name a already works" in refused
            assert "[store] daemon" in refused

            cluster.stop()
            until(lambda: "database_unwritable" in b.cdpoll("status", "--json", check=75).text, "the loss is told")
            lost = b.cdpoll("status", "--json", check=75)
            assert lost.json["source"] == "summary"
            assert [one["name"] for one in lost.json["daemons"]] == ["a", "b"]
            assert "what follows is what the daemon tells" in lost.err
            assert "database_unwritable" in b.cdpoll("status", "--check", check=2).text
            assert twin.cdpoll("status", check=75).text == "", "no daemon has left a summary there"

            cluster.start()
            until(lambda: b.cdpoll("status").code == 0 and b.problems() == {}, "all is well again", second.process)

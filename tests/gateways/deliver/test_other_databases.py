"""A folder into which more than one database puts its results."""

from pathlib import Path

from tests.support.letters import letter
from worker.core.delivery import Delivered
from worker.gateways.deliver.directory import Directory, Folders

NOW = 1_750_000_000_000


def test_the_same_number_of_another_database_is_another_result(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    way = Directory(Folders(tmp_path / "out", tmp_path / "aside"), "{ref}", 0o640, with_x12=False)
    former = letter(7, "P1", visible_at="2025-06-15T15:00:00Z")
    assert way.send(former, NOW) == Delivered()
    for _ in range(2):
        assert way.send(letter(7, "P1", visible_at="2025-06-16T09:30:00Z"), NOW) == Delivered()
        assert way.send(former, NOW) == Delivered()
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["P1-0000000007.json", "P1.json"]
    assert (tmp_path / "out" / "P1.json").read_bytes() == former.body

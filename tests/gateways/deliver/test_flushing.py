"""Several files of a folder are made sure at one time."""

from pathlib import Path

from tests.support.letters import letter
from worker.core.delivery import ReceiverDown
from worker.gateways.deliver.directory import Directory, Folders


def test_a_folder_whose_names_cannot_be_put_on_the_disk_is_down(tmp_path: Path) -> None:
    folders = Folders(tmp_path / "out", tmp_path / "aside")
    folders.path.mkdir()
    out = Directory(folders, "{seq}", 0o640, with_x12=False)
    out.send(letter(1, "r"), 0)
    assert out.flush() is None
    folders.path.rename(tmp_path / "away")
    down = out.flush()
    assert isinstance(down, ReceiverDown)
    assert down.code == "missing"

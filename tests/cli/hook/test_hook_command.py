"""``cdpoll hook`` writes out a file that needs nothing of cdpoll, on an older Python too."""

import ast
import subprocess
import sys
from pathlib import Path

from tests.support.cdpoll_process import House
from tests.support.hooking import ONE, Handed, link, spool_in
from worker.build import VERSION


def test_the_file_works_by_itself_in_another_folder(tmp_path: Path) -> None:
    house, spool = House(tmp_path), spool_in(tmp_path)
    code = house.folder / "code"
    code.mkdir()
    assert str(code / "cdpoll_hook.py") in house.cdpoll("hook", "--to", str(code), check=0).err
    written = code / "cdpoll_hook.py"
    assert written.stat().st_mode & 0o777 == 0o644
    script = f"""
import sys
sys.path.insert(0, {str(code)!r})
import cdpoll_hook
ways = cdpoll_hook.Ways("", spool={str(spool)!r})
assert cdpoll_hook.hand_over([("Link", {link(ONE)[6:]!r})], status=200, ways=ways, ref="account 7")
assert not {{name.partition(".")[0] for name in sys.modules}} & {{"cli", "worker", "httpx", "requests", "click"}}
"""
    subprocess.run([sys.executable, "-I", "-W", "error", "-c", script], check=True, cwd=tmp_path, timeout=60)
    assert Handed("", spool).ids() == {ONE}


def test_it_says_what_it_is_and_python_3_8_reads_it(tmp_path: Path) -> None:
    printed = House(tmp_path).cdpoll("hook", check=0).text
    assert printed.startswith(f"# cdpoll_hook {VERSION}: ")
    tree = ast.parse(printed, feature_version=(3, 8))
    # Annotations are not evaluated; elsewhere, a later Python would be needed for these.
    assert "from __future__ import annotations\n" in printed
    known = set(sys.stdlib_module_names) | {"httpx", "__future__"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {one.name.partition(".")[0] for one in node.names} <= known
        elif isinstance(node, ast.ImportFrom):
            assert str(node.module).partition(".")[0] in known


def test_an_earlier_one_is_replaced_and_another_file_is_not(tmp_path: Path) -> None:
    house = House(tmp_path)
    mine, earlier = tmp_path / "mine.py", tmp_path / "cdpoll_hook.py"
    mine.write_text("print()\n")
    earlier.write_text("# cdpoll_hook 0.0.1: old\n")
    assert "another file" in house.cdpoll("hook", "--to", str(mine), check=65).err
    assert mine.read_text() == "print()\n"
    house.cdpoll("hook", "--to", str(earlier), check=0)
    assert VERSION in earlier.read_text().splitlines()[0]
    assert house.cdpoll("hook", "--to", str(tmp_path / "none" / "x.py"), check=74).err.startswith("cdpoll: ")
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []

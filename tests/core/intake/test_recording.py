"""What callers hand in: dumps of responses, bodies, JSON lines."""

import subprocess
import sys

from worker.core.intake.recording import Intake, Recording, from_ids, from_link, from_location, merge

CD = "/coverage-discovery"
LINK = f'link: <{CD}/a>; title="Nightly"; rel="related"'


def ids(intake: Intake) -> list[str]:
    return [recording.id for recording in intake.recordings]


# --- ids, one link, one location ---


def test_ids() -> None:
    intake = from_ids(["a", " b ", "x12", "a", "c/d"], ref="r", correlation_id="c")
    assert intake.recordings == (
        Recording("a", "id", ref="r", correlation_id="c"),
        Recording("b", "id", ref="r", correlation_id="c"),
    )
    assert [item.raw for item in intake.unreadable] == ["x12", "c/d"]


def test_one_link_and_one_location() -> None:
    link = from_link(f'<https://h{CD}/a>; title="t"; rel=related, <{CD}/b>; rel=related', ref="r")
    assert link.recordings == (Recording("a", "link", "t", "h", "r"), Recording("b", "link", ref="r"))
    assert from_location(f"{CD}/a", correlation_id="c").recordings == (Recording("a", "location", correlation_id="c"),)
    assert from_link('</?offset=2>; rel="next"') == Intake(notes=("the link value names no task",))
    assert from_location("") == Intake(notes=("the location value names no task",))
    assert len(from_link("nonsense").unreadable) == 1


def test_merging_keeps_an_id_for_each_of_its_refs() -> None:
    one, two = from_ids(["a"], ref="1"), from_ids(["a", "b"], ref="2")
    merged = merge([one, two, one, from_link("nonsense")])
    assert [(r.id, r.ref) for r in merged.recordings] == [("a", "1"), ("a", "2"), ("b", "2")]
    assert len(merged.unreadable) == 1


def test_the_intake_imports_nothing_heavy() -> None:
    code = (
        "import sys, json, dataclasses, typing; before = set(sys.modules)\n"
        "import worker.core.intake.json_recording; print(*sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in loaded if not name.startswith("worker")} <= {"codecs", "datetime", "_datetime", "math"}

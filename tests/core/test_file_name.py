"""Names of files made of a template: safe whatever a value holds, and never one for two results."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.letters import letter
from worker.core.delivery import Letter
from worker.core.file_name import LONGEST_BYTES, name_of


def batch(number: int) -> Letter:
    return dataclasses.replace(letter(number, id_=None), outcome="batch")


@pytest.mark.parametrize(
    ("template", "ref", "name"),
    [
        ("{seq}-{id}-{outcome}", None, "0000000007-task-7-success"),
        ("{ref}", "MRN-4711.a@b", "MRN-4711.a@b"),
        ("in_{ref}_{id}", "Größe7", "in_Größe7_task-7"),
        ("{ref}", "a/b", "a_b-0000000007"),
        ("{ref}", "../../etc/passwd", "_._.._etc_passwd-0000000007"),
        ("{ref}", "a\n\x1b[31mb\x00", "a___31mb_-0000000007"),
        ("{ref}", "a b", "a_b-0000000007"),
        ("{ref}", ".hidden", "_hidden-0000000007"),
        ("{ref}", "", "none-0000000007"),
        ("{ref}", None, "none-0000000007"),
        ("{seq}{ref}", "a:b", "0000000007a_b"),
        ("{ref}{seq}", "x" * 200, "x" * 176 + "-0000000007"),
        ("{ref}", "\ud800", "_-0000000007"),
        ("{ref}", "x" * 300, "x" * 176 + "-0000000007"),
        ("{ref}", "é" * 88, "é" * 88),
        ("a{ref}", "é" * 88, "a" + "é" * 87 + "-0000000007"),
        ("{ref}", "{id}", "_id_-0000000007"),
    ],
)
def test_names(template: str, ref: str | None, name: str) -> None:
    assert name_of(template, letter(7, ref)) == name


def test_an_answer_without_a_task() -> None:
    assert name_of("{seq}-{id}-{outcome}", batch(12_345_678_901)) == "12345678901-none-batch"


@given(st.lists(st.text(), min_size=2, max_size=8, unique=True), st.sampled_from(["{ref}", "{ref}-{seq}", ".{ref}"]))
def test_names_are_safe_and_those_of_different_refs_differ(refs: list[str], template: str) -> None:
    names = [name_of(template, letter(number, ref)) for number, ref in enumerate(refs, 1)]
    for name in names:
        assert len(f"{name}.999999.x12".encode()) <= LONGEST_BYTES
        assert name[:1] not in ("", ".")
        assert "/" not in name
        assert name.isprintable()
    assert len(set(names)) == len(refs)

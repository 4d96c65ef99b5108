"""The Link reader: every id found, none invented, nothing dropped in silence."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.core.intake.link import (
    RAW_LIMIT_CHARS,
    NamedTask,
    TaskLinks,
    read_link,
    read_location,
    task_id,
    unreadable,
    valid_id,
)
from worker.core.intake.link_grammar import Broken, Link, parse

CD = "/coverage-discovery"


def ids(reading: TaskLinks) -> list[str]:
    return [task.id for task in reading.tasks]


# value -> the ids it names, how many unreadable pieces it has
TABLE: list[tuple[str, list[str], int]] = [
    # as documented
    (f'<{CD}/a-1>; title="coverage discovery - Nightly"; rel="related"', ["a-1"], 0),
    (f'<{CD}/a>; title="x"; rel="related", <{CD}/b>; title="y"; rel="related"', ["a", "b"], 0),
    # letter case, order, spaces, bare words, empty members and parameters
    (f"<{CD}/Aa>;REL=Related", ["Aa"], 0),
    (f'<{CD}/a> ; rel = "related" ; title = "t"', ["a"], 0),
    (f',, <{CD}/a>;;rel=related; ,\t,<{CD}/b> ; rel="related";,', ["a", "b"], 0),
    (f"<{CD}/a>;rel=related,<{CD}/b>;rel=related", ["a", "b"], 0),
    (f"<{CD}/a>; crossorigin; rel=related; title", ["a"], 0),
    (f"<{CD}/a>; title=coverage discovery - Nightly; rel=related", ["a"], 0),
    (f"< {CD}/a >; rel=related", ["a"], 0),
    (f"<{CD}/a>", ["a"], 0),
    (f'<{CD}/a>; rel="related", <{CD}/a>; rel="related"', ["a"], 0),
    # relations
    (f'<{CD}/a>; rel="item RELATED up"', ["a"], 0),
    (f'<{CD}/a>; rel="related"; rel="next"', ["a"], 0),
    (f'<{CD}/a>; rel="next"; rel="related"', [], 1),
    (f'<{CD}/a>; rel="describedby"', [], 1),
    (f'<{CD}/a>; rel="unrelated"', [], 1),
    (f'<{CD}/a>; rel=""', [], 1),
    (f'<{CD}/a>; rel="relat\\ed"', ["a"], 0),
    # pagination, and other people's links
    ('</?limit=30&offset=2>; rel="next"', [], 0),
    (f'<{CD}?limit=30&offset=2>; rel="next", <{CD}?offset=0>; rel="PREV"', [], 0),
    (f'<{CD}/?offset=0>; rel="prev", <{CD}/a>; rel="related"', ["a"], 0),
    (f'<{CD}/?offset=0>; rel="prev"', [], 1),
    ('<https://example.com/style.css>; rel="stylesheet"', [], 0),
    ('</transactions/77>; rel="related"', [], 1),
    ("</transactions/77>", [], 0),
    ("</rcm/coverage-discovery%2Fa>", [], 1),
    (f'</transactions/77>; rel="related", <{CD}/a>; rel="related"', ["a"], 0),
    # quoted text is not a task
    (f'<{CD}/a>; title="see <{CD}/FAKE>; rel=related"; rel="related"', ["a"], 0),
    (f'<{CD}/a>; title="x\\", <{CD}/FAKE>; rel=\\"related\\""; rel="related"', ["a"], 0),
    (f'<{CD}/a>; title="ends in a backslash \\\\"; rel="related", <{CD}/b>; rel="related"', ["a", "b"], 0),
    (f'</transactions/77>; title="<{CD}/FAKE>"; rel="related"', [], 1),
    # targets
    ("<coverage-discovery/a>; rel=related", ["a"], 0),
    ("<./coverage-discovery/a>; rel=related, <../coverage-discovery/b>; rel=related", ["a", "b"], 0),
    (f"<https://apigw.example/rcm/eligibility/v1{CD}/a/?x=/b#c>; rel=related", ["a"], 0),
    (f"<{CD}/a/paths/7>; rel=related", ["a"], 0),
    (f"<{CD}{CD}/a>; rel=related", ["a"], 0),
    (f"<{CD}/%61%2Db>; rel=related", ["a-b"], 0),
    (f"</transactions?next={CD}/FAKE>; rel=related", [], 1),
    (f"</transactions?next={CD}/FAKE>; rel=next", [], 1),
    (f"<{CD}/x12>; rel=related, <{CD}/a>; rel=related", ["a"], 1),
    (f"<{CD}/X12>; rel=related", [], 1),
    (f"<{CD}/>; rel=related", [], 1),
    (f"<{CD}>; rel=related", [], 1),
    (f"<{CD}/..>; rel=related", [], 1),
    (f"<{CD}/a/../b>; rel=related", [], 1),
    (f"<{CD}/a%2Fb>; rel=related", [], 1),
    (f"<{CD}/a%2561>; rel=related", [], 1),
    (f"<{CD}/{'n' * 129}>; rel=related", [], 1),
    (f"<{CD}/a;v=1>; rel=related", [], 1),
    (f"<{CD}/ä>; rel=related", [], 1),
    (f"<{CD}/a,{CD}/b>; rel=related", [], 1),
    (f"<urn:x:{CD}/a>; rel=related", [], 1),
    # nothing
    ("", [], 0),
    (" \t ", [], 0),
    (" , ,", [], 0),
    # damage that leaves the quotes alone: the neighbours are read
    ("nonsense", [], 1),
    (f"nonsense, <{CD}/a>; rel=related, more, and more", ["a"], 2),
    (f'<{CD}/a; rel="related", <{CD}/b>; rel="related"', ["b"], 1),
    (f"<{CD}/a, <{CD}/b>; rel=related", ["b"], 1),
    (f'{CD}/a>; title="x, <{CD}/FAKE>; rel=related"; rel="related", <{CD}/b>; rel="related"', ["b"], 1),
    (f'<{CD}/a> rel="related", <{CD}/b>; rel="related"', ["b"], 1),
    (f'<{CD}/a b>; rel="related", <{CD}/c>; rel="related"', ["c"], 1),
    # damaged quotes: only what cannot be a title's text is believed
    (f'<{CD}/a>; title="the "old" one"; rel="related", <{CD}/b>; title="y"; rel="related"', ["b"], 1),
    (f'<{CD}/a>; title="the "old", <{CD}/FAKE>; rel=related"; rel="related"', [], 1),
    (f'<{CD}/a>; title=see, <{CD}/FAKE>; rel=related, x"; rel="related"', [], 1),
    (f'<{CD}/a>; title=see, <{CD}/FAKE>; rel=related, junk, x"; rel="related"', [], 1),
    (f'<{CD}/a>; rel="related", <{CD}/b>; title=see, <{CD}/FAKE>; rel=related, x"; rel="related"', ["a"], 1),
    (f'<{CD}/a>; rel="related"; title="no end, <{CD}/FAKE>; rel=related', [], 1),
    (f'<{CD}/a>; rel=related, <{CD}/b>; title="no end', ["a"], 1),
    (f'<{CD}/a>; title="no end; rel="related", <{CD}/b>; title="x, <{CD}/FAKE>"; rel="related"', ["b"], 1),
    (f'<{CD}/a>; title="z" <{CD}/b>; rel="related"', [], 1),
    (f'<{CD}/a>; title="the "old", <{CD}/FAKE>; t="; rel=related, <{CD}/b>; rel="related"', ["b"], 1),
    (f'<{CD}/a>; title="x", <{CD}/FAKE>; rel=related, <z>; y="; rel="related"', ["a"], 1),
    (f'<{CD}/a>; rel="related;t=", <{CD}/FAKE>; rel=related, <z>; y=" , <b>;x=", c; d=";rel="related"', [], 1),
    (f'<{CD}/a> "x", <{CD}/FAKE>; rel=related, y" z', [], 1),
    (f'<{CD}/a>; title="the "old" one"; rel="related", <{CD}/b> oops, <{CD}/c>; rel="related"', ["c"], 1),
    (f'<{CD}/a>; title="the "old, <{CD}/FAKE>; rel=related', [], 1),
    (f'<{CD}/a>; title "x, <{CD}/FAKE>; rel=related', [], 1),
    (f"<{CD}/a", [], 1),
    ("<", [], 1),
    ('"', [], 1),
    ("\x00", [], 1),
    (f"<{CD}/a\x00>; rel=related", [], 1),
]


@pytest.mark.parametrize(("value", "named", "lost"), TABLE, ids=[str(n) for n in range(len(TABLE))])
def test_what_a_value_names(value: str, named: list[str], lost: int) -> None:
    reading = read_link(value)
    assert ids(reading) == named
    assert len(reading.unreadable) == lost, reading.unreadable


def test_what_is_unreadable_keeps_its_text_and_says_why() -> None:
    (lost,) = read_link(f'<{CD}/x12>; rel="related", <{CD}/a>; rel="related"').unreadable
    assert lost.raw == f'<{CD}/x12>; rel="related"'
    assert lost.reason == "the link leads to coverage-discovery, but holds no valid id"
    (lost,) = read_link("one, two, three").unreadable
    assert lost.raw == "one, two, three"


def test_titles() -> None:
    assert read_link(f"<{CD}/a>; title=\"plain\"; title*=UTF-8''caf%c3%a9").tasks == (NamedTask("a", "café"),)
    assert read_link(f"<{CD}/a>; title=plain; title*=UTF-8''%ff").tasks == (NamedTask("a", "plain"),)
    assert read_link(f'<{CD}/a>; title="a\\"b\x1b[2J\udc80"').tasks == (NamedTask("a", 'a"b [2J?'),)
    assert read_link(f"<{CD}/a>").tasks == (NamedTask("a", None),)


@pytest.mark.parametrize(
    ("target", "host"),
    [
        (f"{CD}/a", None),
        (f"https://user:pw@Other.Example:8443{CD}/a", "other.example:8443"),
        (f"//other.example/rcm{CD}/a", "other.example"),
        (f"HTTP://other.example{CD}/a?q", "other.example"),
    ],
)
def test_a_target_on_some_host(target: str, host: str | None) -> None:
    assert read_link(f"<{target}>; rel=related").tasks == (NamedTask("a", None, host),)
    assert read_location(target).tasks == (NamedTask("a", None, host),)


@pytest.mark.parametrize(
    "target", ["//coverage-discovery/a", "https:/coverage-discovery/a", "mailto:coverage-discovery/a", "?/b", "a", ""]
)
def test_targets_without_an_id(target: str) -> None:
    assert task_id(target) is None


@pytest.mark.parametrize(
    ("value", "named", "lost"),
    [
        (f" {CD}/a ", ["a"], 0),
        (f"https://h/rcm/eligibility/v1{CD}/a/", ["a"], 0),
        ("https://login.example/sso", [], 0),
        ("", [], 0),
        (f"{CD}/x12", [], 1),
        (f"{CD}", [], 1),
        (f"/sso?back={CD}/FAKE", [], 1),
        (f"{CD}/a, {CD}/b", [], 1),
        (f"{CD}/a,{CD}/b", [], 1),
        (f"<{CD}/a>", [], 1),
    ],
)
def test_locations(value: str, named: list[str], lost: int) -> None:
    reading = read_location(value)
    assert (ids(reading), len(reading.unreadable)) == (named, lost)


@pytest.mark.parametrize("text", ["a", "A" * 128, "0a._~-Z", "...", "x123", "x12."])
def test_ids(text: str) -> None:
    assert valid_id(text)


@pytest.mark.parametrize("text", ["", ".", "..", "x12", "X12", "a" * 129, "a/b", "a b", "a\n", "ä", "a%20", "١"])
def test_what_is_no_id(text: str) -> None:
    assert not valid_id(text)


# --- properties ---

an_id = st.text("abcXYZ019._~-", min_size=1, max_size=12).filter(valid_id)
# Titles made of the very pieces that could be mistaken for structure.
hostile = st.lists(
    st.sampled_from(
        (f"<{CD}/FAKE>", f", <{CD}/FAKE>; rel=related", '"', "\\", ",", ";", "=", "<", ">", " ", "x", "rel=", "é")
    ),
    max_size=8,
).map("".join)
gap = st.sampled_from(("", " ", "\t", "  "))


def quote(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


@st.composite
def a_link(draw: st.DrawFn) -> tuple[str, str, str | None]:
    """A valid link to a task, its id and its title."""
    found = draw(an_id)
    title = draw(st.none() | hostile)
    rel = draw(st.sampled_from(('"related"', "related", '"RELATED"', '"item related"')))
    params = [("rel", rel), *draw(st.lists(st.tuples(st.sampled_from(("x", "y*")), hostile.map(quote)), max_size=2))]
    params += [] if title is None else [("title", quote(title))]
    prefix = draw(st.sampled_from(("", ".", "/rcm/eligibility/v1", "https://h.example/v1")))
    text = f"<{prefix}{CD}/{found}>"
    for name, value in draw(st.permutations(params)):
        before, after, around = draw(gap), draw(gap), draw(gap)
        text += f"{before};{after}{draw(st.sampled_from((name, name.upper())))}{around}={around}{value}"
    return text, found, title


def joined(links: list[tuple[str, str, str | None]]) -> str:
    return " , ".join(text for text, _, _ in links)


@given(st.lists(a_link(), max_size=4))
def test_what_is_written_is_read(links: list[tuple[str, str, str | None]]) -> None:
    reading = read_link(joined(links))
    assert reading.unreadable == ()
    first: dict[str, str | None] = {}
    for _, found, title in links:
        first.setdefault(found, title or None)
    assert {task.id: task.title for task in reading.tasks} == first
    assert ids(reading) == list(first)


@given(st.lists(a_link(), min_size=1, max_size=3), st.data())
def test_one_character_lost_or_added_or_a_cut_invents_nothing(
    links: list[tuple[str, str, str | None]], data: st.DataObject
) -> None:
    value = joined(links)
    spots: list[int] = []  # anywhere but within a target, where another character makes another id
    start = 0
    for text, _, _ in links:
        spots += [start, *range(start + text.index(">") + 1, start + len(text))]
        start += len(text) + len(" , ")
    at = data.draw(st.sampled_from(spots))
    added = data.draw(st.sampled_from('"\\,;=<>x '))
    cut, lost, more = value[:at], value[:at] + value[at + 1 :], value[:at] + added + value[at:]
    true = {found for _, found, _ in links}
    for broken in (lost, more):
        reading = read_link(broken)
        assert set(ids(reading)) <= true, broken
        assert set(ids(reading)) == true or reading.unreadable, broken
    assert set(ids(read_link(cut))) <= true, cut


pieces = st.lists(
    st.sampled_from(
        ("<", ">", '"', "\\", ",", ";", "=", " ", "rel", "related", "title", f"<{CD}/a>", f"<{CD}/b>; rel=related", "é")
    )
    | st.text(max_size=2),
    max_size=24,
).map("".join)


@given(pieces)
@example(f'<{CD}/a>;"')
def test_anything_at_all_is_read_without_an_error_and_accounted_for(value: str) -> None:
    parts = parse(value)
    rest = value
    for part in parts:  # in order, without overlap, and nothing but separators between
        before, found, rest = rest.partition(part.raw)
        assert found or not part.raw
        assert not before.strip(" \t\r\n,;")
    assert not rest.strip(" \t\r\n,;")
    for task in read_link(value).tasks:
        assert re.search(rf"<[^<>\"]*{CD}/{re.escape(task.id)}[ \t\r\n>/?#]", value)


@given(st.text(max_size=40) | pieces)
def test_targets_never_raise(text: str) -> None:
    for target in (text, f"{CD}/{text}", f"//{text}", f"https://{text}"):
        found = task_id(target)
        assert found is None or valid_id(found)
        read_location(target)


@pytest.mark.parametrize(
    ("start", "unit", "end"),
    [
        ("", "<", ""),
        ("", ",", ""),
        ("", '"', ""),
        ("", '="', ""),
        ("", "\\", ""),
        ("", "<a>;", ""),
        ('<a>;b="', "\\x", ""),
        ('<a>;b="', "c", ""),
        ('x" ', ", <a", ""),
        ('x" ', ", <a>;b=c", '"'),
        ('x" ', ', <a>;b="c"', "d"),
        ('x" ', ', <a>;b="', ""),
        ('x" ', ', <a>;b="\\"', ""),
        ('x" ', ', "<a>;b=', ""),
        ('x" ', ", " + " " * 1000, "<"),
        ("<a>;", " ", '"'),
        ("<", ", a", ""),
        ("<a>;b=", "c d", '"'),
        (f"<{CD}", "/a", ">"),
        ("<", CD, ">"),
        (f"<{CD}/", "%61", ">"),
    ],
)
def test_large_hostile_values_are_read_in_linear_time(start: str, unit: str, end: str) -> None:
    # Half a megabyte of each: a quadratic step would take minutes to hours.
    value = start + unit * (500_000 // len(unit)) + end
    read_link(value)
    read_location(value)


def test_the_raw_text_that_is_kept_is_bounded() -> None:
    lost = unreadable("é" * (RAW_LIMIT_CHARS + 5), "why")
    assert len(lost.raw) < RAW_LIMIT_CHARS + 100
    assert lost.raw.endswith("[cut: 5 more characters]")
    assert unreadable("\udc80", "why").raw == "\\udc80"
    assert "secret" not in repr(unreadable("secret", "why"))


def test_the_grammar_keeps_every_parameter() -> None:
    (link, broken) = parse('<x>; A=1;b; c="d\\"e"; a=2, oops')
    assert isinstance(link, Link)
    assert link.params == (("a", "1"), ("b", ""), ("c", 'd"e'), ("a", "2"))
    assert link.first("a") == "1"
    assert broken == Broken("oops", "not a link: '<' is missing")

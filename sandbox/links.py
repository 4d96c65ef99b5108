"""The Link header of a real-time answer in the forms that a client may meet. All of them name the same tasks."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from sandbox.wire import PREFIX


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the header, in its parts."""

    target: str
    title: str
    rel: str = 'rel="related"'
    title_first: bool = True
    brackets: bool = True

    def text(self) -> str:
        """The member as it is written."""
        parts = [self.title, self.rel] if self.title_first else [self.rel, self.title]
        target = f"<{self.target}>" if self.brackets else self.target
        return "; ".join([target, *(part for part in parts if part)])


def read(value: str) -> list[Member]:
    """The members of a header that :func:`sandbox.submit.link_value` wrote."""
    members = []
    for text in value.split(", <"):
        target, title, rel = text.lstrip("<").replace(">;", ";", 1).split("; ", 2)
        members.append(Member(target, title, rel))
    return members


TARGETS: dict[str, Callable[[str, str], str]] = {
    "link_full_path": lambda target, _origin: PREFIX + target,
    "link_absolute": lambda target, origin: origin + PREFIX + target,
    "link_foreign": lambda target, _origin: "https://elsewhere.invalid" + PREFIX + target,
    "link_relative": lambda target, _origin: target.lstrip("/"),
    "link_slash": lambda target, _origin: target + "/",
    "link_query": lambda target, _origin: target + "?view=full&since=1",
}


def vary(value: str, forms: Collection[str], origin: str) -> list[tuple[str, str]]:
    """The header as one or more (name, value) lines, in the named forms."""
    name = "LINK" if "link_case" in forms else "link"
    texts = []
    for member in read(value):
        target, title, rel = member.target, member.title, member.rel
        for form, change in TARGETS.items():
            if form in forms:
                target = change(target, origin)
        if "link_title_comma" in forms:
            title = r'title="coverage discovery - Name, birth date; \"and\" state <x>"'
        if "link_no_title" in forms:
            title = ""
        if "link_unquoted" in forms:
            rel = "rel=related"
        if "link_case" in forms:
            rel = rel.upper()
        texts.append(Member(target, title, rel, "link_order" not in forms, "link_unreadable" not in forms).text())
    if "link_lines" in forms:
        return [(name, text) for text in texts]
    return [(name, (" , , " if "link_empty_members" in forms else ", ").join(texts))]

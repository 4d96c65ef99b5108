"""What is wrong with a file, an interchange or a group; and what says that its middle is missing."""

from worker.core.x12.control_numbers import element_at, number_at, same_number
from worker.core.x12.envelope import Group, Interchange
from worker.core.x12.issues import Issue, issue

_MOST_ISSUES = 100


class FileIssues:
    """The issues of one file, the first hundred of them; and what its trailers say of what was found.

    A file that misses its middle joins the beginning of one set to the end of another, of another patient. Where every
    set has one number, nothing in that set says so. But a set is gone then, so the trailers announce more than there
    is; or the trailer of another interchange ends this one.
    """

    def __init__(self) -> None:
        self.first: list[Issue] = []
        self.more = 0
        self.lost = ""
        """What says that something between is missing, in a sentence; empty where nothing does."""

    def note(self, code: str, segment: str, where: str = "") -> None:
        if len(self.first) < _MOST_ISSUES:
            self.first.append(issue(code, segment, where))
        else:
            self.more += 1

    def group_closed(self, elements: list[str], group: Group, where: str, sets: int) -> None:
        """Look at a GE; ``sets`` were found in its group."""
        self._count("GE", elements, where, sets, "sets")
        control = element_at(elements, 2)
        if control != group.control and not same_number(control, group.control):
            self.note("ge_control", "GE", where)

    def interchange_closed(self, elements: list[str], interchange: Interchange, groups: int) -> None:
        """Look at an IEA; ``groups`` were found in its interchange."""
        where = f"interchange {interchange.number}"
        self._count("IEA", elements, where, groups, "groups")
        control = element_at(elements, 2)
        if control != interchange.control and not same_number(control, interchange.control):
            self.note("iea_control", "IEA", where)
            said = f"IEA02 is not ISA13, as where the end of another interchange follows ({where})."
            self.lost = self.lost or said

    def _count(self, name: str, elements: list[str], where: str, found: int, what: str) -> None:
        announced = number_at(elements, 1)
        if announced != found:
            self.note(f"{name.lower()}_count", name, where)
        if announced > found:
            said = f"{name}01 announces {announced} {what}, and there are {found} ({where})."
            self.lost = self.lost or said

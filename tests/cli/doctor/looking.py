"""What `cdpoll doctor` finds in a house, by check."""

from typing import Any, NamedTuple

from cli.doctor.finding import CHECKS
from tests.support.cdpoll_process import House

Found = dict[str, Any]


class Doctor(NamedTuple):
    code: int
    findings: list[Found]
    picture: Found

    def levels(self, check: str) -> list[str]:
        return [one["level"] for one in self.findings if one["check"] == check]

    def one(self, check: str) -> Found:
        """The only line of this check."""
        (found,) = [one for one in self.findings if one["check"] == check]
        return found

    @property
    def failed(self) -> set[str]:
        return {one["check"] for one in self.findings if one["level"] == "FAIL"}

    @property
    def not_checked(self) -> set[str]:
        return {one["check"] for one in self.findings if one["words"].startswith("not checked: ")}


def doctor(house: House, **env: str) -> Doctor:
    """What it prints as JSON; every line that is not OK says what to do, and its exit code says whether one failed."""
    ended = house.cdpoll("doctor", "--json", **env)  # type: ignore[arg-type]
    assert ended.err == ""
    picture = ended.json
    found = Doctor(ended.code, picture["findings"], picture)
    assert (found.code, picture["ok"]) == ((1, False) if found.failed else (0, True))
    for one in found.findings:
        assert one["words"], one
        assert one["check"] in CHECKS, one
        assert one["cure"] or one["level"] == "OK" or one["words"].startswith("not checked: "), one
    return found

"""What the database holds that answers of batches may belong to, read for a page of answers in a few statements."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from worker.store.batch.patients import Owner, Patient, digits, patient_of_row, plain
from worker.store.db.store import Store

# Tasks listed as candidates of one answer; more say no more.
MOST_CANDIDATES = 5

# Of the trace numbers of one page.
MOST_UNJOINED_ROWS = 5_000


class Claim(NamedTuple):
    """A task, or an expected answer, that was recorded with a trace number. What is empty was not told."""

    owner: Owner
    originator_id: str
    member_id: str
    birth_date: str
    ref: str = ""
    """Of an expected answer."""

    def difference(self, patient: Patient) -> str | None:
        """What is known on both sides and differs."""
        if self.birth_date and patient.birth_date and self.birth_date != patient.birth_date:
            return "birth_date_differs"
        if self.member_id and patient.member_ids and self.member_id not in patient.member_ids:
            return "member_id_differs"
        return None


class Known(NamedTuple):
    """What the database holds for the keys of a page, each by its key."""

    texts: dict[str, set[int]]
    """Rows of the tasks in whose results the text stands."""
    traced: dict[str, list[Claim]]
    """Tasks that were recorded with the trace number."""
    expected: dict[str, list[Claim]]
    """Answers that are expected by the trace number."""
    refs: dict[int, frozenset[str]]
    """Of these tasks, by row, where any answer of the page is expected."""
    unjoined: dict[str, set[Patient]]
    """Whom the answers name that have the trace number of such a task or expectation, and are joined to nothing."""
    by_trace_number: dict[str, set[int]]
    """Rows of the tasks in whose polled results the trace number stands."""
    by_reference: dict[str, set[int]]
    """Rows of the tasks in whose polled results the reference stands."""


def anything(store: Store) -> bool:
    """Whether there is anything to match with; an installation may have nothing but the drop."""
    row = store.one(
        """
        SELECT EXISTS (SELECT 1 FROM texts) OR EXISTS (SELECT 1 FROM tasks WHERE trace_number IS NOT NULL)
            OR EXISTS (SELECT 1 FROM expected) AS found
        """
    )
    return row is not None and bool(row["found"])


def known(store: Store, identities: set[str], numbers: set[str], references: set[str]) -> Known:
    """What there is for these texts, TRN02 and BHT03."""
    texts = _texts(store, identities)
    traced = _traced(store, numbers | references)
    expected = _expected(store, numbers)
    tasks = {one.owner.seq for claims in traced.values() for one in claims}.union(*texts.values()) if expected else ()
    return Known(
        texts,
        traced,
        expected,
        _refs(store, tasks),
        _unjoined(store, numbers & (traced.keys() | expected.keys())),
        _alike(store, "trace_number", numbers),
        _alike(store, "reference", references),
    )


def _texts(store: Store, identities: Iterable[str]) -> dict[str, set[int]]:
    """The tasks in whose results a text stands, by its identity."""
    found: dict[str, set[int]] = {}
    for names, params in _lists(identities):
        for row in store.read(
            f"SELECT DISTINCT texts.sha256, results.task FROM texts JOIN results ON results.seq = texts.result"  # noqa: S608
            f" WHERE texts.sha256 IN ({names}) AND results.task IS NOT NULL",
            params,
        ):
            found.setdefault(row["sha256"], set()).add(row["task"])
    return found


def _traced(store: Store, numbers: Iterable[str]) -> dict[str, list[Claim]]:
    """The tasks that were recorded with a trace number."""
    found: dict[str, list[Claim]] = {}
    for names, params in _lists(numbers):
        for row in store.read(
            "SELECT seq, trace_number, originator_id, member_id, birth_date FROM tasks"  # noqa: S608
            f" WHERE trace_number IN ({names}) AND length(trace_number) <= 500",
            params,
        ):
            one = Claim(
                Owner("task", row["seq"]),
                (row["originator_id"] or "").strip(),
                plain(row["member_id"] or ""),
                digits(row["birth_date"] or ""),
            )
            found.setdefault(row["trace_number"], []).append(one)
    return found


def _expected(store: Store, numbers: Iterable[str]) -> dict[str, list[Claim]]:
    """The answers that are expected by a trace number."""
    found: dict[str, list[Claim]] = {}
    for names, params in _lists(numbers):
        for row in store.read(
            "SELECT seq, ref, trace_number, originator_id, member_id, birth_date FROM expected"  # noqa: S608
            f" WHERE trace_number IN ({names}) ORDER BY seq",
            params,
        ):
            one = Claim(
                Owner("expected", row["seq"]),
                row["originator_id"],
                plain(row["member_id"] or ""),
                digits(row["birth_date"] or ""),
                row["ref"],
            )
            found.setdefault(row["trace_number"], []).append(one)
    return found


def _refs(store: Store, tasks: Iterable[int]) -> dict[int, frozenset[str]]:
    """The refs of tasks."""
    found: dict[int, set[str]] = {}
    ordered = sorted(tasks)
    for start in range(0, len(ordered), 500):
        listed = ",".join(map(str, ordered[start : start + 500]))
        for row in store.read(f"SELECT task, ref FROM refs WHERE task IN ({listed})"):  # noqa: S608 - numbers
            found.setdefault(row["task"], set()).add(row["ref"])
    return {task: frozenset(refs) for task, refs in found.items()}


def _unjoined(store: Store, numbers: Iterable[str]) -> dict[str, set[Patient]]:
    """The patients of the answers with a trace number that are joined to nothing."""
    found: dict[str, set[Patient]] = {}
    for names, params in _lists(numbers):
        for row in store.read(
            "SELECT DISTINCT trace_number, member_id, birth_date, last_name, first_name FROM answers"  # noqa: S608
            f" WHERE trace_number IN ({names}) AND length(trace_number) <= 500"
            f" AND (match = 'candidate' OR match = 'unmatched') LIMIT {MOST_UNJOINED_ROWS}",
            params,
        ):
            found.setdefault(row["trace_number"], set()).add(patient_of_row(row))
    return found


def _alike(store: Store, column: Literal["trace_number", "reference"], values: Iterable[str]) -> dict[str, set[int]]:
    """The tasks in whose polled results a number stands; few of each."""
    found: dict[str, set[int]] = {}
    for names, params in _lists(values):
        hits = store.read(
            f"SELECT DISTINCT {column} AS value FROM answers"  # noqa: S608 - constants
            f" WHERE from_set IS NULL AND {column} IN ({names}) AND length({column}) <= 500",
            params,
        )
        for hit in hits:
            rows = store.read(
                f"SELECT results.task FROM answers JOIN results ON results.seq = answers.result"  # noqa: S608
                f" WHERE answers.from_set IS NULL AND answers.{column} = :value AND length(answers.{column}) <= 500"
                f" LIMIT {4 * MOST_CANDIDATES}",
                {"value": hit["value"]},
            )
            found[hit["value"]] = {row["task"] for row in rows if row["task"] is not None}
    return found


def _lists(values: Iterable[str]) -> Iterable[tuple[str, dict[str, str]]]:
    """Names and values of parameters, in lists of a length that every database takes."""
    ordered = sorted(values)
    for start in range(0, len(ordered), 500):
        params = {f"v{n}": value for n, value in enumerate(ordered[start : start + 500])}
        yield ",".join(f":{name}" for name in params), params

"""Each table that says how a task ended has one module that writes it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What brings an older database up to date writes what it must.
MIGRATIONS = ROOT / "worker/store/schema/migrations.py"
SOURCES = [path for top in ("worker", "cli", "bench") for path in sorted((ROOT / top).rglob("*.py"))]
SOURCES.remove(MIGRATIONS)

WRITERS = {
    # The answers of batches are staged under their keys; what no view has shown yet is removed again; what 271s say is
    # derived after the results were kept, and anew for a later reader. What was there before it was expected is joined.
    # What is old is purged.
    r"(?:INSERT INTO|UPDATE|DELETE FROM) results\b": {
        "worker/store/conclude.py",
        "worker/store/batch/rows.py",
        "worker/store/batch/batches.py",
        "worker/store/batch/earlier.py",
        "worker/store/batch/answers.py",
        "worker/store/batch/rereading.py",
        "worker/store/retention/purging.py",
    },
    r"(?:INSERT INTO|UPDATE|DELETE FROM) outbox\b": {"worker/store/outbox.py"},
    r"(?:INSERT INTO|UPDATE|DELETE FROM) leases\b": {"worker/store/state/leases.py"},
    r"UPDATE counters\b": {"worker/store/counters.py"},
    r"(?:INSERT INTO|UPDATE|DELETE FROM) bodies\b": {"worker/store/tasks/bodies.py"},
    r"\bstate = 'concluded', ": {"worker/store/conclude.py"},
    r"\bconcluded_at = ": {"worker/store/conclude.py"},
    r"UPDATE results SET derived": {"worker/store/batch/answers.py", "worker/store/batch/rereading.py"},
}


@pytest.mark.parametrize("statement", WRITERS)
def test_only_these_modules_have_the_statement(statement: str) -> None:
    found = {str(path.relative_to(ROOT)) for path in SOURCES if re.search(statement, path.read_text())}
    assert found == WRITERS[statement]

"""docs/schema.md says what the database has, table for table and column for column."""

import pytest

from worker.store.db.store import Store
from worker.store.schema.reference import SCHEMA, TARGET, markdown, relations


def test_the_page_is_what_the_comments_say() -> None:
    assert TARGET.read_text() == markdown(), "run `python -m worker.store.schema.reference`"


@pytest.mark.sqlite
def test_every_table_and_view_is_explained_and_each_of_its_columns(store: Store) -> None:
    explained = {one.name: one for one in relations(SCHEMA.read_text())}
    there = store.read(
        "SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
    )
    assert explained.keys() == {row["name"] for row in there}
    for row in there:
        one = explained[row["name"]]
        assert one.meaning, one.name
        columns = [column["name"] for column in store.read(f"PRAGMA table_xinfo({one.name})")]
        assert [column.name for column in one.columns] == (columns if one.name != "kept_results" else [])
        assert [column.name for column in one.columns if not column.meaning] == []

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.spool_house import SpoolHouse


@pytest.fixture
def house(tmp_path: Path) -> Iterator[SpoolHouse]:
    made = SpoolHouse(tmp_path)
    yield made
    made.close()

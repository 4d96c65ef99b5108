"""How many examples Hypothesis makes where each of them costs more, or less, than usual."""

from hypothesis import settings

from tests.support.engine import POSTGRESQL

USUAL = 100


def examples(count: int) -> settings:
    """``count`` in `make test`, and ten times as many in `make test-long`, which explores. A fifth on a server, where a
    database takes longer to make."""
    return settings(max_examples=max(1, count * settings().max_examples // USUAL // (5 if POSTGRESQL else 1)))

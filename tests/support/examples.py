"""How many examples Hypothesis makes where each of them costs more, or less, than usual."""

from hypothesis import settings

USUAL = 100


def examples(count: int) -> settings:
    """``count`` in `make test`, and ten times as many in `make test-long`, which explores."""
    return settings(max_examples=count * settings().max_examples // USUAL)

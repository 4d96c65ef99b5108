"""Hypothesis makes the same examples in every run, so that a red test is red again. `HYPOTHESIS_PROFILE=explore` looks
for new ones."""

import os

from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

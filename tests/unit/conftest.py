"""What all unit tests share: property tests that run alike everywhere."""

from __future__ import annotations

import gc

from hypothesis import HealthCheck, settings

# Same examples in every run, and no clock: a busy machine must not fail a test.
settings.register_profile(
    "citadel",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("citadel")


def pytest_collection_finish() -> None:
    """Leave what collecting made to itself: collections of garbage need not look at it."""
    gc.freeze()

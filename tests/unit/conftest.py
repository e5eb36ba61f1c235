"""What all unit tests share: property tests that run alike everywhere."""

from __future__ import annotations

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

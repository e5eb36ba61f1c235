"""One live environment for the whole session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live import CHECKOUT, Live


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    environment = Live(CHECKOUT / "tests" / "environments" / "test.yaml")
    environment.citadel("up")
    yield environment
    environment.citadel("destroy", "--yes")

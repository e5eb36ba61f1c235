"""One live environment for the whole session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live import CHECKOUT, Live

from hxp_enterprise_llm.testing.hosts import environment_file


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    # A copy that tests may change: the stack belongs to it, and no other file may drive it.
    environment = Live(environment_file("test"))
    environment.file.write_text((CHECKOUT / "tests" / "environments" / "test.yaml").read_text())
    environment.citadel("up")
    yield environment
    environment.citadel("destroy", "--yes")


@pytest.fixture
def edited(live: Live) -> Iterator[Live]:
    """The environment, whose file is put back after the test; what is up is left to the test."""
    before = live.file.read_text()
    yield live
    live.file.write_text(before)

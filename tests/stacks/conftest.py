"""Real engine, real podman, the smallest hosts."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hxp_enterprise_llm.orchestration.toolchain import Toolchain, ensure
from hxp_enterprise_llm.testing.hosts import TestHosts, environment_file, quiet

Make = Callable[[str, str], TestHosts]

TWO_HOSTS = """
    schema: 1
    provider: {kind: local, image: bare}
    hosts:
      one: {roles: [gateway], memory: 256MiB}
      two: {roles: [postgres], memory: 256MiB}
"""


@pytest.fixture(scope="session")
def toolchain() -> Toolchain:
    return ensure(quiet)


@pytest.fixture(scope="session")
def make(toolchain: Toolchain) -> Iterator[Make]:
    """Environments by name and text; what they made is gone after the session."""
    made: list[TestHosts] = []

    def new(name: str, text: str) -> TestHosts:
        file = environment_file(name)
        file.write_text(textwrap.dedent(text))
        hosts = TestHosts(file, toolchain)
        made.append(hosts)
        return hosts

    yield new
    for hosts in made:
        hosts.down()


@pytest.fixture(scope="session")
def pair(make: Make) -> TestHosts:
    """Two hosts that are up; tests leave them up and as the file says."""
    hosts = make("stacks-pair", TWO_HOSTS)
    hosts.up()
    return hosts


@pytest.fixture
def edited(pair: TestHosts) -> Iterator[Path]:
    """The pair's file, put back after the test."""
    before = pair.file.read_text()
    yield pair.file
    pair.file.write_text(before)
    pair.up()

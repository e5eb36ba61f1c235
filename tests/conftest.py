"""How tests are dealt to two workers: what is brought up once a folder or file stays with one."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Folders whose tests share an environment or a daemon; elsewhere the tests of one file do.
_SHARED = ("tests/e2e/", "tests/gateway/", "tests/secrets/", "tests/stacks/")
# Its environments are its own, whatever the folder shares.
_APART = "tests/stacks/test_ssh_converge.py"
# Each of its tests makes and removes its own hosts.
_ALONE = "tests/roles/test_scenarios.py"


class _Together(LoadScopeScheduling):  # type: ignore[misc] # it has no types
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", maxsplit=1)[0]
        if file == _ALONE:
            return nodeid
        folder = next((each for each in _SHARED if file.startswith(each)), file)
        return file if file == _APART else folder


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Together | None:
    """Deal by what is shared where `--dist loadscope` asks for scopes."""
    return _Together(config, log) if config.getoption("dist") == "loadscope" else None

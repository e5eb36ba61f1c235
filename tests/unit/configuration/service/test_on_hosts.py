"""On hosts only a part of the package is there: the service imports nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hxp_enterprise_llm.orchestration.artifacts.digests import SERVICE_PARTS

# Whatever a request can make it import: kinds with their rules, PostgreSQL, signing, backups.
IMPORTED = """
import asyncio, sys
from pathlib import Path
from hxp_enterprise_llm.configuration.service import __main__, process, shared, server
from hxp_enterprise_llm.configuration.service import backups, restoring
from hxp_enterprise_llm.configuration.service.document import ServedDocument
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey, kinds
from hxp_enterprise_llm.configuration.revisions import MemoryShelf
from hxp_enterprise_llm.configuration.series import ConfigurationMetrics
from hxp_enterprise_llm.configuration import client
from hxp_enterprise_llm.utilities.logging import get_logger

async def main():
    key = DocumentKey("monitoring", "watcher")
    document = ServedDocument(key, kinds()["monitoring"], MemoryShelf(), signer=None,
        environment="test", metrics=ConfigurationMetrics(), logger=get_logger("x"),
        now=lambda: None)
    said = {"service_name": "watcher", "service_version": "1.0.0", "service_type": "monitoring",
            "environment": "test", "resources": {"memory_mb": 1, "cpu_cores": 1}}
    await document.propose(said)

asyncio.run(main())
print(*sorted(name for name in sys.modules if name.startswith("hxp_enterprise_llm.")))
"""


@pytest.mark.feature("CL-01")
def test_the_service_imports_only_what_its_wheel_has() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", IMPORTED], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    parts = {name.split(".")[1] for name in done.stdout.split()}
    assert parts <= set(SERVICE_PARTS["configuration"])
    assert "configuration" not in SERVICE_PARTS["gateway"]

"""`citadel toolchain` on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from hxp_enterprise_llm.orchestration.paths import checkout
from hxp_enterprise_llm.orchestration.toolchain import Toolchain

CITADEL = str(Path(sys.executable).with_name("citadel"))


def test_it_says_which_engine_it_took_and_that_engine_runs(toolchain: Toolchain) -> None:
    done = subprocess.run(
        [CITADEL, "toolchain", "--output", "json"],
        cwd=checkout(),
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout)
    assert said["path"] == str(toolchain.pulumi)
    assert said["source"] == toolchain.source
    assert said["built"] is False
    version = subprocess.run(
        [said["path"], "version"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PULUMI_SKIP_UPDATE_CHECK": "true"},
    )
    assert version.stdout.strip().lstrip("v") == said["version"]

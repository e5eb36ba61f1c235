"""What the gateway relies on of an engine: a real vLLM does it, and so does the double of tests."""

from __future__ import annotations

import socket
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.core import ServicePolicy, VllmService
from hxp_enterprise_llm.core.exceptions import StartTimeoutError
from hxp_enterprise_llm.core.health import Verdict
from hxp_enterprise_llm.core.vllm_service import FIGURES, VllmConfig
from hxp_enterprise_llm.orchestration.artifacts.fetch import fetch
from hxp_enterprise_llm.orchestration.converge import converge
from hxp_enterprise_llm.orchestration.paths import environment_state
from hxp_enterprise_llm.orchestration.remote import Remote
from hxp_enterprise_llm.orchestration.toolchain import ensure
from hxp_enterprise_llm.testing.connections import free_port
from hxp_enterprise_llm.testing.engine import EngineDouble
from hxp_enterprise_llm.testing.engine_contract import check_engine
from hxp_enterprise_llm.testing.hosts import TestHosts, quiet, wait_until

ENVIRONMENT = """
    schema: 1
    provider: {kind: local}
    hosts:
      llm-1: {roles: [vllm], memory: 4GiB}
    models:
      tiny:
        source: file:tests/models/tiny
        sha256: c8d0b09a9c0e5c7bb02904b555951bb0192add47957403d33b177feb28c0bf29
        weights: 1MiB
        engine: {max_model_len: 2048, enforce_eager: true, kv_cache_memory_bytes: 64M}
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestHosts]:
    """A host on which vLLM serves the model of 0.8 MB."""
    file = tmp_path_factory.mktemp("engine") / "contract-engine.yaml"
    file.write_text(textwrap.dedent(ENVIRONMENT))
    hosts = TestHosts(file, ensure(quiet))
    fetch(load(str(file)), quiet)
    hosts.up()
    converge(load(str(file)), report=quiet)
    yield hosts
    hosts.down()


@contextmanager
def tunnel(hosts: TestHosts, name: str, port: int) -> Iterator[str]:
    """Yield a URL of ours that leads to a port of a host's loopback."""
    local = free_port()
    command = Remote(hosts.fleet, environment_state(hosts.name)).command(name)
    forward = ("-N", "-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{local}:127.0.0.1:{port}")
    with subprocess.Popen([command[0], *forward, *command[1:]]) as ssh:
        try:
            wait_until(lambda: accepts(local), "the tunnel is open", seconds=30)
            yield f"http://127.0.0.1:{local}"
        finally:
            ssh.terminate()


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_vllm_keeps_the_contract(host: TestHosts) -> None:
    with tunnel(host, "llm-1", 8101) as url:
        await check_engine(url, "tiny")


@pytest.mark.feature("CO-04")
async def test_our_service_for_vllm_reads_a_real_one(host: TestHosts) -> None:
    with tunnel(host, "llm-1", 8101) as url:
        config = VllmConfig(url=url, models=("tiny",))
        async with VllmService(config) as vllm:
            assert vllm.models == ("tiny",)
            assert (await vllm.health()).verdict is Verdict.HEALTHY
            assert set(await vllm.engine_metrics()) == set(FIGURES.values())
        wrong = config.model_copy(update={"models": ("other",)})
        policy = ServicePolicy(start_timeout=2)
        with pytest.raises(StartTimeoutError, match="does not serve other; it has tiny"):
            await VllmService(wrong, policy=policy).start()


async def test_the_double_keeps_the_contract() -> None:
    async with EngineDouble() as double:
        await check_engine(f"http://{double.address}", "tiny")

"""Backends that are real: Vault, moto's server, an API server.

The first run on a machine builds Vault, etcd and the API server from their Go modules into the
cache: about a quarter of an hour on two cores.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.audit import AuditLog
from hxp_enterprise_llm.configuration.secrets.access import EVERYTHING
from hxp_enterprise_llm.configuration.secrets.backends.base import Backend
from hxp_enterprise_llm.configuration.secrets.backends.vault import Vault
from hxp_enterprise_llm.configuration.secrets.keyring import Clock, utc_now
from hxp_enterprise_llm.configuration.secrets.manager import SecretManager
from hxp_enterprise_llm.configuration.secrets.policy import SecretPolicy
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.vault.auth import StaticToken
from hxp_enterprise_llm.configuration.secrets.vault.client import VaultClient
from hxp_enterprise_llm.configuration.secrets.vault.settings import VaultSettings
from hxp_enterprise_llm.testing.builds import API_SERVER, ETCD, VAULT, ensure
from hxp_enterprise_llm.testing.kubernetes import ApiServer
from hxp_enterprise_llm.testing.vault import VaultServer

Managed = Callable[..., SecretManager]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultServer]:
    with VaultServer(ensure(VAULT, print), tmp_path_factory.mktemp("vault")) as running:
        running.policy("apps", 'path "kv/*" { capabilities = ["create","read","update","list"] }')
        yield running


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder = tmp_path_factory.mktemp("cluster")
    with ApiServer(ensure(ETCD, print), ensure(API_SERVER, print), folder) as running:
        yield running


@pytest.fixture
def settings(server: VaultServer) -> VaultSettings:
    return VaultSettings(server.address, StaticToken(Secret(server.root_token)), timeout=10.0)


@pytest.fixture
async def client(settings: VaultSettings) -> AsyncIterator[VaultClient]:
    client = VaultClient(settings)
    yield client
    await client.aclose()


@pytest.fixture
async def vault(client: VaultClient) -> Vault:
    return Vault(client)


@pytest.fixture
def managed(tmp_path: Path) -> Managed:
    """Make a manager over backends, with its audit log in a folder of the test."""

    def make(
        *backends: Backend, policy: SecretPolicy | None = None, clock: Clock = utc_now
    ) -> SecretManager:
        audit = AuditLog(tmp_path / "audit.jsonl")
        return SecretManager(backends, access=EVERYTHING, audit=audit, policy=policy, clock=clock)

    return make


@pytest.fixture(autouse=True)
async def no_task_is_left() -> AsyncIterator[None]:
    yield
    left = [task for task in asyncio.all_tasks() if "LeaseWatcher" in repr(task.get_coro())]
    assert left == []

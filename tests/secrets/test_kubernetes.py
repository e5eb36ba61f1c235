"""Secrets of a cluster, against a real API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.secrets import Secrets
from hxp_enterprise_llm.configuration.secrets.backends.kubernetes import KubernetesSecrets
from hxp_enterprise_llm.configuration.secrets.errors import (
    AccessDeniedError,
    BackendAwayError,
    SecretNotFoundError,
    SecretRefusedError,
)
from hxp_enterprise_llm.configuration.secrets.rules import RotationRule
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.testing.kubernetes import ApiServer
from hxp_enterprise_llm.testing.waiting import until


@pytest.fixture
async def backend(cluster: ApiServer) -> AsyncIterator[KubernetesSecrets]:
    backend = KubernetesSecrets.connect({"KUBECONFIG": str(cluster.kubeconfig())}, timeout=10)
    yield backend
    await backend.aclose()


@pytest.mark.feature("CX-01")
async def test_a_key_is_written_read_listed_and_removed_beside_its_neighbours(
    cluster: ApiServer, backend: KubernetesSecrets
) -> None:
    assert await backend.check() == f"Kubernetes at {cluster.address}"
    await backend.set("default/app#user", Secret("citadel"))
    info = await backend.set("default/app#password", Secret("p1"))
    assert info.made_at is not None
    assert (await backend.get("default/app#password")).reveal() == "p1"
    assert (await backend.get("default/app#user")).reveal() == "citadel"
    listed = [item.path async for item in backend.list("default/app")]
    assert listed == ["default/app#password", "default/app#user"]
    assert [item async for item in backend.list("default/other")] == []
    await backend.remove("default/app#user")
    with pytest.raises(SecretNotFoundError, match="its key user is not"):
        await backend.get("default/app#user")
    await backend.remove("default/app#password")
    with pytest.raises(SecretNotFoundError, match="namespace and name"):
        await backend.get("default/app#password")


@pytest.mark.feature("CX-03")
async def test_each_key_has_the_age_that_the_cluster_keeps_for_it(
    backend: KubernetesSecrets, managed: Any
) -> None:
    first = (await backend.set("default/ages#first", Secret("1"))).made_at
    assert first is not None

    async def later(moment: datetime) -> bool:
        # The cluster's times are whole seconds.
        return datetime.now(UTC) >= moment + timedelta(seconds=1)

    await until(lambda: later(first))
    second = (await backend.set("default/ages#second", Secret("1"))).made_at
    assert second is not None
    assert second > first
    ages = {info.path: info.made_at async for info in backend.list("default/ages")}
    assert ages == {"default/ages#first": first, "default/ages#second": second}
    assert (await backend.info("default/ages#first")).made_at == first
    # Somebody else changes a value, and says how often it must change.
    await until(lambda: later(second))
    body = {
        "metadata": {"annotations": {"citadel.dev/rotate-days": "30"}},
        "stringData": {"first": "2"},
    }
    patch = partial(backend._api.patch_namespaced_secret, field_manager="kubectl-edit")
    await asyncio.to_thread(patch, "ages", "default", body)
    changed = await backend.info("default/ages#first")
    assert changed.made_at is not None
    assert changed.made_at > second
    assert (await backend.info("default/ages#second")).made_at == second
    manager = managed(backend, clock=lambda: datetime.now(UTC) + timedelta(days=30))
    addresses = ["kubernetes:default/ages#first", "kubernetes:default/ages#second"]
    assert {item.path for item in await manager.due(addresses)} == set(addresses)
    now = managed(backend)
    assert await now.due(addresses) == ()
    with pytest.raises(SecretRefusedError, match="is not kept here") as caught:
        await backend.set_rule("default/ages#first", RotationRule(every_days=7))
    assert "its annotation citadel.dev/rotate-days" in caught.value.next_step


async def test_what_is_missing_or_misspelt_is_said(backend: KubernetesSecrets) -> None:
    for path in ("app#x", "default/app", "default/a/b#x"):
        with pytest.raises(SecretRefusedError, match="not of the form"):
            await backend.get(path)
    with pytest.raises(SecretNotFoundError):
        await backend.set("no-such-namespace/app#x", Secret("x"))
    for change in (backend.remove, backend.info):
        with pytest.raises(SecretNotFoundError):
            await change("default/none#x")


async def test_a_key_that_the_cluster_refuses_shows_no_value(backend: KubernetesSecrets) -> None:
    with pytest.raises(Exception, match="with 422") as caught:
        await backend.set("default/app#not!a!key", Secret("canary-77"))
    assert "canary-77" not in repr(caught.value)


async def test_who_has_no_role_is_refused(cluster: ApiServer) -> None:
    path = cluster.kubeconfig(stranger=True)
    stranger = KubernetesSecrets.connect({"KUBECONFIG": str(path)})
    try:
        with pytest.raises(AccessDeniedError, match="allow verb get on secrets"):
            await stranger.get("default/app#x")
    finally:
        await stranger.aclose()


async def test_a_hung_api_server_is_away_after_the_time_limit(cluster: ApiServer) -> None:
    limited = KubernetesSecrets.connect({"KUBECONFIG": str(cluster.kubeconfig())}, timeout=1)
    await limited.check()
    cluster.freeze()
    try:
        with pytest.raises(BackendAwayError, match="cannot be reached: ReadTimeout"):
            await limited.get("default/app#x")
    finally:
        cluster.thaw()
        await limited.aclose()


@pytest.mark.feature("CX-01")
async def test_references_resolve_with_the_kubeconfig_of_kubectl(
    cluster: ApiServer, backend: KubernetesSecrets, tmp_path: Path
) -> None:
    await backend.set("default/app#token", Secret("t"))
    (tmp_path / "state/local").mkdir(parents=True)
    variables = {"KUBECONFIG": str(cluster.kubeconfig())}
    secrets = Secrets(tmp_path / "state/local", variables=variables)
    assert secrets.resolve("kubernetes:default/app#token").reveal() == "t"


def test_no_cluster_is_said(tmp_path: Path) -> None:
    with pytest.raises(SecretRefusedError, match="need a cluster"):
        KubernetesSecrets.connect({"KUBECONFIG": str(tmp_path / "none")})

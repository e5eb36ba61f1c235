"""Secrets of a cluster, against a real API server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.secrets import Secrets
from hxp_enterprise_llm.configuration.secrets.backends.kubernetes import KubernetesSecrets
from hxp_enterprise_llm.configuration.secrets.errors import (
    AccessDeniedError,
    BackendAwayError,
    SecretNotFoundError,
    SecretRefusedError,
)
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.testing.kubernetes import ApiServer


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

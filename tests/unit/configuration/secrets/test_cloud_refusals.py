"""What AWS and a cluster refuse: doubles of their clients; tests/secrets holds the contract."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from hxp_enterprise_llm.configuration.secrets.backends.aws import SecretsManager
from hxp_enterprise_llm.configuration.secrets.backends.kubernetes import KubernetesSecrets
from hxp_enterprise_llm.configuration.secrets.errors import (
    AccessDeniedError,
    BackendAwayError,
    SecretError,
    SecretNotFoundError,
    SecretRefusedError,
)
from hxp_enterprise_llm.configuration.secrets.secret import Secret

if TYPE_CHECKING:
    from kubernetes.client import V1Secret


class Amazon:
    """A client of boto3 that answers what it is told."""

    def __init__(self, answer: dict[str, Any] | Exception) -> None:
        self.answer = answer

    def get_secret_value(self, **_: str) -> dict[str, Any]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    put_secret_value = get_secret_value


def holding(value: bytes) -> V1Secret:
    # Imported here: the client takes a second, which each worker would pay at its start.
    from kubernetes.client import V1ObjectMeta, V1Secret

    data = {"b": base64.b64encode(value).decode()}
    return V1Secret(metadata=V1ObjectMeta(name="a"), data=data)


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "canary-9"}}, "GetSecretValue")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused("ResourceNotFoundException"), SecretNotFoundError),
        (refused("AccessDeniedException"), AccessDeniedError),
        (refused("ExpiredTokenException"), AccessDeniedError),
        (refused("ThrottlingException"), BackendAwayError),
        (refused("InvalidRequestException"), SecretError),
        (NoCredentialsError(), BackendAwayError),
        ({"SecretBinary": b"x"}, SecretRefusedError),
        ({"SecretString": ""}, SecretRefusedError),
    ],
)
async def test_what_aws_refuses(answer: Any, error: type[Exception]) -> None:
    backend = SecretsManager(Amazon(answer))
    with pytest.raises(error) as caught:
        await backend.get("a")
    assert "canary-9" not in str(caught.value)
    with pytest.raises(SecretRefusedError, match="not of the form"):
        await backend.get("a#")


@pytest.mark.parametrize("path", ["a", "a#b"])
async def test_a_write_that_aws_refuses_makes_nothing_new(path: str) -> None:
    with pytest.raises(AccessDeniedError):
        await SecretsManager(Amazon(refused("AccessDeniedException"))).set(path, Secret("x"))


class Cluster:
    """A client of Kubernetes that answers what it is told."""

    def __init__(self, answer: V1Secret | Exception) -> None:
        self.answer = answer

    def read_namespaced_secret(self, *_: str, **__: Any) -> V1Secret:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, SecretNotFoundError),
        (401, AccessDeniedError),
        (403, AccessDeniedError),
        (429, BackendAwayError),
        (500, BackendAwayError),
        (0, BackendAwayError),
        (409, SecretError),
    ],
)
async def test_what_a_cluster_refuses(status: int, error: type[Exception]) -> None:
    from kubernetes.client import ApiException

    answer = ApiException(status=status, reason="canary-9")
    with pytest.raises(error) as caught:
        await KubernetesSecrets(Cluster(answer)).get("default/a#b")
    assert "canary-9" not in str(caught.value)


async def test_bytes_and_keys_that_are_not_there_are_said() -> None:
    held = holding(b"\xff")
    backend = KubernetesSecrets(Cluster(held))
    with pytest.raises(SecretRefusedError, match="is no text"):
        await backend.get("default/a#b")
    for call in (backend.get, backend.remove, backend.info):
        with pytest.raises(SecretNotFoundError):
            await call("default/a#c")
    assert [item async for item in backend.list()] == []


@pytest.mark.parametrize(
    "place", ["../x", "team/..", "team/.", "team/a..b", "team/a/b", "Team/a", "team/-a", "team"]
)
async def test_a_place_that_no_cluster_has_is_refused_before_it_is_asked(place: str) -> None:
    held = holding(b"x")
    backend = KubernetesSecrets(Cluster(held))
    for call in (backend.get, backend.remove, backend.info):
        with pytest.raises(SecretRefusedError, match="not of the form"):
            await call(f"{place}#b")
    assert (await backend.get("team-1/a.b-c#b")).reveal() == "x"
    with pytest.raises(SecretRefusedError, match="not of the form"):
        _ = [item async for item in backend.list("../x")]

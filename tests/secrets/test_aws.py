"""AWS Secrets Manager, against moto's server over HTTP."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from hxp_enterprise_llm.configuration.secrets import Secrets
from hxp_enterprise_llm.configuration.secrets.backends.aws import SecretsManager
from hxp_enterprise_llm.configuration.secrets.errors import (
    BackendAwayError,
    SecretNotFoundError,
    SecretRefusedError,
)
from hxp_enterprise_llm.configuration.secrets.rules import RotationRule
from hxp_enterprise_llm.configuration.secrets.secret import Secret


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def variables(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    # boto3 finds credentials by itself, in the process' own environment.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return {"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": endpoint}


@pytest.fixture
async def backend(variables: dict[str, str]) -> AsyncIterator[SecretsManager]:
    backend = SecretsManager.connect(variables)
    yield backend
    await backend.aclose()


@pytest.mark.feature("CX-01")
async def test_a_secret_is_written_read_listed_and_removed(backend: SecretsManager) -> None:
    assert await backend.check() == "AWS Secrets Manager in eu-central-1"
    await backend.set("citadel/token", Secret("t1"))
    info = await backend.set("citadel/token", Secret("t2"))
    assert info.made_at is not None
    assert (await backend.get("citadel/token")).reveal() == "t2"
    assert [item.path async for item in backend.list("citadel/")] == ["citadel/token"]
    assert [item async for item in backend.list("other/")] == []
    await backend.remove("citadel/token")
    with pytest.raises((SecretNotFoundError, SecretRefusedError)):
        await backend.get("citadel/none")


async def test_a_member_is_written_beside_its_neighbours(backend: SecretsManager) -> None:
    await backend.set("database#user", Secret("citadel"))
    await backend.set("database#password", Secret("p1"))
    assert (await backend.get("database#password")).reveal() == "p1"
    assert (await backend.get("database#user")).reveal() == "citadel"
    with pytest.raises(SecretNotFoundError, match="its key port is not"):
        await backend.get("database#port")
    with pytest.raises(SecretRefusedError, match="is a part of a secret"):
        await backend.remove("database#user")


async def test_what_is_missing_or_no_document_is_said(backend: SecretsManager) -> None:
    with pytest.raises(SecretNotFoundError, match="Is the name right"):
        await backend.get("nothing")
    await backend.set("plain", Secret("canary-88"))
    with pytest.raises(SecretRefusedError, match="no JSON document") as caught:
        await backend.get("plain#key")
    assert "canary-88" not in repr(caught.value)


async def test_an_endpoint_that_is_away_is_said(variables: dict[str, str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        away = SecretsManager.connect(variables | {"AWS_ENDPOINT_URL": url})
        try:
            with pytest.raises(BackendAwayError, match="cannot be used: EndpointConnectionError"):
                await away.get("x")
        finally:
            await away.aclose()


@pytest.mark.feature("CX-01")
async def test_references_resolve(
    backend: SecretsManager, variables: dict[str, str], tmp_path: Path
) -> None:
    await backend.set("app", Secret("t"))
    (tmp_path / "state/local").mkdir(parents=True)
    secrets = Secrets(tmp_path / "state/local", variables=variables)
    assert secrets.resolve("aws:app").reveal() == "t"


def test_no_region_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(SecretRefusedError, match="export AWS_REGION"):
        SecretsManager.connect({})


@pytest.mark.feature("CX-03")
async def test_a_secret_is_due_by_its_tag_and_says_where_the_rule_is_kept(
    backend: SecretsManager, variables: dict[str, str], managed: Any
) -> None:
    await backend.set("citadel/tagged", Secret("t"))
    await backend.set("citadel/usual", Secret("t"))
    await backend._ask(
        "citadel/tagged",
        lambda: backend._client.tag_resource(
            SecretId="citadel/tagged", Tags=[{"Key": "citadel-rotate-days", "Value": "30"}]
        ),
    )
    addresses = ["aws:citadel/tagged", "aws:citadel/usual"]
    for days, due in ((29, set()), (30, {"aws:citadel/tagged"}), (90, set(addresses))):
        manager = managed(backend, clock=partial(_in, days))
        assert {item.path for item in await manager.due(addresses)} == due
        below = {item.path for item in await manager.due(["aws:citadel/"])}
        assert due <= below
    with pytest.raises(SecretRefusedError, match="is not kept here") as caught:
        await backend.set_rule("citadel/tagged", RotationRule(every_days=7))
    assert "its tag citadel-rotate-days" in caught.value.next_step


def _in(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days, minutes=1)

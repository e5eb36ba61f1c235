"""A value put into every backend shows up nowhere: no log, error, dump, metric, audit or file."""

from __future__ import annotations

import asyncio
import io
import json
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from prometheus_client import generate_latest

from hxp_enterprise_llm.configuration.audit import AuditLog
from hxp_enterprise_llm.configuration.secrets.access import EVERYTHING
from hxp_enterprise_llm.configuration.secrets.backends.aws import SecretsManager
from hxp_enterprise_llm.configuration.secrets.backends.base import Backend
from hxp_enterprise_llm.configuration.secrets.backends.kubernetes import KubernetesSecrets
from hxp_enterprise_llm.configuration.secrets.backends.memory import Memory
from hxp_enterprise_llm.configuration.secrets.backends.process import (
    Credentials,
    Files,
    Variables,
)
from hxp_enterprise_llm.configuration.secrets.backends.sealed import SealedFile
from hxp_enterprise_llm.configuration.secrets.backends.vault import Vault
from hxp_enterprise_llm.configuration.secrets.hooks import command_hook
from hxp_enterprise_llm.configuration.secrets.keyring import utc_now
from hxp_enterprise_llm.configuration.secrets.manager import SecretManager
from hxp_enterprise_llm.configuration.secrets.metrics import ages_text
from hxp_enterprise_llm.configuration.secrets.rules import RotationRule
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.store import SealedStore
from hxp_enterprise_llm.configuration.secrets.vault.settings import VaultSettings
from hxp_enterprise_llm.testing.kubernetes import ApiServer
from hxp_enterprise_llm.testing.security import Canary, overheard

HIDDEN = Canary()
CANARY = HIDDEN.value
Open = Callable[[], tuple[Backend, str]]


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield {"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    server.stop()


@pytest.fixture
def backends(
    tmp_path: Path, settings: VaultSettings, cluster: ApiServer, amazon: dict[str, str]
) -> dict[str, Open]:
    (tmp_path / "local").mkdir()
    (tmp_path / "credential").write_text(CANARY)
    (tmp_path / "credential").chmod(0o600)
    kubernetes = {"KUBECONFIG": str(cluster.kubeconfig())}
    return {
        "generated": lambda: (SealedFile(SealedStore(tmp_path / "local")), "app/token"),
        "memory": lambda: (Memory(), "app/token"),
        "vault": lambda: (Vault.connect(settings), "kv/canary#token"),
        "aws": lambda: (SecretsManager.connect(amazon), "canary#token"),
        "kubernetes": lambda: (KubernetesSecrets.connect(kubernetes), "default/canary#token"),
        "env": lambda: (Variables({"TOKEN": CANARY}), "TOKEN"),
        "file": lambda: (Files(tmp_path), "credential"),
        "credential": lambda: (Credentials(tmp_path), "credential"),
    }


@pytest.fixture
async def seen() -> AsyncIterator[io.StringIO]:
    """All that the loggers of all libraries say, at their most talkative."""
    asyncio.get_running_loop().set_debug(True)
    with overheard() as said:
        yield said


SCHEMES = ("generated", "memory", "vault", "aws", "kubernetes", "env", "file", "credential")


@pytest.mark.feature("CX-01", "CX-04", "CX-05")
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_value_shows_up_nowhere(
    scheme: str,
    backends: dict[str, Open],
    seen: io.StringIO,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    backend, path = backends[scheme]()
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\necho {CANARY}; echo {CANARY} >&2; exit $CITADEL_SECRET_FAILS\n")
    hook.chmod(0o700)
    manager = SecretManager(
        [backend],
        access=EVERYTHING,
        audit=AuditLog(tmp_path / "audit.jsonl"),
        environment="local",
        hook=command_hook("local"),
    )
    texts: list[str] = []

    async def attempt(work: Any) -> Any:
        try:
            result = await work
        except Exception as error:
            texts.extend(traceback.format_exception(error))
            texts.append(repr(error) + str(vars(error)))
            return None
        texts.append(repr(result) + f"{result}")
        with suppress(TypeError):
            texts.append(json.dumps(vars(result), default=str))
        return result

    await attempt(manager.set(path, Secret(CANARY), actor="test"))
    value = await attempt(manager.get(path, actor="test"))
    assert value.reveal() == CANARY
    await attempt(manager.get(path + "-none", actor="test"))
    await attempt(manager.get("../" + path, actor="test"))
    await attempt(manager.info(path, actor="test"))
    await attempt(manager.list(path.partition("/")[0], actor="test"))
    await attempt(manager.set("Not_A/Valid Name#x", Secret(CANARY), actor="test"))
    data = await attempt(manager.backup(Secret(f"{CANARY}-passphrase"), actor="test"))
    for passphrase in (f"{CANARY}-passphrase", f"{CANARY}-other"):
        await attempt(
            manager.restore(data or b"{}", Secret(passphrase), actor="test", dry_run=True)
        )
    await attempt(manager.rotate(path, actor="test", value=Secret(CANARY)))
    await attempt(manager.rotate(path, actor="test"))
    await attempt(manager.set_rule(path, RotationRule(hook=str(hook)), actor="test"))
    await attempt(manager.rotate(path, actor="test"))
    hook.write_text(hook.read_text().replace("$CITADEL_SECRET_FAILS", "3"))
    await attempt(manager.rotate(path, actor="test"))
    later = SecretManager(
        [backend],
        access=EVERYTHING,
        audit=AuditLog(tmp_path / "audit.jsonl"),
        clock=lambda: utc_now() + timedelta(days=100),
    )
    found = await attempt(later.look([f"{scheme}:{path}", f"{scheme}:{path}-none"]))
    texts.append(ages_text(found, utc_now(), "local"))
    texts.append(generate_latest(later.metrics.registry).decode())
    await attempt(manager.check())
    texts += [repr(manager), repr(backend), str(vars(manager)), str(vars(backend))]
    await manager.aclose()
    texts.append(generate_latest(manager.metrics.registry).decode())
    texts.append(seen.getvalue())
    texts.extend(capsys.readouterr())
    texts += [file.read_text() for file in _own_files(tmp_path)]
    HIDDEN.expect_hidden(*texts)
    assert "secret.read" in (tmp_path / "audit.jsonl").read_text()


def _own_files(folder: Path) -> list[Path]:
    """Return what we have written: the audit log, and the sealed file with its keys."""
    found = [*folder.glob("audit*"), *folder.glob("secrets.*"), *folder.glob("local/*")]
    return [file for file in found if file.is_file()]

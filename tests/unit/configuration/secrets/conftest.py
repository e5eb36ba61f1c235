"""Managers of secrets over backends in memory and in files, with a clock that tests move."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.audit import AuditLog
from hxp_enterprise_llm.configuration.secrets import backup
from hxp_enterprise_llm.configuration.secrets.access import EVERYTHING
from hxp_enterprise_llm.configuration.secrets.backends.base import Backend
from hxp_enterprise_llm.configuration.secrets.backends.memory import Memory
from hxp_enterprise_llm.configuration.secrets.backends.sealed import SealedFile
from hxp_enterprise_llm.configuration.secrets.errors import BackendAwayError
from hxp_enterprise_llm.configuration.secrets.manager import SecretManager
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.store import SealedStore

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
FORMATS = Path(__file__).with_name("formats")
"""Files as earlier versions wrote them."""
PASSPHRASE = Secret("correct horse battery")
Make = Callable[..., SecretManager]


class Remote(Memory):
    """A remote backend that can go away."""

    remote = True
    away = False

    async def get(self, path: str) -> Secret:
        if self.away:
            raise BackendAwayError("the backend is away")
        return await super().get(path)


class Now:
    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def make(log: Path, now: Now) -> Make:
    def made(
        *backends: Backend, access: Any = EVERYTHING, policy: Any = None, **more: Any
    ) -> SecretManager:
        return SecretManager(
            backends or (Memory(clock=now),),
            access=access,
            audit=AuditLog(log, clock=now),
            policy=policy,
            clock=now,
            **more,
        )

    return made


@pytest.fixture
def sealed(tmp_path: Path, now: Now) -> SealedFile:
    (tmp_path / "local").mkdir()
    return SealedFile(SealedStore(tmp_path / "local", clock=now))


@pytest.fixture
def of_format_2(tmp_path: Path) -> Path:
    """Return the state folder of an environment as the version before left it."""
    folder = tmp_path / "older"
    folder.mkdir()
    for name, target in (
        ("ring.json", tmp_path / "secrets.key"),
        ("sealed-2.json", folder / "secrets.json"),
    ):
        target.write_bytes((FORMATS / name).read_bytes())
        target.chmod(0o600)
    return folder


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    # scrypt's cost is the user's protection, not the test's.
    monkeypatch.setattr(backup.pack, "__kwdefaults__", {"cost": 2})


def outcomes(log: Path) -> list[tuple[str, str, str]]:
    """Return action, resource and outcome of each record."""
    events = [record.event for record in AuditLog(log).records()]
    return [(event.action, event.resource, event.outcome) for event in events]


@contextmanager
def full_disk(file: Path) -> Iterator[None]:
    """Let this process write no byte behind the end of a file, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

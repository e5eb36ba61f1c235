"""Documents in memory: servers that share a shelf agree, without any socket."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.revisions import MemoryShelf, Revisions
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.series import ConfigurationMetrics
from hxp_enterprise_llm.configuration.service import config
from hxp_enterprise_llm.configuration.service.backend import FileBackend
from hxp_enterprise_llm.configuration.service.document import (
    OneStep,
    Order,
    Proposal,
    ServedDocument,
)
from hxp_enterprise_llm.configuration.service.documents import Documents
from hxp_enterprise_llm.configuration.service.door import Call, digest, keys_of
from hxp_enterprise_llm.configuration.service.errors import (
    LimitReachedError,
    PreconditionFailedError,
    RevisionConflictError,
)
from hxp_enterprise_llm.configuration.service.fleet import MemoryFleet, Replica, view
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey, kinds
from hxp_enterprise_llm.configuration.service.process import service_of
from hxp_enterprise_llm.configuration.service.shared import dsn_of
from hxp_enterprise_llm.core.exceptions import InvalidConfigurationError
from hxp_enterprise_llm.schemas.configuration_service import (
    ConfigurationServiceConfig,
    DatabaseStore,
    Running,
)
from hxp_enterprise_llm.utilities.logging import get_logger
from hxp_enterprise_llm.utilities.redaction import Redactor

NOW = datetime(2026, 11, 21, tzinfo=UTC)
MAIN = DocumentKey("gateway", "main")
GATEWAY: dict[str, Any] = {"listen": {"port": 8000}, "metrics": {"port": 9101}}


def served(shelf: MemoryShelf) -> ServedDocument:
    return ServedDocument(
        MAIN,
        kinds()["gateway"],
        shelf,
        environment="test",
        signer=None,
        metrics=ConfigurationMetrics(),
        logger=get_logger("test"),
        now=lambda: NOW,
    )


def order(base: int | None, actor: str = "ann") -> Order:
    def judge(_: Proposal) -> str | None:
        return None

    return Order(actor, "a test", base, judge)


@pytest.mark.feature("CU-04")
async def test_two_servers_on_one_shelf_come_to_the_same_revision() -> None:
    shelf = MemoryShelf()
    one, two = served(shelf), served(shelf)
    await one.apply(GATEWAY, order(0))
    assert await two.follow(1)
    assert not await two.follow(1)
    assert two.revision == one.revision
    await two.apply({**GATEWAY, "credential": "other"}, order(1, "bob"))
    with pytest.raises(PreconditionFailedError, match="revision 2 serves"):
        await one.apply(GATEWAY, order(1))
    assert one.revision == two.revision
    assert one.snapshot.config.credential == "other"
    assert len(shelf.records) == 2


async def test_a_shelf_takes_only_the_next_record() -> None:
    shelf = MemoryShelf()
    step = OneStep(shelf)
    step.expected = 1
    with pytest.raises(RevisionConflictError, match="revision 2"):
        await step.add({1: b"{}"})
    step.expected = 0
    assert await step.add({1: b"{}"})
    with pytest.raises(RevisionConflictError):
        await step.add({1: b"{}"})


async def test_a_revision_of_a_newer_program_is_refused_once_and_the_old_one_serves() -> None:
    shelf = MemoryShelf()
    one, two = served(shelf), served(shelf)
    await one.apply(GATEWAY, order(0))
    await two.follow(1)
    newer = {**one.snapshot.document, "of-a-newer-program": 1}
    two._step.expected = 1
    await two.revisions.append(newer, actor="ann", reason="x")
    with pytest.raises(Exception, match="of-a-newer-program"):
        await one.follow(2)
    assert not await one.follow(2)
    assert one.revision is not None
    assert one.revision.number == 1


async def test_the_fleet_says_who_is_silent_and_behind() -> None:
    fleet = MemoryFleet()
    running = (Running(kind="gateway", name="main", number=1, id="a" * 64),)
    await fleet.report(Replica("gw-2", "gw", running, NOW))
    await fleet.report(Replica("gw-1", "gw", (), NOW - timedelta(days=8)))
    old, new = await fleet.all()
    late = view(old, {}, NOW, 60)
    assert (late.replica, late.silent, late.behind) == ("gw-1", True, ())
    assert not view(new, {MAIN: "a" * 64}, NOW, 60).behind
    assert view(new, {MAIN: "b" * 64}, NOW, 60).behind == ("gateway/main",)
    await fleet.forget(NOW - timedelta(days=7))
    assert [one.name for one in await fleet.all()] == ["gw-2"]


async def test_one_document_too_many_does_not_keep_the_others_from_being_followed(
    tmp_path: Path,
) -> None:
    backend = FileBackend(tmp_path)
    names = [DocumentKey("gateway", name) for name in ("a", "b", "c")]
    for key in names:
        await Revisions(backend.shelf(key), of=f"test/{key}").append(
            kinds()["gateway"].model.model_validate(GATEWAY).model_dump(mode="json"),
            actor="ann",
            reason="x",
        )
    failed: list[tuple[DocumentKey, str]] = []
    documents = Documents(
        backend,
        kinds(),
        environment="test",
        most=2,
        told=lambda *_: None,
        failed=lambda key, error: failed.append((key, error.message)),
        signer=None,
        metrics=ConfigurationMetrics(),
        logger=get_logger("test"),
        now=lambda: NOW,
    )
    await documents.follow()
    served = {key for key, _ in documents.all()}
    assert len(served) == 2
    assert failed == [
        (key, "2 documents are served, which is the limit") for key in names if key not in served
    ]


async def test_a_fleet_has_an_end_and_those_it_knows_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hxp_enterprise_llm.configuration.service.fleet.MOST", 2)
    fleet = MemoryFleet()
    for name in ("gw-1", "gw-2", "gw-1"):
        await fleet.report(Replica(name, "gw", (), NOW))
    with pytest.raises(LimitReachedError, match="gw-3 is not kept: 2 replicas"):
        await fleet.report(Replica("gw-3", "gw", (), NOW))
    assert [one.name for one in await fleet.all()] == ["gw-1", "gw-2"]


def test_the_first_administrator_and_others_have_keys() -> None:
    service = ConfigurationServiceConfig.model_validate(
        {"environment": "test", "keys": [{"principal": "ada", "sha256": "0" * 64}]}
    )
    keys = keys_of(service, Secret("k"))
    assert keys == {"citadel": (digest("k"),), "ada": ("0" * 64,)}


def test_a_database_is_named_without_its_password() -> None:
    store = DatabaseStore(kind="postgres", host="10.0.0.5", user="u", database="d")
    assert dsn_of(store) == "postgresql://u@10.0.0.5:5432/d"
    local = store.model_copy(update={"host": "/run/postgresql"})
    assert dsn_of(local) == "postgresql://u@/d?host=/run/postgresql&port=5432"


@pytest.mark.parametrize("environ", [{}, {"CREDENTIALS_DIRECTORY": "/nonexistent"}])
def test_a_missing_credential_says_where_to_put_it(environ: Mapping[str, str]) -> None:
    with pytest.raises(InvalidConfigurationError, match="credential key is missing"):
        config.credential("key", environ)


def test_servers_with_one_signing_credential_sign_with_one_key(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "signing").write_text("a signing secret of a test")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    service = ConfigurationServiceConfig(environment="test", signing="signing")
    one, two = config.signer_of(service), config.signer_of(service)
    assert one is not None
    assert two is not None
    assert two.verify("a" * 64, one.sign("a" * 64))
    assert config.signer_of(service.model_copy(update={"signing": None})) is None


def test_no_log_and_no_error_shows_a_credential_that_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("key", "signing", "seal-1", "seal-2", "audit", "database")
    values = {name: f"{name}-of-a-test-7f3a91c24d" for name in names}
    for name, value in values.items():
        (tmp_path / name).write_text(value)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    described = ConfigurationServiceConfig(
        environment="test",
        signing="signing",
        sealing=("seal-1", "seal-2"),
        audit_key="audit",
        store=DatabaseStore(kind="postgres", host="10.0.0.5"),
    )
    redactor = Redactor()
    service = service_of(described, redactor, ConfigurationMetrics())
    for value in values.values():
        assert value not in redactor.text(f"it was {value}, it said")
        shown = service.faults.safe(InvalidConfigurationError(f"it was {value}"), "test")
        assert value not in shown.message


def test_a_call_starts_undecided() -> None:
    assert Call.__dataclass_fields__["decided"].default is False

"""Administrators say who can log in; people log in, and what they did stands in a keyed log."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.configuration.test_service_api import GATEWAY, MAIN

from hxp_enterprise_llm.configuration.audit import AuditEvent, AuditLog
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.sealing import CredentialKeys
from hxp_enterprise_llm.configuration.security.signing import Signer
from hxp_enterprise_llm.configuration.service.backups import open_backup
from hxp_enterprise_llm.core.exceptions import InvalidConfigurationError
from hxp_enterprise_llm.testing.clock import Calendar
from hxp_enterprise_llm.testing.configuration_service import (
    ADMINISTRATOR,
    Reply,
    ServiceUnderTest,
    known,
)
from hxp_enterprise_llm.testing.waiting import until

PASSWORD = "a long password of hers"
PEOPLE = known(ada=("operator",), eve=("reader",), gateway=("replica",))
QUICK = {"security": {"retention": {"every": 0.05}}}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ServiceUnderTest]:
    robot = {"id": "robot", "kind": "service", "roles": ("reader",)}
    settings = PEOPLE | {"principals": (*PEOPLE["principals"], robot)}
    async with ServiceUnderTest(tmp_path, settings=settings) as running:
        await running.apply(GATEWAY)
        yield running


async def login(service: ServiceUnderTest, password: str = PASSWORD) -> Reply:
    given = {"name": "ada", "password": password}
    return await service.ask("POST", "/v1/sessions", given, by=None)


async def read(service: ServiceUnderTest, token: str) -> int:
    return (await service.ask("GET", MAIN, by=None, headers=bearer(token))).status


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def eventually(look: Callable[[], Any]) -> Any:
    """Return the first truthy answer of `look`."""

    async def asked() -> Any:
        return look()

    return await until(asked)


def segments(service: ServiceUnderTest) -> list[Path]:
    return sorted(service.state.glob("audit-*.jsonl"))


def holding(folder: Path, text: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


@pytest.mark.feature("CC-03", "CC-07")
async def test_an_administrator_gives_a_password_and_takes_it_away(
    service: ServiceUnderTest,
) -> None:
    account = "/v1/accounts/ada"
    assert (await login(service)).status == 401
    assert (await service.ask("PUT", account, {"password": PASSWORD})).status == 204
    token = (await login(service)).body["token"]
    assert await read(service, token) == 200
    listed = await service.ask("GET", "/v1/accounts")
    assert listed.body == {"items": [{"name": "ada", "sessions": 1}]}
    assert (await service.ask("PUT", account, {"password": PASSWORD + "!"})).status == 204
    assert await read(service, token) == 401, "a new password ends what was open"
    assert (await login(service)).status == 401
    token = (await login(service, PASSWORD + "!")).body["token"]
    assert (await service.ask("DELETE", account)).status == 204
    assert await read(service, token) == 401
    gone = await service.ask("DELETE", account)
    assert (gone.status, gone.body["code"]) == (404, "security.person-not-found")
    text = (service.state / "audit.jsonl").read_text()
    assert PASSWORD not in text
    assert token not in text
    actions = [json.loads(line)["action"] for line in text.splitlines()]
    assert actions.count("password.set") == 2
    assert actions.count("password.remove") >= 1
    kept = (service.state / "accounts.json").read_text()
    assert PASSWORD not in kept


@pytest.mark.feature("CC-02")
@pytest.mark.parametrize("by", ["ada", "eve", "gateway"])
async def test_nobody_but_an_administrator_says_who_can_log_in(
    service: ServiceUnderTest, by: str
) -> None:
    body = {"password": PASSWORD}
    asked = [
        await service.ask("GET", "/v1/accounts", by=by),
        await service.ask("PUT", f"/v1/accounts/{by}", body, by=by),
        await service.ask("DELETE", "/v1/accounts/ada", by=by),
    ]
    assert [(one.status, one.body["code"]) for one in asked] == [(403, "security.forbidden")] * 3


@pytest.mark.feature("CC-03")
@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("nobody", {"password": PASSWORD}, 404, "security.person-not-found"),
        ("robot", {"password": PASSWORD}, 404, "security.person-not-found"),
        ("ada", {"password": "short"}, 400, "security.password-refused"),
        ("ada", {"password": "x" * 1025}, 422, "input.invalid"),
        ("ada", {}, 422, "input.invalid"),
    ],
)
async def test_what_is_no_password_and_who_is_no_person_is_refused(
    service: ServiceUnderTest, path: str, body: Any, status: int, code: str
) -> None:
    said = await service.ask("PUT", f"/v1/accounts/{path}", body)
    assert said.status == status
    assert said.body["code"] == code or status == 422
    assert "short" not in json.dumps(said.body.get("errors", []))


@pytest.mark.feature("CC-07")
async def test_records_of_91_days_ago_are_exported_and_then_deleted_while_it_serves(
    tmp_path: Path,
) -> None:
    clock = Calendar(datetime(2026, 8, 20, 12, tzinfo=UTC))
    exports = tmp_path / "mount"
    settings = {"security": {"retention": {"folder": str(exports), "every": 0.02}}}
    service = ServiceUnderTest(tmp_path / "state", settings=settings, now=clock)
    async with service:
        await service.apply(GATEWAY)
        clock.forward(days=1)
        await eventually(lambda: segments(service))
        clock.forward(days=89, hours=23)
        assert (await service.ask("GET", MAIN)).status == 200
        assert segments(service), "kept for 90 days"
        clock.forward(days=1)
        # The mount is away: nothing is deleted, and the service says so.
        await eventually(lambda: "retention" in str(dict(service.service.causes)))
        ready = await service.ask("GET", "/health/ready", by=None)
        assert "audit exports" in str(ready.body["checks"])
        assert segments(service)
        exports.mkdir()
        await eventually(lambda: list(exports.glob("*.manifest.json")))
        (first, *_) = sorted(exports.glob("audit-*.jsonl"))
        await eventually(lambda: not (service.state / first.name).exists())
        assert "configuration.apply" in first.read_text()
        manifest = json.loads((exports / f"{first.name}.manifest.json").read_text())
        assert manifest["records"] >= 2
        await eventually(lambda: not service.service.causes)


@pytest.mark.feature("CC-07")
async def test_the_log_has_a_key_that_is_given_and_what_was_written_before_stays(
    tmp_path: Path,
) -> None:
    key = b"the key of a test"
    before = AuditLog(tmp_path / "audit.jsonl")
    before.append(AuditEvent("ada", "configuration.apply", "configuration:a", "ok"))
    before.close()
    async with ServiceUnderTest(tmp_path, audit_key=key, settings=QUICK) as service:
        assert (await service.ask("GET", "/v1/documents")).status == 200
        assert not service.service.causes
    assert AuditLog(tmp_path / "audit.jsonl", key=key).verify().number >= 2
    assert not AuditLog(tmp_path / "audit.jsonl").fits()
    assert not (tmp_path / "audit.key").exists()
    async with ServiceUnderTest(tmp_path, audit_key=b"another key", settings=QUICK) as service:
        assert (await service.ask("GET", "/v1/documents")).status == 200
        assert not service.service.causes
    assert len(segments(service)) == 2


@pytest.mark.feature("CC-04")
async def test_what_is_stored_is_sealed_and_served_all_the_same(tmp_path: Path) -> None:
    old, new = Secret("a sealing credential"), Secret("a newer sealing credential")
    document = {**GATEWAY, "credential": "canary-7f3a91"}
    backups = {"folder": str(tmp_path / "backups")}
    async with ServiceUnderTest(tmp_path / "s", sealing=CredentialKeys([old])) as service:
        assert (await service.apply(document)).status == 200
    sealed = ServiceUnderTest(
        tmp_path / "s", sealing=CredentialKeys([new, old]), settings={"backup": backups}
    )
    async with sealed as service:
        assert (await service.ask("GET", MAIN)).body["document"]["credential"] == "canary-7f3a91"
        assert (await service.apply({**document, "credential": "other"}, 1)).status == 200
        (archive,) = await eventually(lambda: list((tmp_path / "backups").glob("*.sealed")))
    assert holding(tmp_path, b"canary-7f3a91") == []
    opened = open_backup(CredentialKeys([new, old]), "test", archive)
    assert opened.startswith(b"\x1f\x8b")
    lost = CredentialKeys([Secret("quite another credential")])
    async with ServiceUnderTest(tmp_path / "s", sealing=lost) as service:
        ready = await service.ask("GET", "/health/ready", by=None)
        assert (ready.status, ready.body["status"]) == (503, "unhealthy")
    for keys, status in (([new], 500), ([new, old], 200)):
        async with ServiceUnderTest(tmp_path / "s", sealing=CredentialKeys(keys)) as service:
            assert (await service.ask("GET", MAIN)).body["document"]["credential"] == "other"
            history = await service.ask("GET", MAIN + "/history")
            assert history.status == status
    assert [one["number"] for one in history.body["items"]] == [2, 1]


@pytest.mark.feature("CC-03", "CC-04")
async def test_the_section_is_taken_while_it_runs_but_for_level_and_retention(
    service: ServiceUnderTest,
) -> None:
    await service.ask("PUT", "/v1/accounts/ada", {"password": PASSWORD})
    token = (await login(service)).body["token"]
    security = service.config.security
    stricter = security.model_copy(
        update={"attempts": security.attempts.model_copy(update={"tries": 1})}
    )
    await service.service.reload(service.config.model_copy(update={"security": stricter}))
    assert await read(service, token) == 200
    assert (await login(service, "a wrong password")).status == 401
    assert (await login(service)).status == 401, "one wrong password holds the account now"
    for change in ({"level": "low"}, {"retention": {"days": 120}}):
        more = type(security).model_validate(security.model_dump() | change)
        with pytest.raises(InvalidConfigurationError, match=r"security\..* needs a restart"):
            await service.service.reload(service.config.model_copy(update={"security": more}))


@pytest.mark.feature("CC-03")
async def test_the_administrator_comes_in_by_key_alone(service: ServiceUnderTest) -> None:
    said = await service.ask("PUT", f"/v1/accounts/{ADMINISTRATOR}", {"password": PASSWORD})
    assert said.status == 404


@pytest.mark.feature("CC-06")
async def test_an_auditor_reads_whether_the_service_gives_what_its_level_asks_for(
    tmp_path: Path,
) -> None:
    settings = known(aud=("auditor",), ada=("reader",))
    signer = Signer.new()
    async with ServiceUnderTest(tmp_path, signer=signer, settings=settings) as service:
        await service.apply(GATEWAY)
        refused = await service.ask("GET", "/v1/compliance", by="ada")
        assert (refused.status, refused.body["code"]) == (403, "security.forbidden")
        said = (await service.ask("GET", "/v1/compliance", by="aud")).body
    assert (said["level"], said["compliant"]) == ("medium", False)
    outcomes = {one["id"]: one["outcome"] for one in said["findings"]}
    for check in ("S101", "S103", "S104", "S203", "S301", "S302", "S303", "S401", "S402"):
        assert outcomes[check] == "pass", check
    assert (outcomes["S502"], outcomes["S202"]) == ("not-asked", "unknown")
    assert said["counts"]["fail"] == 0

"""The running service watches its audit log: unusual access, old records, a log that was cut."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.configuration.security.test_passwords import CHEAP

from hxp_enterprise_llm.configuration.audit import AuditEvent, AuditLog, Head
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security import ConfigurationSecurity, SecurityConfig
from hxp_enterprise_llm.configuration.security.access import AccessRules, Do
from hxp_enterprise_llm.configuration.security.accounts import FileAccounts
from hxp_enterprise_llm.configuration.security.anomalies import ACTION, Anomaly, Kind
from hxp_enterprise_llm.configuration.security.compliance import Facts, Outcome
from hxp_enterprise_llm.configuration.security.errors import (
    ForbiddenError,
    LoginError,
    PasswordRefusedError,
    SessionError,
)
from hxp_enterprise_llm.configuration.security.passwords import PasswordPolicy, Passwords
from hxp_enterprise_llm.configuration.security.retention import FolderExports, Retention
from hxp_enterprise_llm.configuration.security.watch import Watch
from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.schemas.access import Principal, PrincipalKind
from hxp_enterprise_llm.schemas.security import Thresholds
from hxp_enterprise_llm.testing import waiting
from hxp_enterprise_llm.testing.clock import Calendar

ADA = Principal(id="ada", roles=("operator",))
GATE = Principal(id="gateway", kind=PrincipalKind.SERVICE, roles=("reader",))
QUICK = SecurityConfig(
    access=AccessRules(principals=(ADA, GATE)),
    anomalies=Thresholds(learning=0, refusals=3),
    watch_every=0.005,
    check_every=0.005,
    sweep_every=0.005,
)
CANARY = "canary-7f3a91-canary-7f3a91"


@pytest.fixture
def retention(audit: AuditLog, tmp_path: Path, clock: Calendar) -> Retention:
    (tmp_path / "exports").mkdir()
    return Retention(audit, FolderExports(tmp_path / "exports"), clock=clock)


@pytest.fixture
async def security(
    audit: AuditLog, retention: Retention, clock: Calendar, tmp_path: Path
) -> AsyncIterator[ConfigurationSecurity]:
    policy = PasswordPolicy.model_validate(CHEAP | {"refusal_after": 0})
    service = ConfigurationSecurity(
        QUICK,
        audit=audit,
        accounts=FileAccounts(tmp_path / "accounts.json"),
        passwords=Passwords(policy),
        retention=retention,
        now=clock,
    )
    async with service:
        yield service


async def until(holds: Callable[[], bool]) -> None:
    async def look() -> bool:
        return holds()

    await waiting.until(look, seconds=5)


def files(folder: Path) -> list[str]:
    return [file.read_text() for file in folder.rglob("*") if file.is_file()]


@pytest.mark.feature("CC-06")
async def test_unusual_access_is_an_event_a_log_line_and_a_count(
    security: ConfigurationSecurity, audit: AuditLog, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Anomaly] = []
    stop = security.on_anomaly(told.append)
    security.authorize(ADA, Do.READ, "configuration:hosts")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(ForbiddenError):
                security.authorize(ADA, Do.READ, "secrets:generated:postgres/admin")
        await until(lambda: Kind.REFUSALS in [one.kind for one in told])
    assert [one.kind for one in told] == [Kind.NEW_ACTOR, Kind.REFUSALS]
    events = [one.event for one in audit.records() if one.event.action == ACTION]
    assert [event.detail["kind"] for event in events] == ["new-actor", "refusals"]
    assert events[1].resource == "actors:ada"
    exposed = security.metrics.expose().decode()
    assert 'citadel_security_anomalies_total{kind="refusals"} 1.0' in exposed
    # A series that begins with its first finding would show an alert no increase.
    assert 'citadel_security_anomalies_total{kind="burst"} 0.0' in exposed
    assert "unusual-access" in caplog.text
    stop()
    report = await security.compliance()
    watched = next(one for one in report.findings if one.id == "S303")
    assert watched.evidence == "found since the start: 1 new-actor, 1 refusals"


@pytest.mark.feature("CC-06")
async def test_who_stands_in_the_log_is_not_new_after_a_restart(
    security: ConfigurationSecurity, clock: Calendar
) -> None:
    told: list[Anomaly] = []
    security.authorize(ADA, Do.READ, "configuration:hosts")
    await security.stop()
    security.on_anomaly(told.append)
    clock.forward(minutes=1)
    async with security:
        security.authorize(ADA, Do.READ, "configuration:hosts")
        security.authorize(GATE, Do.READ, "configuration:hosts")
        await until(lambda: bool(told))
    assert [(one.kind, one.actor) for one in told] == [(Kind.NEW_ACTOR, "gateway")]


@pytest.mark.feature("CC-06")
async def test_services_have_no_hours(security: ConfigurationSecurity, clock: Calendar) -> None:
    told: list[Anomaly] = []
    security.on_anomaly(told.append)
    clock.forward(hours=12)
    for who in (GATE, ADA):
        security.authorize(who, Do.READ, "configuration:hosts")
    await until(lambda: len(told) == 3)
    assert (Kind.OFF_HOURS, "ada") in [(one.kind, one.actor) for one in told]
    assert (Kind.OFF_HOURS, "gateway") not in [(one.kind, one.actor) for one in told]


@pytest.mark.feature("CC-07")
async def test_old_records_are_exported_and_deleted_while_it_runs(
    security: ConfigurationSecurity, retention: Retention, tmp_path: Path, clock: Calendar
) -> None:
    security.authorize(ADA, Do.READ, "configuration:hosts")
    clock.forward(days=1)
    await until(lambda: bool(retention.segments()))
    clock.forward(days=90)
    await until(lambda: len(list((tmp_path / "exports").iterdir())) >= 2)
    await until(lambda: not [one for one in retention.records() if one.event.actor == "ada"])
    assert "retention" not in security.causes


@pytest.mark.feature("CC-07")
async def test_a_failed_export_degrades_the_service_until_it_works(
    security: ConfigurationSecurity, retention: Retention, tmp_path: Path, clock: Calendar
) -> None:
    security.authorize(ADA, Do.READ, "configuration:hosts")
    clock.forward(days=1)
    await until(lambda: bool(retention.segments()))
    (tmp_path / "exports").rename(tmp_path / "away")
    clock.forward(days=90)
    await until(lambda: "retention" in security.causes)
    assert "cannot be exported" in security.causes["retention"]
    assert "ada" in [one.event.actor for one in retention.records()]
    (tmp_path / "away").rename(tmp_path / "exports")
    await until(lambda: "retention" not in security.causes)


@pytest.mark.feature("CC-05")
async def test_a_log_that_was_cut_off_is_noticed_while_it_runs(audit: AuditLog) -> None:
    async with ConfigurationSecurity(QUICK, audit=audit) as security:
        for _ in range(3):
            security.authorize(ADA, Do.READ, "configuration:hosts")
        await until(lambda: (security._watch._noted or Head(0, "")).number >= 3)
        whole = audit.path.read_bytes()
        audit.path.write_bytes(whole[: whole.index(b"\n") + 1])
        await until(lambda: "audit chain" in security.causes)
        assert "was cut off" in security.causes["audit chain"]


@pytest.mark.feature("CC-05")
def test_a_watch_over_a_log_of_one_file_needs_no_retention(audit: AuditLog) -> None:
    watch = Watch(audit, None, Thresholds(), ())
    audit.append(AuditEvent("ada", "configuration.read", "", "ok"))
    watch.walk()
    assert watch.retain() == ()
    assert watch.counted()[0] == 1


@pytest.mark.feature("CC-06", "CX-05")
async def test_compliance_takes_what_the_service_knows_itself(
    security: ConfigurationSecurity, audit: AuditLog, clock: Calendar
) -> None:
    security.authorize(ADA, Do.READ, "configuration:hosts")
    await until(lambda: sum(1 for _ in audit.records()) == 2)
    clock.forward(days=2)
    report = await security.compliance(Facts(secrets_due=0))
    outcomes = {one.id: one.outcome for one in report.findings}
    for check in ("S101", "S103", "S202", "S301", "S302", "S303"):
        assert outcomes[check] is Outcome.PASS, report.text()
    assert outcomes["S104"] is Outcome.FAIL, "the tests' passwords are cheap"
    assert outcomes["S401"] is Outcome.UNKNOWN
    assert not report.compliant
    # The log is of the day before yesterday: it is rotated away meanwhile.
    await until(lambda: any(audit.path.parent.glob("audit-*.jsonl")))
    (segment,) = audit.path.parent.glob("audit-*.jsonl")
    segment.write_text(segment.read_text().replace("configuration", "konfiguration"))
    broken = await security.compliance()
    assert next(one for one in broken.findings if one.id == "S301").outcome is Outcome.FAIL


@pytest.mark.feature("CC-03", "CX-05")
async def test_a_canary_shows_up_nowhere(
    security: ConfigurationSecurity,
    audit: AuditLog,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Passwords and tokens are in no file, log, error, metric or report."""
    said: list[str] = []

    async def set_long() -> None:
        await security.set_password("ada", Secret(CANARY * 60), actor="root")

    with caplog.at_level(logging.DEBUG):
        await security.set_password("ada", Secret(CANARY), actor="root")
        opened = await security.login("ada", Secret(CANARY))
        token = opened.token.reveal()
        said += [repr(opened), repr(await security.authenticate(token)), repr(security.sessions)]
        for wrong, kind in (
            (lambda: security.login("eva", Secret(CANARY)), LoginError),
            (lambda: security.login(CANARY, Secret("x")), LoginError),
            (lambda: security.authenticate(CANARY), SessionError),
            (
                lambda: security.set_password("ada", Secret(CANARY * 60), actor="x"),
                PasswordRefusedError,
            ),
        ):
            with pytest.raises(kind) as caught:
                await wrong()
            assert isinstance(caught.value, CitadelError)
            said += [
                json.dumps(caught.value.as_data()),
                "".join(traceback.format_exception(caught.value)),
            ]
        await security.logout(token)
        said.append((await security.compliance()).json())
    said += [security.metrics.expose().decode(), caplog.text]
    said += files(tmp_path)
    for text in said:
        assert token not in text
        assert token.removeprefix("cts_") not in text
    shown = [text for text in said if CANARY in text]
    assert not shown, shown


@pytest.mark.feature("CC-03")
async def test_ended_sessions_are_swept(security: ConfigurationSecurity, clock: Calendar) -> None:
    ended = await security.sessions.open("ada")
    # Lists leave ended sessions out: only the store says that nothing is left of them.
    store = security.sessions._store
    assert await store.all() == (ended.session,)
    clock.now = ended.session.expires_at + timedelta(seconds=1)
    fresh = await security.sessions.open("gateway")

    async def swept() -> bool:
        return await store.all() == (fresh.session,)

    await waiting.until(swept, seconds=5)
    with pytest.raises(SessionError):
        await security.sessions.check(ended.token.reveal())
    assert (await security.sessions.check(fresh.token.reveal())).principal == "gateway"

"""The security service: logs in, authenticates, authorises, and keeps a record of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from tests.unit.configuration.security.test_passwords import CHEAP, RIGHT, WRONG

from hxp_enterprise_llm.configuration.audit import AuditError, AuditLog
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security import ConfigurationSecurity, SecurityConfig
from hxp_enterprise_llm.configuration.security.access import AccessRules, Do
from hxp_enterprise_llm.configuration.security.accounts import Account, FileAccounts
from hxp_enterprise_llm.configuration.security.errors import (
    AccessRulesError,
    ForbiddenError,
    LoginError,
    SessionError,
)
from hxp_enterprise_llm.configuration.security.passwords import PasswordPolicy, Passwords
from hxp_enterprise_llm.configuration.security.passwords import Verdict as Checked
from hxp_enterprise_llm.core.health import Verdict
from hxp_enterprise_llm.core.infrastructure_service import BaseInfrastructureService
from hxp_enterprise_llm.core.lifecycle import State
from hxp_enterprise_llm.schemas.access import (
    ANONYMOUS,
    AuthenticationMethod,
    Principal,
    PrincipalKind,
)
from hxp_enterprise_llm.testing.clock import Calendar

ADA = Principal(id="ada", roles=("operator",))
GATE = Principal(id="gateway", kind=PrincipalKind.SERVICE, roles=("reader",))
CONFIG = SecurityConfig(access=AccessRules(principals=(ADA, GATE)))
CANARY = "canary-7f3a91-canary"


@pytest.fixture
def accounts(tmp_path: Path) -> FileAccounts:
    return FileAccounts(tmp_path / "accounts.json")


@pytest.fixture
async def security(
    audit: AuditLog, clock: Calendar, accounts: FileAccounts
) -> AsyncIterator[ConfigurationSecurity]:
    policy = PasswordPolicy.model_validate(CHEAP | {"refusal_after": 0})
    service = ConfigurationSecurity(
        CONFIG, audit=audit, accounts=accounts, passwords=Passwords(policy), now=clock
    )
    async with service:
        yield service


def events(audit: AuditLog) -> list[tuple[str, str, str]]:
    return [(one.event.actor, one.event.action, one.event.outcome) for one in audit.records()]


@pytest.mark.feature("CC-01")
async def test_it_is_an_infrastructure_service(security: ConfigurationSecurity) -> None:
    from hxp_enterprise_llm.configuration import security as module

    assert module.ConfigurationSecurity is ConfigurationSecurity
    assert issubclass(ConfigurationSecurity, BaseInfrastructureService)
    assert security.state is State.READY
    assert security.name == "configuration-security"
    health = await security.health()
    assert health.verdict is Verdict.HEALTHY
    assert "audit" in [check.name for check in health.checks]


@pytest.mark.feature("CC-03", "CC-07")
async def test_a_person_logs_in_and_out_on_record(
    security: ConfigurationSecurity, audit: AuditLog, clock: Calendar
) -> None:
    await security.set_password("ada", RIGHT, actor="root")
    token = (await security.login("ada", RIGHT)).token.reveal()
    who = await security.authenticate(token)
    assert (who.principal, who.method) == (ADA, AuthenticationMethod.SESSION)
    assert who.expires is not None
    assert who.holds(clock())
    await security.logout(token)
    with pytest.raises(SessionError):
        await security.authenticate(token)
    assert events(audit) == [
        ("root", "password.set", "ok"),
        ("ada", "session.open", "ok"),
        ("ada", "session.close", "ok"),
    ]


@pytest.mark.feature("CC-03")
async def test_bcrypt_is_upgraded_at_the_next_login(
    security: ConfigurationSecurity, accounts: FileAccounts, audit: AuditLog
) -> None:
    old = bcrypt.hashpw(RIGHT.reveal().encode(), bcrypt.gensalt(4)).decode()
    await accounts.put(Account(id="ada", password_hash=old))
    with pytest.raises(LoginError):
        await security.login("ada", WRONG)
    assert await accounts.get("ada") == Account(id="ada", password_hash=old)
    await security.login("ada", RIGHT)
    account = await accounts.get("ada")
    assert account is not None
    assert str(account.password_hash).startswith("$argon2id$")
    await security.login("ada", RIGHT)
    assert events(audit)[1] == ("ada", "password.upgrade", "ok")


@pytest.mark.feature("CC-03")
async def test_a_login_does_not_say_what_was_wrong(
    security: ConfigurationSecurity, accounts: FileAccounts, audit: AuditLog
) -> None:
    await security.set_password("ada", RIGHT, actor="root")
    await accounts.put(Account(id="gone", password_hash=await security.passwords.hash(RIGHT)))
    said = set()
    for name, password in (
        ("ada", WRONG),
        ("eva", RIGHT),
        ("gateway", RIGHT),
        ("gone", RIGHT),
        (CANARY, RIGHT),
    ):
        with pytest.raises(LoginError) as caught:
            await security.login(name, password)
        said.add(str(caught.value))
    assert len(said) == 1
    denied = [actor for actor, _, outcome in events(audit) if outcome == "denied"]
    # Of nobody known only the first of a minute is a record of its own.
    assert denied == ["ada", "anonymous"]
    assert CANARY not in audit.path.read_text()


@pytest.mark.feature("CC-02", "CC-07")
async def test_each_decision_is_on_record(security: ConfigurationSecurity, audit: AuditLog) -> None:
    decision = security.authorize(ADA, Do.APPLY, "configuration:hosts.llm-1", reason="more memory")
    assert decision.allowed
    with pytest.raises(ForbiddenError):
        security.authorize(GATE, Do.APPLY, "configuration:hosts.llm-1")
    with pytest.raises(ForbiddenError):
        security.authorize(ANONYMOUS, Do.READ, "configuration:hosts.llm-1")
    assert events(audit) == [
        ("ada", "configuration.apply", "ok"),
        ("gateway", "configuration.apply", "denied"),
        ("anonymous", "configuration.read", "denied"),
    ]
    first = next(audit.records()).event
    assert first.resource == "configuration:hosts.llm-1"
    assert first.detail == {"role": "operator", "reason": "more memory"}


@pytest.mark.feature("CC-07")
async def test_what_cannot_be_recorded_is_not_allowed(
    security: ConfigurationSecurity, audit: AuditLog
) -> None:
    audit.close()
    audit.path.unlink(missing_ok=True)
    audit.path.mkdir()
    with pytest.raises(AuditError):
        security.authorize(ADA, Do.READ, "configuration:hosts")
    assert (await security.health()).verdict is Verdict.UNHEALTHY
    audit.path.rmdir()


@pytest.mark.feature("CC-03", "CC-07")
async def test_an_account_is_removed_with_its_sessions_on_record(
    security: ConfigurationSecurity, audit: AuditLog
) -> None:
    await security.set_password("ada", RIGHT, actor="root")
    token = (await security.login("ada", RIGHT)).token.reveal()
    assert await security.accounts.names() == ("ada",)
    assert await security.remove_account("ada", actor="root")
    assert not await security.remove_account("ada", actor="root")
    assert await security.accounts.names() == ()
    with pytest.raises(SessionError):
        await security.authenticate(token)
    with pytest.raises(LoginError):
        await security.login("ada", RIGHT)
    assert ("root", "password.remove", "ok") in events(audit)


@pytest.mark.feature("CC-03")
async def test_a_new_password_frees_a_held_account(security: ConfigurationSecurity) -> None:
    await security.set_password("ada", RIGHT, actor="root")
    for _ in range(CONFIG.attempts.tries):
        with pytest.raises(LoginError):
            await security.login("ada", WRONG)
    with pytest.raises(LoginError):
        await security.login("ada", RIGHT)
    await security.set_password("ada", RIGHT, actor="root")
    await security.login("ada", RIGHT)


@pytest.mark.feature("CC-02")
async def test_new_rules_hold_for_open_sessions(security: ConfigurationSecurity) -> None:
    await security.set_password("ada", RIGHT, actor="root")
    token = (await security.login("ada", RIGHT)).token.reveal()
    wrong: Any = AccessRules(principals=(Principal(id="ada", roles=("no-such",)),))
    with pytest.raises(AccessRulesError):
        await security.reload(SecurityConfig(access=wrong))
    security.authorize(ADA, Do.APPLY, "configuration:hosts")
    less = Principal(id="ada", roles=("reader",))
    await security.reload(SecurityConfig(access=AccessRules(principals=(less,))))
    with pytest.raises(ForbiddenError):
        security.authorize(ADA, Do.APPLY, "configuration:hosts")
    await security.reload(SecurityConfig())
    with pytest.raises(SessionError, match="its owner is gone"):
        await security.authenticate(token)


@pytest.mark.feature("CC-03")
async def test_a_new_password_ends_the_sessions_of_the_old_one(
    security: ConfigurationSecurity,
) -> None:
    await security.set_password("ada", RIGHT, actor="root")
    token = (await security.login("ada", RIGHT)).token.reveal()
    await security.set_password("ada", Secret("another good password"), actor="ada")
    with pytest.raises(SessionError):
        await security.authenticate(token)


@pytest.mark.feature("CC-05", "CC-07")
async def test_a_broken_chain_is_said_and_hinders_nobody(audit: AuditLog, clock: Calendar) -> None:
    service = ConfigurationSecurity(CONFIG, audit=audit, now=clock)
    async with service:
        service.authorize(ADA, Do.READ, "configuration:hosts")
    audit.path.write_text(audit.path.read_text().replace("hosts", "mists"))
    async with service:
        assert service.state is State.DEGRADED
        assert "record 1 was changed" in service.causes["audit chain"]
        assert service.authorize(ADA, Do.READ, "configuration:hosts").allowed


@pytest.mark.feature("CC-03")
async def test_many_wrong_passwords_hold_an_account_and_say_nothing_of_it(
    security: ConfigurationSecurity, clock: Calendar
) -> None:
    await security.set_password("ada", RIGHT, actor="root")

    async def said(password: Secret) -> str:
        try:
            await security.login("ada", password)
        except LoginError as error:
            return str(error)
        return ""

    texts = {await said(WRONG) for _ in range(9)}
    assert await said(RIGHT) == "", "nine wrong ones do not hold it, and are forgotten"
    texts |= {await said(WRONG) for _ in range(10)}
    texts.add(await said(RIGHT))
    assert len(texts) == 1
    clock.forward(minutes=14)
    assert await said(RIGHT) in texts
    clock.forward(minutes=1)
    assert await said(RIGHT) == "", "tries while it is held do not hold it longer"


@pytest.mark.feature("CC-03")
async def test_guesses_at_once_are_no_more_than_guesses_one_after_another(
    audit: AuditLog, clock: Calendar, accounts: FileAccounts
) -> None:
    checked = 0

    class Counting(Passwords):
        async def verify(self, kept: str | None, password: Secret) -> Checked:
            nonlocal checked
            checked += kept is not None
            return await super().verify(kept, password)

    policy = PasswordPolicy.model_validate(CHEAP | {"refusal_after": 0.2, "waiting": 200})
    service = ConfigurationSecurity(
        CONFIG, audit=audit, accounts=accounts, passwords=Counting(policy), now=clock
    )
    async with service:
        await service.set_password("ada", RIGHT, actor="root")
        guesses = [service.login("ada", WRONG) for _ in range(100)]
        said = await asyncio.gather(*guesses, return_exceptions=True)
        assert all(isinstance(one, LoginError) for one in said)
        assert checked == CONFIG.attempts.tries
        clock.forward(minutes=15)
        await service.login("ada", RIGHT)
        tries = CONFIG.attempts.tries
        assert [await service.attempts.admitted("ada") for _ in range(tries)] == [True] * tries


@pytest.mark.feature("CC-03")
async def test_one_password_is_checked_at_once_after_a_reload_too(audit: AuditLog) -> None:
    async with ConfigurationSecurity(CONFIG, audit=audit) as service:
        before = service.passwords
        assert before.policy.at_once == 1
        await service.reload(CONFIG.model_copy(update={"watch_every": 3.0}))
        assert service.passwords is before

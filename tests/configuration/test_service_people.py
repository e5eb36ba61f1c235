"""Accounts, sessions and tries: in this process and in PostgreSQL they do the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.configuration.test_service_shared import backend

from hxp_enterprise_llm.configuration.database import DatabaseAwayError
from hxp_enterprise_llm.configuration.security.accounts import Account
from hxp_enterprise_llm.configuration.security.sessions import Session
from hxp_enterprise_llm.configuration.service.backend import FileBackend, People
from hxp_enterprise_llm.testing.postgres import PostgresServer

pytestmark = pytest.mark.feature("CC-03", "CU-04")
NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)


@pytest.fixture(params=["files", "postgres"])
async def people(
    request: pytest.FixtureRequest, postgres: PostgresServer, tmp_path: Path
) -> AsyncIterator[People]:
    if request.param == "files":
        yield FileBackend(tmp_path / "revisions").people(tmp_path)
    else:
        yield backend(postgres).people(tmp_path)


def session(name: str, principal: str = "ada", minutes: int = 0) -> Session:
    at = NOW + timedelta(minutes=minutes)
    return Session(name * 64, principal, at, at, at + timedelta(hours=1))


async def test_accounts_are_kept_changed_and_removed(people: People) -> None:
    accounts = people.accounts
    assert await accounts.get("ada") is None
    await accounts.put(Account(id="ada", password_hash="old"))  # no password
    await accounts.put(Account(id="eve"))
    assert await accounts.names() == ("ada",)
    await accounts.upgrade("ada", "another", "new")
    assert await accounts.get("ada") == Account(id="ada", password_hash="old")
    await accounts.upgrade("ada", "old", "new")
    assert await accounts.get("ada") == Account(id="ada", password_hash="new")
    assert await accounts.remove("ada")
    assert not await accounts.remove("ada")
    assert await accounts.get("ada") is None


async def test_sessions_are_kept_used_listed_and_removed(people: People) -> None:
    sessions = people.sessions
    first, second, other = session("a"), session("b", minutes=1), session("c", "eve")
    for one in (second, first, other):
        await sessions.put(one)
    assert await sessions.get(first.digest) == first
    assert await sessions.of("ada") == (first, second)
    assert set(await sessions.all()) == {first, second, other}
    later = NOW + timedelta(minutes=9)
    await sessions.touch(first.digest, later)
    used = await sessions.get(first.digest)
    assert used is not None
    assert used.seen_at == later
    await sessions.remove()
    await sessions.remove(first.digest, second.digest)
    await sessions.touch(first.digest, later)
    assert await sessions.all() == (other,)


async def test_tries_are_counted_within_their_time(people: People) -> None:
    attempts = people.attempts
    for minute in range(3):
        at = NOW + timedelta(minutes=minute)
        assert await attempts.begin("ada", at, at - timedelta(minutes=15), 3)
    at = NOW + timedelta(minutes=14)
    assert not await attempts.begin("ada", at, at - timedelta(minutes=15), 3)
    assert await attempts.begin("eve", at, at - timedelta(minutes=15), 3)
    at = NOW + timedelta(minutes=15)
    assert await attempts.begin("ada", at, at - timedelta(minutes=15), 3)
    assert not await attempts.begin("ada", at, at - timedelta(minutes=15), 3)
    await attempts.forget("ada")
    assert await attempts.begin("ada", at, at - timedelta(minutes=15), 1)


async def test_tries_that_come_at_once_find_no_room_twice(people: People) -> None:
    since = NOW - timedelta(minutes=15)
    tries = [people.attempts.begin("ada", NOW, since, 10) for _ in range(20)]
    assert sum(await asyncio.gather(*tries)) == 10


async def test_environments_of_one_database_share_nothing(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    one, two = (backend(postgres, name).people(tmp_path) for name in ("a", "b"))
    await one.accounts.put(Account(id="ada", password_hash="x"))  # no password
    await one.sessions.put(session("a"))
    assert await one.attempts.begin("ada", NOW, NOW - timedelta(hours=1), 1)
    assert await two.accounts.names() == ()
    assert await two.sessions.all() == ()
    await two.sessions.remove("a" * 64)
    assert len(await one.sessions.all()) == 1
    assert await two.attempts.begin("ada", NOW, NOW - timedelta(hours=1), 1)


async def test_without_the_database_nobody_is_let_in_by_a_session(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    people = backend(postgres).people(tmp_path)
    await people.sessions.put(session("a"))
    await postgres.stop()
    with pytest.raises(DatabaseAwayError, match="accounts and sessions of test"):
        await people.sessions.get("a" * 64)

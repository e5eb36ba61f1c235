"""Sessions: they expire, idle out, are revoked and counted; tokens are kept nowhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import pickle
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hxp_enterprise_llm.configuration.security.errors import SessionError, TooManySessionsError
from hxp_enterprise_llm.configuration.security.sessions import (
    MemorySessions,
    SessionPolicy,
    Sessions,
)
from hxp_enterprise_llm.testing.clock import Calendar
from hxp_enterprise_llm.utilities.redaction import Redactor

pytestmark = pytest.mark.feature("CC-03")


def sessions(clock: Calendar, **policy: float) -> Sessions:
    return Sessions(SessionPolicy.model_validate(policy), clock=clock)


async def valid(all_of_them: Sessions, token: str) -> bool:
    try:
        await all_of_them.check(token)
    except SessionError:
        return False
    return True


async def test_a_token_has_256_random_bits_and_is_kept_as_its_digest(clock: Calendar) -> None:
    asked: list[int] = []

    def random(count: int) -> bytes:
        asked.append(count)
        return bytes(range(count))

    store = MemorySessions()
    opened = await Sessions(store=store, clock=clock, random=random).open("ada")
    token = opened.token.reveal()
    assert asked == [256 // 8]
    assert token == "cts_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert [one.digest for one in await store.all()] == [hashlib.sha256(token.encode()).hexdigest()]


@given(st.binary(min_size=32, max_size=32))
async def test_a_token_is_never_kept_or_shown(bits: bytes) -> None:
    store = MemorySessions()
    opened = await Sessions(store=store, random=lambda _: bits).open("ada")
    token = opened.token.reveal()
    kept = pickle.dumps(await store.all())
    assert token.encode() not in kept
    assert bits not in kept
    for shown in (repr(opened), str(opened), repr(opened.session), opened.session.id):
        assert token not in shown
    with pytest.raises(SessionError) as caught:
        await Sessions(store=MemorySessions()).check(token)
    assert token not in str(caught.value)


async def test_a_session_ends_after_its_lifetime_however_much_it_is_used(clock: Calendar) -> None:
    own = sessions(clock, lifetime=100, idle=40)
    token = (await own.open("ada")).token.reveal()
    for _ in range(3):
        clock.forward(seconds=30)
        assert (await own.check(token)).principal == "ada"
    clock.forward(seconds=9)
    assert await valid(own, token)
    clock.forward(seconds=1)
    assert not await valid(own, token)


async def test_a_session_ends_when_it_idles(clock: Calendar) -> None:
    own = sessions(clock, lifetime=1000, idle=40)
    token = (await own.open("ada")).token.reveal()
    clock.forward(seconds=39)
    assert await valid(own, token)
    clock.forward(seconds=40)
    assert not await valid(own, token)
    clock.forward(seconds=-40)
    assert not await valid(own, token), "what has ended is forgotten"


@pytest.mark.parametrize("signing", ["none", "HS256"])
async def test_a_json_web_token_is_no_session(clock: Calendar, signing: str) -> None:
    """PyJWT is what the documents name; a token of ours says nothing, so nobody can forge one."""
    own = sessions(clock)
    opened = (await own.open("ada")).token.reveal()
    assert "." not in opened
    assert b"ada" not in base64.urlsafe_b64decode(opened.removeprefix("cts_") + "==")
    claims = {"sub": "ada", "exp": int(clock().timestamp()) + 3600}
    parts = [json.dumps(part).encode() for part in ({"alg": signing, "typ": "JWT"}, claims)]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mark = hmac.digest(opened.encode(), text, "sha256") if signing == "HS256" else b""
    forged = f"{text.decode()}.{base64.urlsafe_b64encode(mark).decode().rstrip('=')}"
    assert await valid(own, opened)
    assert not await valid(own, forged)


async def test_a_clock_set_back_lengthens_no_session(clock: Calendar) -> None:
    own = sessions(clock)
    token = (await own.open("ada")).token.reveal()
    clock.forward(hours=-1)
    assert not await valid(own, token)


@settings(max_examples=50)
@given(
    st.integers(10, 100),
    st.integers(5, 50),
    st.lists(st.integers(0, 30), max_size=20),
)
async def test_no_use_outlasts_either_limit(lifetime: int, idle: int, steps: list[int]) -> None:
    clock = Calendar()
    own = sessions(clock, lifetime=lifetime, idle=idle)
    token = (await own.open("ada")).token.reveal()
    age, still = 0, True
    for step in steps:
        clock.forward(seconds=step)
        age += step
        # A twentieth of the idle time is not written down.
        must_end = age >= lifetime or step >= idle
        may_live = age < lifetime and step < idle - idle / 20
        lives = await valid(own, token)
        assert not (lives and (must_end or not still))
        assert lives or not (may_live and still)
        still = lives


async def test_a_session_is_revoked_alone_or_with_all_of_its_owner(clock: Calendar) -> None:
    own = sessions(clock)
    first, second, other = [(await own.open(who)).token.reveal() for who in ("ada", "ada", "eva")]
    await own.revoke(first)
    assert [await valid(own, token) for token in (first, second, other)] == [False, True, True]
    assert await own.revoke_all("ada") == 1
    assert [await valid(own, token) for token in (second, other)] == [False, True]


async def test_a_session_revoked_while_it_is_checked_stays_revoked(clock: Calendar) -> None:
    store = MemorySessions()

    class Revoking(MemorySessions):
        """Another server removes the session between reading and noting its use."""

        async def touch(self, digest: str, seen_at: object) -> None:
            await store.remove(digest)
            await store.touch(digest, clock())

    slow = Revoking()
    slow._sessions = store._sessions
    own = Sessions(store=slow, clock=clock)
    token = (await own.open("ada")).token.reveal()
    clock.forward(minutes=30)
    await own.check(token)
    assert not await valid(Sessions(store=store, clock=clock), token)


async def test_the_number_of_sessions_is_bounded(clock: Calendar) -> None:
    own = sessions(clock, per_principal=2, total=3, idle=600)
    tokens = []
    for _ in range(3):
        clock.forward(seconds=1)
        tokens.append((await own.open("ada")).token.reveal())
    assert [await valid(own, token) for token in tokens] == [False, True, True]
    await own.open("eva")
    with pytest.raises(TooManySessionsError, match="3 sessions are open"):
        await own.open("kim")
    clock.forward(seconds=600)
    assert (await own.open("kim")).session.principal == "kim"
    assert len(await own.list()) == 1


async def test_sessions_are_listed_and_swept(clock: Calendar) -> None:
    own = sessions(clock, lifetime=60, idle=60)
    opened = await own.open("ada")
    await own.open("eva")
    assert [one.id for one in await own.list("ada")] == [opened.session.id]
    assert opened.session.expires_at - opened.session.made_at == timedelta(seconds=60)
    assert len(await own.list()) == 2
    clock.forward(seconds=60)
    assert await own.list() == ()
    assert await own.sweep() == 2


@given(st.binary(min_size=32, max_size=32))
async def test_a_token_is_known_by_its_form_and_shows_in_no_log_line(bits: bytes) -> None:
    token = (await Sessions(random=lambda _: bits).open("ada")).token.reveal()
    assert token not in Redactor().text(f"GET /?t={token} by {token}, again {token}")

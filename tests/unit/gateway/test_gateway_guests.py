"""Strangers and key holders are counted apart; a crowd of strangers makes room by itself."""

from __future__ import annotations

from hxp_enterprise_llm.gateway.guests import Guests
from hxp_enterprise_llm.gateway.keys import Key
from hxp_enterprise_llm.schemas.gateway import Limits

KEY = "ck_" + "a" * 32
SHOWN = [(b"authorization", f"Bearer {KEY}".encode())]
NOTHING: list[tuple[bytes, bytes]] = []


class One:
    """A connection that remembers that it was ended."""

    def __init__(self) -> None:
        self.gone = False

    def cut(self) -> None:
        self.gone = True


def guests(members: int = 2, strangers: int = 3) -> Guests:
    return Guests(Key(KEY), Limits(max_connections=members, max_strangers=strangers))


def entered(found: Guests, count: int) -> list[One]:
    made = [One() for _ in range(count)]
    for one in made:
        found.enter(one)
    return made


def test_the_oldest_stranger_makes_room_for_the_newest() -> None:
    made = entered(guests(), 5)
    assert [one.gone for one in made] == [True, True, False, False, False]


def test_a_stranger_who_left_is_not_counted() -> None:
    found = guests()
    first, *_ = entered(found, 3)
    found.leave(first)
    entered(found, 1)
    assert not first.gone


def test_whoever_showed_the_key_is_cut_by_no_crowd() -> None:
    found = guests()
    (member,) = entered(found, 1)
    assert found.admit(member, SHOWN)
    assert any(one.gone for one in entered(found, 100))
    assert not member.gone


def test_a_wrong_key_leaves_one_a_stranger() -> None:
    found = guests()
    (stranger,) = entered(found, 1)
    assert found.admit(stranger, [(b"authorization", b"Bearer wrong")])
    entered(found, 3)
    assert stranger.gone


def test_members_have_a_limit_of_their_own_and_places_are_given_back() -> None:
    found = guests()
    made = entered(found, 3)
    assert [found.admit(one, SHOWN) for one in made] == [True, True, False]
    assert found.admit(made[0], NOTHING)
    found.leave(made[0])
    assert found.admit(made[2], SHOWN)

"""Which subnet and which ports an environment gets."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxp_enterprise_llm.core.exceptions import RefusedError
from providers.local import slots
from providers.local.slots import MAX_HOSTS, SLOTS, Lease, lease, preferred, release


@pytest.fixture
def leases(tmp_path: Path) -> Path:
    return tmp_path / "slots"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    folder.mkdir()
    return folder


@given(slot=st.integers(0, SLOTS - 1))
def test_addresses_and_ports_of_slots_do_not_meet(slot: int) -> None:
    names = [f"h{number}" for number in range(MAX_HOSTS)]
    hosts = {name: number for number, name in enumerate(names)}
    one = Lease(slot=slot, checkout="/c", environment="e", hosts=hosts)
    listeners = (None, *slots.PUBLISHED)
    ports = {one.port(name, listener) for name in names for listener in listeners}
    assert len(ports) == MAX_HOSTS * len(listeners)
    assert {(port - 10_000) // 40 for port in ports} == {slot}
    assert max(ports) < 32_768
    addresses = {ip_address(one.address(name)) for name in names}
    assert len(addresses) == MAX_HOSTS
    assert all(address in ip_network(one.subnet) for address in addresses)
    assert ip_address(one.gateway) not in addresses


def test_the_same_environment_keeps_its_slot_and_its_numbers(leases: Path, clone: Path) -> None:
    first = lease(leases, clone, "local", ["a", "b"])
    assert first.slot == preferred(clone, "local")
    assert lease(leases, clone, "local", ["a", "b"]) == first


def test_two_environments_and_two_clones_never_share_a_slot(leases: Path, tmp_path: Path) -> None:
    taken = set()
    for clone in ("x", "y"):
        (tmp_path / clone).mkdir()
        for number in range(40):
            taken.add(lease(leases, tmp_path / clone, f"e{number}", ["a"]).slot)
    assert len(taken) == 80


def test_a_slot_that_is_taken_moves_on_to_the_next(leases: Path, clone: Path) -> None:
    number = preferred(clone, "local")
    lease(leases, clone, "other", ["a"], slot=number)
    assert lease(leases, clone, "local", ["a"]).slot == (number + 1) % SLOTS


def test_a_slot_by_number_is_taken_or_its_holder_is_named(leases: Path, clone: Path) -> None:
    assert lease(leases, clone, "local", ["a"], slot=7).slot == 7
    with pytest.raises(RefusedError, match="slot 7 belongs to environment local"):
        lease(leases, clone, "test", ["a"], slot=7)


def test_changing_the_slot_gives_the_old_one_back(leases: Path, clone: Path) -> None:
    lease(leases, clone, "local", ["a"], slot=7)
    lease(leases, clone, "local", ["a"], slot=8)
    assert [path.stem for path in leases.glob("*.json")] == ["8"]


def test_the_lease_of_a_clone_that_is_gone_is_free(leases: Path, clone: Path) -> None:
    lease(leases, clone, "local", ["a"], slot=7)
    clone.rmdir()
    other = clone.parent / "other"
    other.mkdir()
    assert lease(leases, other, "local", ["a"], slot=7).checkout == str(other)


def test_a_host_in_the_middle_does_not_move_the_others(leases: Path, clone: Path) -> None:
    before = lease(leases, clone, "local", ["a", "c"])
    after = lease(leases, clone, "local", ["a", "b", "c"])
    assert after.address("c") == before.address("c")
    assert after.port("a") == before.port("a")


def test_a_new_host_does_not_take_the_number_that_another_leaves(leases: Path, clone: Path) -> None:
    before = lease(leases, clone, "local", ["a", "b"])
    after = lease(leases, clone, "local", ["a", "c"])
    assert after.address("c") != before.address("b")


def test_numbers_come_back_when_there_are_no_others(leases: Path, clone: Path) -> None:
    lease(leases, clone, "local", [f"h{number}" for number in range(MAX_HOSTS)])
    again = lease(leases, clone, "local", [f"n{number}" for number in range(MAX_HOSTS)])
    assert sorted(again.hosts.values()) == list(range(MAX_HOSTS))


def test_too_many_hosts_are_refused(leases: Path, clone: Path) -> None:
    with pytest.raises(RefusedError, match=f"room for {MAX_HOSTS} hosts"):
        lease(leases, clone, "local", [f"h{number}" for number in range(MAX_HOSTS + 1)])


def test_a_released_slot_is_free_and_release_is_repeatable(leases: Path, clone: Path) -> None:
    lease(leases, clone, "local", ["a"], slot=7)
    release(leases, clone, "local")
    release(leases, clone, "local")
    assert lease(leases, clone, "other", ["a"], slot=7).environment == "other"

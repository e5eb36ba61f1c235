"""What is made of a host's answers."""

from __future__ import annotations

import pytest

from hxp_enterprise_llm.core.exceptions import RefusedError
from providers.ssh.facts import Facts, parse, refuse_unfit

GIB = 2**30
SAID = {
    "family": "ubuntu debian",
    "memory": str(8 * GIB),
    "limit": "max",
    "cpus": "4",
    "python": "3.11",
    "systemd": "yes",
    "sudo": "yes",
}


def test_a_relative_of_debian_fits() -> None:
    facts = parse(SAID)
    yes = {"systemd": True, "sudo": True}
    assert facts == Facts(("ubuntu", "debian"), 8 * GIB, 4.0, (3, 11), **yes, container=False)
    refuse_unfit("a", facts, 8 * GIB)


def test_memory_is_the_smaller_of_the_machine_and_its_limit() -> None:
    assert parse(SAID | {"limit": str(GIB)}).memory == GIB
    assert parse(SAID | {"limit": str(2**63)}).memory == 8 * GIB


def test_a_container_is_known_as_one() -> None:
    assert parse(SAID | {"container": "yes"}).container


def test_what_the_kernel_keeps_for_itself_is_no_reason_to_refuse() -> None:
    smaller = parse(SAID | {"memory": str(int(7.6 * GIB))})
    assert smaller.memory < 8 * GIB
    refuse_unfit("a", smaller, 8 * GIB)
    with pytest.raises(RefusedError, match="of memory"):
        refuse_unfit("a", parse(SAID | {"memory": str(7 * GIB)}), 8 * GIB)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"family": "fedora"}, "it runs fedora"),
        ({"python": ""}, "its Python is none"),
        ({"python": "3.8"}, "its Python is 3.8"),
        ({"systemd": "no"}, "systemd is not its PID 1"),
        ({"sudo": "no"}, "may not become root"),
        ({"memory": str(4 * GIB)}, "it has 4.0 GiB of memory, hosts.a.memory says 8.0 GiB"),
    ],
)
def test_each_thing_that_it_lacks_is_named(said: dict[str, str], reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        refuse_unfit("a", parse(SAID | said), 8 * GIB)


def test_all_reasons_come_at_once() -> None:
    facts = parse(SAID | {"family": "alpine", "python": "", "systemd": "no", "sudo": "no"})
    with pytest.raises(RefusedError) as caught:
        refuse_unfit("a", facts, 64 * GIB)
    assert str(caught.value).count("\n  - ") == 5

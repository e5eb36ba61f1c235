"""Names, images, limits and ports of provider local, without podman."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hxp_enterprise_llm.core.exceptions import RefusedError
from providers.local import recipe
from providers.local.build import own_lines
from providers.local.cgroups import Group, cgroup
from providers.local.keys import FILE, ensure_key
from providers.local.naming import container_name, labels, network_name, volume_name
from providers.local.ports import is_free

HERE, THERE = Path("/home/ann/citadel"), Path("/home/bob/citadel")


def test_names_of_two_clones_differ() -> None:
    assert container_name(HERE, "local", "llm-1") != container_name(THERE, "local", "llm-1")
    assert network_name(HERE, "local") != network_name(THERE, "local")
    assert network_name(HERE, "local") != network_name(HERE, "test")
    assert volume_name(HERE, "local", "a", "data") != volume_name(HERE, "local", "a", "backups")


def test_an_environment_whose_name_begins_like_another_is_not_swept_with_it() -> None:
    scopes = [labels(HERE, name)["citadel.scope"] for name in ("local", "local-2")]
    assert len(set(scopes)) == 2


def test_the_full_image_has_what_the_roles_need_and_the_bare_one_nothing() -> None:
    assert {"postgresql-15", "prometheus", "redis-server"} <= set(recipe.packages("full"))
    assert recipe.packages("bare") == ()
    assert "apt-get" not in recipe.script("bare")
    for package in recipe.packages("full"):
        assert f" {package}" in recipe.script("full")


def test_an_image_is_named_by_everything_that_it_is_made_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bare, full, base = recipe.reference("bare"), recipe.reference("full"), recipe.base_reference()
    monkeypatch.setattr(recipe, "role_packages", lambda: ("htop",))
    assert recipe.reference("full") != full
    assert recipe.reference("bare") == bare
    assert recipe.base_reference() == base
    monkeypatch.setattr(recipe, "BASE_PACKAGES", ("systemd",))
    assert recipe.reference("bare") != bare


def listed(*entries: str) -> str:
    return "\n".join(entries)


def test_sources_are_the_machines_own_mirrors_of_the_suite() -> None:
    text = listed(
        "Debian|http://mirror/debian|bookworm|main",
        "Debian|http://mirror/debian|bookworm|main",
        "Debian|http://mirror/debian|bookworm|contrib",
        "Debian|http://mirror/debian|bookworm-updates|main",
        "Vendor|http://vendor/apt|nodistro|main",
        "Debian|http://mirror/debian|trixie|main",
    )
    assert own_lines(text) == (
        "deb http://mirror/debian bookworm main\ndeb http://mirror/debian bookworm-updates main\n"
    )


def test_the_mirror_of_another_release_carries_the_suite_too() -> None:
    text = listed(
        "Debian|http://mirror/security|trixie-security|main",
        "Debian|http://mirror/debian|trixie|main",
    )
    assert own_lines(text) == "deb http://mirror/debian bookworm main\n"


def test_a_machine_without_mirrors_of_debian_leaves_the_choice_to_debootstrap() -> None:
    assert own_lines("Ubuntu|http://mirror/ubuntu|noble|main") == ""


def test_limits_are_read_from_cgroup_v1(tmp_path: Path) -> None:
    for folder in ("memory/box", "cpu/box"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "memory/box/memory.limit_in_bytes").write_text("268435456\n")
    (tmp_path / "cpu/box/cpu.cfs_quota_us").write_text("50000\n")
    (tmp_path / "cpu/box/cpu.cfs_period_us").write_text("100000\n")
    assert cgroup({"CgroupPath": "/box"}, tmp_path) == Group(268435456, 0.5)


def test_limits_are_read_from_cgroup_v2(tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    (tmp_path / "box/memory.max").write_text("max\n")
    (tmp_path / "box/cpu.max").write_text("150000 100000\n")
    assert cgroup({"CgroupPath": "/box"}, tmp_path) == Group(0, 1.5)


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    public = ensure_key(tmp_path)
    assert public.startswith("ssh-ed25519 ")
    assert ensure_key(tmp_path) == public
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


def test_refused_is_what_a_foreign_object_is() -> None:
    from providers.local.network import refuse_foreign
    from providers.local.volume import VolumeInputs

    inputs = VolumeInputs(name="v", checkout=str(HERE), environment="local")
    refuse_foreign("volume", "v", labels(HERE, "local"), inputs)
    with pytest.raises(RefusedError, match="it belongs to environment local of /home/bob"):
        refuse_foreign("volume", "v", labels(THERE, "local"), inputs)
    with pytest.raises(RefusedError, match="it belongs to somebody else"):
        refuse_foreign("volume", "v", {}, inputs)

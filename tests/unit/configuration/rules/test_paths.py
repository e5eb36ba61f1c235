from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic

Judge = Callable[[dict[str, Any]], list[Diagnostic]]
STORAGE = "infrastructure_services/storage"
CONFIG = "infrastructure_services/configuration/config_path"
SSH = {
    "provider": {"kind": "ssh", "user": "citadel", "identity_file": "~/.ssh/id"},
    "hosts/llm-1/address": "10.0.0.1",
    "hosts/edge-1/address": "10.0.0.2",
    "hosts/llm-1/host_key": "ssh-ed25519 AAAA",
    "hosts/edge-1/host_key": "ssh-ed25519 BBBB",
}


def found(judge: Judge, changes: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (item.code, str(item.path[-1]))
        for item in judge(SSH | changes)
        if item.code in {"C230", "C231"}
    ]


@pytest.mark.parametrize(
    "folder",
    [
        "/opt/citadel",
        "/opt/citadel/redis",
        "/opt",
        "/srv",
        "/mnt",
        "/media",
        "/tmp",
        "/tmp/x",
        "/etc",
        "/etc/citadel",
        "/usr",
        "/usr/local/citadel",
        "/var",
        "/var/lib",
        "/var/lib/citadelx",
        "/root",
        "/home",
        "/home/me/data",
        "/run",
        "/bin",
        "/boot",
        "/dev/shm",
        "/proc/1",
        "/sys",
        "/lib64",
        "/sbin",
    ],
)
def test_folders_of_the_system_and_of_services_are_no_storage(judge: Judge, folder: str) -> None:
    for key in ("data_storage_path", "cache_storage_path", "backup_storage_path"):
        assert ("C230", key) in found(judge, {f"{STORAGE}/{key}": folder})
    assert ("C230", "config_path") in found(judge, {CONFIG: folder})


@pytest.mark.parametrize(
    "folder",
    ["/srv/data", "/mnt/nvme0", "/data", "/opt/citadel-data", "/var/lib/citadel/data", "/opt/etc"],
)
def test_folders_of_a_site_s_own_are_taken(judge: Judge, folder: str) -> None:
    assert found(judge, {f"{STORAGE}/data_storage_path": folder}) == []


@pytest.mark.parametrize("other", ["/srv/x", "/srv/x/y", "/srv"])
def test_no_storage_path_is_another_or_lies_in_it(judge: Judge, other: str) -> None:
    paths = {f"{STORAGE}/data_storage_path": "/srv/x", f"{STORAGE}/backup_storage_path": other}
    assert found(judge, paths) == [("C230", "backup_storage_path")]


def test_a_name_that_begins_like_another_is_not_in_it(judge: Judge) -> None:
    paths = {
        f"{STORAGE}/data_storage_path": "/srv/x",
        f"{STORAGE}/backup_storage_path": "/srv/x-backups",
    }
    assert found(judge, paths) == []


def test_the_message_names_the_other_key_and_a_folder_to_write(judge: Judge) -> None:
    (problem,) = (
        item
        for item in judge(SSH | {f"{STORAGE}/cache_storage_path": "/opt/data"})
        if item.code == "C230"
    )
    assert problem.message == (
        "the folder is that of infrastructure_services.storage.data_storage_path, "
        "or one of the two lies in the other."
    )
    assert problem.fix == "Write a folder of its own, such as /srv/cache."


def test_local_data_and_backups_stay_in_the_volumes(judge: Judge) -> None:
    changes = {
        f"{STORAGE}/data_storage_path": "/srv/data",
        f"{STORAGE}/backup_storage_path": "/opt/backups/here",
    }
    assert [(item.code, item.path[-1]) for item in judge(changes)] == [
        ("C231", "data_storage_path")
    ]


def test_the_volumes_are_those_that_provider_local_makes() -> None:
    from hxp_enterprise_llm.configuration.rules.paths import _VOLUMES
    from providers.local import naming

    kept = {place for name, place in naming.VOLUMES.items() if name != "identity"}
    assert set(_VOLUMES.values()) == kept

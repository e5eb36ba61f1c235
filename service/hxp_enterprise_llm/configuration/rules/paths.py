"""Folders on hosts: none is the system's or a service's own, and none lies in another."""

from __future__ import annotations

from collections.abc import Iterator

from hxp_enterprise_llm.configuration.diagnostics import KeyPath, dotted
from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule
from hxp_enterprise_llm.schemas.infrastructure_services import Configuration

_HOME = "/opt/citadel"
_STORAGE: KeyPath = ("infrastructure_services", "storage")
_CONFIG: KeyPath = ("infrastructure_services", "configuration", "config_path")
# Folders of Debian (Filesystem Hierarchy Standard 3.0), and where others mount and install.
_SYSTEM = frozenset(
    {"bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "lost+found"}
    | {"proc", "root", "run", "sbin", "sys", "tmp", "usr", "var"}
)
_SHARED = frozenset({"/opt", "/srv", "/mnt", "/media"})
_OURS_IN_VAR = "/var/lib/citadel"
_VOLUMES = {"data_storage_path": "/opt/data", "backup_storage_path": "/opt/backups"}


@rule(
    "C230",
    "The storage paths are folders of their own.",
    "Hosts get each with mode 0755 and root as its owner. Below /opt/citadel a role that leaves "
    "takes all with it; a folder of the system would change its rights; one inside another would "
    "be emptied with it. Folders below /opt, /srv, /mnt or /var/lib/citadel, or with a name of "
    "their own at the top, such as /data, are fine.",
)
def storage_paths(subject: Subject) -> Iterator[Finding]:
    """Find paths that are somebody else's, or lie in each other."""
    seen: dict[str, KeyPath] = {}
    for path, folder in _paths(subject):
        reason = _taken(folder) if not _is_own_default(path, folder) else None
        other = next((key for known, key in seen.items() if _meet(known, folder)), None)
        if reason is not None:
            yield Finding(path, f"{reason}.", f"Write a folder of its own, {_sample(path)}.")
        elif other is not None:
            yield Finding(
                path,
                f"the folder is that of {dotted(other)}, or one of the two lies in the other.",
                f"Write a folder of its own, {_sample(path)}.",
            )
        seen[folder] = path


@rule(
    "C231",
    "Data and backups of a local host lie in its volumes.",
    "Provider local keeps /opt/data and /opt/backups when it makes a host again; all else of a "
    "container is lost then.",
)
def local_volumes(subject: Subject) -> Iterator[Finding]:
    """Find paths of local hosts that no volume keeps."""
    if subject.environment.provider.kind != "local":
        return
    storage = subject.environment.infrastructure_services.storage
    for key, volume in _VOLUMES.items():
        if not _below(getattr(storage, key), volume):
            yield Finding(
                (*_STORAGE, key),
                "a local host that is made again would lose what lies there.",
                f"Write {volume}, or a folder in it.",
            )


def _paths(subject: Subject) -> Iterator[tuple[KeyPath, str]]:
    services = subject.environment.infrastructure_services
    for key in type(services.storage).model_fields:
        if key.endswith("_path"):
            yield (*_STORAGE, key), getattr(services.storage, key)
    yield _CONFIG, services.configuration.config_path


def _is_own_default(path: KeyPath, folder: str) -> bool:
    return path == _CONFIG and folder == Configuration.model_fields["config_path"].default


def _taken(folder: str) -> str | None:
    """Return whose a folder is; None when it can be a storage path."""
    if _meet(folder, _HOME):
        return f"{_HOME} is where services keep what the next converge replaces or removes"
    if folder in _SHARED:
        return "this folder is shared with others"
    if folder.split("/")[1] in _SYSTEM and not _below(folder, _OURS_IN_VAR):
        return "this folder is the system's"
    return None


def _sample(path: KeyPath) -> str:
    name = str(path[-1]).partition("_")[0]
    return f"such as /srv/{'citadel' if name == 'config' else name}"


def _meet(one: str, other: str) -> bool:
    return _below(one, other) or _below(other, one)


def _below(folder: str, top: str) -> bool:
    return f"{folder}/".startswith(f"{top}/")

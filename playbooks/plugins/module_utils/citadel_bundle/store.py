"""The store of a host that has its own: filled from archives, of which nothing is believed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from . import facts
from .lock import exclusive
from .system import BundleError, Host, make_folders

STORE = "/opt/citadel/store"
VIEW = "manifest.json"
_BLOCK = 1 << 20
_MODE = 0o755


def trusted(host: Host) -> bool:
    """Say whether only root can write into the store; one that is mounted read-only is."""
    root = host.path(STORE)
    if not root.exists() or os.statvfs(root).f_flag & os.ST_RDONLY:
        return True
    return not any(_foreign(path, _ids(host)) for path in _below(root))


def repair(host: Host) -> list[str]:
    """Give every file and folder of the store back to root; remove what is neither."""
    if trusted(host):
        return []
    with exclusive(host, "store", wait=600):
        # Outermost first: nobody else can exchange what is below while it is looked at.
        return [str(path) for path in _below(host.path(STORE)) if _mend(path, _ids(host))]


def _ids(host: Host) -> tuple[int, int]:
    return facts.owner_of({"owner": host.owner[0], "group": host.owner[1], "path": STORE})


def _below(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        for inner in sorted(path.iterdir()):
            yield from _below(inner)


def _foreign(path: Path, ids: tuple[int, int]) -> bool:
    found = path.lstat()
    plain = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
    return (
        not plain or (found.st_uid, found.st_gid) != ids or stat.S_IMODE(found.st_mode) & ~_MODE > 0
    )


def _mend(path: Path, ids: tuple[int, int]) -> bool:
    if not _foreign(path, ids):
        return False
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        os.chown(path, *ids, follow_symlinks=False)
        path.chmod(stat.S_IMODE(mode) & _MODE)
    else:
        path.unlink()
    return True


def lacking(host: Host, wanted: Mapping[str, str]) -> list[str]:
    """Return the views and programs that the store does not have, or not as the operator has them.

    Args:
        host: Where.
        wanted: View → SHA-256 of its manifest; `bin/…` → SHA-256 of the program.
    """
    return [view for view, digest in wanted.items() if not _has(host, view, digest)]


def _has(host: Host, view: str, digest: str) -> bool:
    try:
        _verify(view, host.path(STORE) / view, digest)
    except (BundleError, OSError):
        return False
    return True


def receive(host: Host, archives: Mapping[str, str], digests: Mapping[str, str]) -> dict[str, Any]:
    """Unpack views that were copied to the host, check every hash, and put them into its store.

    Args:
        host: Where.
        archives: View → path of a tar file with its content.
        digests: View → SHA-256 of its manifest; `bin/…` → SHA-256 of the program.

    Raises:
        BundleError: A file is not plain or has another hash than it should; nothing is kept.
    """
    with exclusive(host, "store", wait=600):
        for view, archive in archives.items():
            _receive_one(host, view, archive, digests.get(view, ""))
    return {"changed": bool(archives), "received": sorted(archives)}


def _receive_one(host: Host, view: str, archive: str, digest: str) -> None:
    target = host.path(STORE) / view
    make_folders(target.parent)
    partial, old = (target.with_name(f".{target.name}.{word}") for word in ("partial", "old"))
    try:
        shutil.rmtree(partial, ignore_errors=True)
        with tarfile.open(archive) as tar:
            _extract(tar, partial, _ids(host))
        received = partial / target.name if view.startswith("bin/") else partial
        _verify(view, received, digest)
        if target.is_dir():
            shutil.rmtree(old, ignore_errors=True)
            target.replace(old)
        received.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _extract(tar: tarfile.TarFile, target: Path, ids: tuple[int, int]) -> None:
    """Write the members by hand: whatever the archive says, they are root's and in the target."""
    members = tar.getmembers()
    for member in members:
        parts = Path(member.name).parts
        plain = (member.isreg() or member.isdir()) and not member.issym() and not member.islnk()
        if not plain or not parts or ".." in parts or member.name.startswith("/"):
            raise BundleError(f"{member.name}: only plain files belong into the store")
    _make_folder(target, ids)
    for member in members:
        path = target / member.name
        for folder in reversed(list(Path(member.name).parents)[:-1]):
            _make_folder(target / folder, ids)
        if member.isdir():
            _make_folder(path, ids)
        else:
            _write(tar, member, path, ids)


def _make_folder(path: Path, ids: tuple[int, int]) -> None:
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, *ids)
    path.chmod(_MODE)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path, ids: tuple[int, int]) -> None:
    content = tar.extractfile(member)
    if content is None:
        raise BundleError(f"{member.name}: only plain files belong into the store")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with content, os.fdopen(handle, "wb") as file:
        shutil.copyfileobj(content, file, _BLOCK)
        os.fchown(file.fileno(), *ids)
        os.fchmod(file.fileno(), member.mode & _MODE)


def _verify(view: str, path: Path, digest: str) -> None:
    """Check a program against its hash, a view against its manifest and that against its hash."""
    if view.startswith("bin/"):
        if _hash(path) != digest:
            raise BundleError(f"{view} has another SHA-256 than the operator's")
        return
    if _hash(path / VIEW) != digest:
        raise BundleError(f"{view}/{VIEW} has another SHA-256 than the operator's")
    files = json.loads((path / VIEW).read_text())["files"]
    found = {str(inner.relative_to(path)) for inner in _below(path) if not inner.is_dir()}
    strange = sorted(found ^ {*files, VIEW})
    if strange:
        raise BundleError(f"{view}: {strange[0]} is missing, or its manifest does not name it")
    for name, entry in files.items():
        if _hash(path / name) != entry["sha256"]:
            raise BundleError(f"{view}/{name} has another SHA-256 than its manifest says")


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()

"""The undo journal: after a crash or a failure a service is as it was, never a mix.

Three files of a service's folder say where an apply stands:

- `staged.json`: files were being written beside their places; nothing live was touched.
- `journal.json`: live changes may have begun; undo puts everything back.
- `done.json`: the apply was committed; only cleaning up is left.

`journal.json` becomes `done.json` by one rename: that is the moment of commit. The old file of a
place is kept beside it as a hard link, so that undo is a rename and needs no space.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import facts, generations, manifest, units
from .system import Host, replace_synced, sync_folder

Journal = dict[str, Any]
_NAMES = ("staged.json", "journal.json", "done.json")


def new_of(path: Path) -> Path:
    """Return where the new content of a file waits."""
    return path.with_name(f".{path.name}.citadel-new")


def old_of(path: Path) -> Path:
    """Return where the old file is kept until the commit."""
    return path.with_name(f".{path.name}.citadel-old")


def pending(host: Host, service: str) -> bool:
    """Say whether an apply was cut off."""
    place = manifest.folder(host, service)
    return any((place / name).exists() for name in _NAMES)


def write(host: Host, service: str, name: str, content: Journal) -> None:
    """Write one of the three files, synced."""
    replace_synced(manifest.folder(host, service) / name, json.dumps(content).encode())


def keep_old(host: Host, paths: list[str]) -> list[dict[str, Any]]:
    """Hard-link the old files beside their places; return what the journal has to know of each."""
    kept = []
    for name in paths:
        path = host.path(name)
        old_of(path).unlink(missing_ok=True)
        existed = os.path.lexists(path)
        if existed:
            os.link(path, old_of(path), follow_symlinks=False)
        kept.append({"path": name, "existed": existed})
    return kept


def recover(host: Host, service: str) -> str | None:
    """Bring a service whose apply was cut off to its old or its new state; say what was done."""
    place = manifest.folder(host, service)
    if (place / "journal.json").exists():
        undo(host, service)
        return "an apply that was cut off was undone"
    if (place / "done.json").exists():
        finish(host, service)
        return "an apply that was cut off after its commit was finished"
    if (place / "staged.json").exists():
        drop_staged(host, service)
        return "files staged by an apply that was cut off were removed"
    return None


def drop_staged(host: Host, service: str) -> None:
    """Remove what was staged and never applied."""
    place = manifest.folder(host, service)
    staged = json.loads((place / "staged.json").read_text())
    for name in staged["paths"]:
        for path in (new_of(host.path(name)), old_of(host.path(name))):
            path.unlink(missing_ok=True)
    _remove_empty(host, staged["folders"])
    generations.prune(host, service)
    (place / "manifest.next").unlink(missing_ok=True)
    (place / "staged.json").unlink()
    with suppress(OSError):  # a first apply leaves nothing at all
        (place / "generations").rmdir()
        place.rmdir()


def undo(host: Host, service: str) -> None:
    """Put files, links, attributes, tree and units back as the journal says. Can be run again."""
    place = manifest.folder(host, service)
    journal: Journal = json.loads((place / "journal.json").read_text())
    touched = (place / "units-touched").exists()
    if touched:
        for name, state in journal["units"].items():
            if not state["enabled"] and not state["active"]:
                host.step(f"undo: stop {name}")
                units.stop(host, name)
    for kept in journal["files"]:
        host.step(f"undo: {kept['path']}")
        _put_back(host.path(kept["path"]), existed=kept["existed"])
    for item in journal["attributes"]:
        set_attributes(host.path(item["path"]), item)
    generations.swap(host, service, journal["current"])
    _restore_units(host, journal, touched=touched)
    host.step("undo: close journal")
    (place / "journal.json").replace(place / "staged.json")
    (place / "units-touched").unlink(missing_ok=True)
    drop_staged(host, service)


def _put_back(path: Path, *, existed: bool) -> None:
    old = old_of(path)
    if existed:
        if os.path.lexists(old):
            old.replace(path)
            # rename does nothing between two names of one file
            old.unlink(missing_ok=True)
    else:
        path.unlink(missing_ok=True)
    if path.parent.is_dir():
        sync_folder(path.parent)


def _restore_units(host: Host, journal: Journal, *, touched: bool) -> None:
    if journal["reload"]:
        host.run(["systemctl", "daemon-reload"], 120)
    for name, state in journal["units"].items() if touched else ():
        if state["enabled"]:
            host.run(["systemctl", "enable", name], 120)
        if state["active"]:
            host.step(f"undo: restart {name}")
            host.run(["systemctl", "reset-failed", name], 30)
            host.run(["systemctl", "restart", name], 600)


def commit(host: Host, service: str) -> None:
    """Make the new state the one that counts, then clean up."""
    place = manifest.folder(host, service)
    host.step("commit")
    (place / "journal.json").replace(place / "done.json")
    sync_folder(place)
    finish(host, service)


def finish(host: Host, service: str) -> None:
    """Clean up behind a commit. Can be run again."""
    place = manifest.folder(host, service)
    journal: Journal = json.loads((place / "done.json").read_text())
    host.step("finish: manifest")
    if (place / "manifest.next").exists():
        (place / "manifest.next").replace(place / "manifest.json")
        sync_folder(place)
    for name in journal["paths"]:
        for path in (old_of(host.path(name)), new_of(host.path(name))):
            path.unlink(missing_ok=True)
    _remove_empty(host, journal["leaving_folders"])
    (place / "units-touched").unlink(missing_ok=True)
    generations.prune(host, service)
    host.step("finish: close")
    (place / "done.json").unlink()


def set_attributes(path: Path, item: dict[str, Any]) -> None:
    """Give a path the owner, group and mode of an item."""
    if path.exists():
        os.chown(path, *facts.owner_of(item))
        path.chmod(facts.mode_of(item))


def _remove_empty(host: Host, folders: list[str]) -> None:
    for name in reversed(folders):
        with suppress(OSError):
            host.path(name).rmdir()

"""Everything that takes space or can be refused, done before anything live is touched."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from . import facts, generations, journal, manifest
from .changes import Change
from .plan import Plan, manifest_of, missing_folders
from .system import BundleError, Host, make_folders, tail, write_synced


def stage(
    host: Host, planned: Plan, credentials: Mapping[str, str]
) -> tuple[journal.Journal, str | None]:
    """Write new files beside their places and the new tree; run the validators on them.

    Returns:
        The record that the journal begins with, and the new generation if there is one.

    Raises:
        BundleError: There is no space, or a validator refused; nothing was changed.
    """
    _users(host, planned)
    changes = planned.of("file", "link", "credential")
    record: journal.Journal = {
        "paths": [change.path for change in changes],
        "folders": missing_folders(host, planned),
    }
    journal.write(host, planned.service, "staged.json", record)
    try:
        generation = _write(host, planned, credentials, record)
        _validate(host, planned, generation)
    except OSError as error:
        journal.drop_staged(host, planned.service)
        raise BundleError(f"staging failed, nothing was changed: {error}") from None
    except BundleError:
        journal.drop_staged(host, planned.service)
        raise
    return record, generation


def _write(
    host: Host, planned: Plan, credentials: Mapping[str, str], record: journal.Journal
) -> str | None:
    _make_directories(host, planned)
    for change in planned.of("file", "link", "credential"):
        _stage_one(host, change, credentials)
    generation = generations.current(host, planned.service)
    moved = bool(planned.of("tree"))
    tree = [item for item in planned.bundle["files"] if item.get("tree")]
    if moved:
        generation = generations.stage(host, planned.service, tree) if tree else None
    content = manifest_of(planned, credentials, generation, record["folders"])
    journal.write(host, planned.service, "manifest.next", content)
    return generation


def _users(host: Host, planned: Plan) -> None:
    for change in planned.of("user"):
        user = change.item
        host.step(f"user {user['name']}")
        if change.action == "create":
            shell = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
            host.command("useradd", *shell, "--home-dir", user["home"], user["name"])
        if user["groups"]:
            host.command("usermod", "--append", "--groups", ",".join(user["groups"]), user["name"])


def _make_directories(host: Host, planned: Plan) -> None:
    for change in planned.of("directory"):
        if change.action == "create":
            host.step(f"directory {change.path}")
            make_folders(host.path(change.path))
            journal.set_attributes(host.path(change.path), change.item)
    credentials = manifest.credential_path(planned.service, "")
    if planned.of("credential"):
        make_folders(host.path(credentials))
        host.path(credentials).chmod(0o700)


def _stage_one(host: Host, change: Change, credentials: Mapping[str, str]) -> None:
    path = host.path(change.path)
    if change.action == "remove":
        return
    host.step(f"stage {change.path}")
    make_folders(path.parent)
    new = journal.new_of(path)
    if change.kind == "link":
        new.unlink(missing_ok=True)
        new.symlink_to(change.item["target"])
        return
    if change.kind == "credential":
        content = credentials[PurePosixPath(change.path).name]
    else:
        content = change.item["content"]
    write_synced(new, content.encode(), facts.mode_of(change.item), facts.owner_of(change.item))


def _validate(host: Host, planned: Plan, generation: str | None) -> None:
    """Run the service's own validators on what is staged.

    Raises:
        BundleError: One of them refused; the text is its own.
    """
    place = manifest.folder(host, planned.service)
    staging = place / "staging"
    try:
        for validator in planned.bundle["validators"]:
            if any("{root}" in word for word in validator) and not staging.exists():
                _copy_root(planned, staging)
            tree = place / (generation or "current")
            words = [
                word.replace("{tree}", str(tree)).replace("{root}", str(staging))
                for word in validator
            ]
            host.step(f"validate {words[0]}")
            done = host.run(words, 120)
            if done.code != 0:
                raise BundleError(
                    f"{planned.service}: `{' '.join(words)}` refused the new files ({done.code}); "
                    f"nothing was changed:\n{tail(done.output)}"
                )
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _copy_root(planned: Plan, staging: Path) -> None:
    for item in planned.bundle["files"]:
        if not item.get("tree"):
            path = staging / item["path"].lstrip("/")
            make_folders(path.parent)
            data = item["content"].encode()
            write_synced(path, data, facts.mode_of(item), facts.owner_of(item))

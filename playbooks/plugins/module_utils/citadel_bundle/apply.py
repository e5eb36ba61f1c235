"""Apply a bundle: lock, recover, stage, validate, swap, act on units, gate, commit or undo."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Tuple

from . import changes as changing
from . import facts, generations, health, journal, manifest, units
from .changes import Bundle, Change
from .lock import exclusive
from .system import BundleError, Host, make_folders, sync_folder, tail, write_synced


@dataclass
class Plan:
    """All that an apply is going to do."""

    bundle: Bundle
    before: Optional[manifest.Manifest]
    changes: List[Change]
    states: Dict[str, Dict[str, str]]
    actions: Dict[str, str]
    enable: List[str]
    leaving: List[str]
    stopping: List[str]
    reload: bool
    notes: List[str] = field(default_factory=list)

    def anything(self) -> bool:
        """Say whether the host is not as the bundle wants it."""
        return bool(
            self.changes or self.actions or self.enable or self.leaving or self.stopping
            or self.notes or self.reload
        )  # fmt: skip

    def of(self, *kinds: str) -> List[Change]:
        """Return the changes of some kinds."""
        return [change for change in self.changes if change.kind in kinds]

    def result(self) -> Dict[str, Any]:
        """Return what the module reports."""
        service = self.bundle["service"]
        return {
            "service": service,
            "changed": self.anything(),
            "changes": [change.brief() for change in self.changes],
            "units": {
                **dict.fromkeys(self.leaving + self.stopping, "stop"),
                **dict.fromkeys(self.enable, "enable"),
                **self.actions,
            },
            "notes": self.notes,
        }


def plan(host: Host, bundle: Bundle, credentials: Mapping[str, str]) -> Plan:
    """Compare a host with a bundle. Changes nothing."""
    before = manifest.read(host, bundle["service"])
    found = changing.find(host, bundle, credentials, before)
    names = [unit["name"] for unit in bundle["units"]]
    held = (before or {}).get("units", [])
    old = [unit["name"] for unit in held if not unit.get("keep")]
    leaving = [name for name in old if name not in names]
    states = units.show(host, list(dict.fromkeys([*names, *leaving, *bundle["mask"]])))
    return Plan(
        bundle=bundle,
        before=before,
        changes=found,
        states=states,
        actions=units.actions(bundle["units"], found, states),
        enable=[name for name in names if not units.enabled(states.get(name, {}))],
        leaving=leaving,
        stopping=[name for name in bundle["mask"] if units.runs(states.get(name, {}))],
        reload=any(state.get("NeedDaemonReload") == "yes" for state in states.values()),
    )


def check(
    host: Host, bundle: Bundle, credentials: Mapping[str, str], *, diff: bool
) -> Dict[str, Any]:
    """Return what an apply would do, with a diff of each file when asked. Changes nothing."""
    planned = plan(host, bundle, credentials)
    if journal.pending(host, bundle["service"]):
        planned.notes.append("an apply was cut off; it would be undone first")
    result = planned.result()
    if diff:
        result["diff"] = diffs(host, planned)
    return result


def diffs(host: Host, planned: Plan) -> List[Dict[str, str]]:
    """Return before and after of every changed file."""
    found = (changing.diff(host, change) for change in planned.changes)
    return [entry for entry in found if entry is not None]


def apply(
    host: Host, bundle: Bundle, credentials: Mapping[str, str], *, diff: bool = False
) -> Dict[str, Any]:
    """Make a host as a bundle wants it, or leave it as it was.

    Args:
        host: Where.
        bundle: The rendered bundle, as `RenderedBundle.model_dump(mode="json")` gives it.
        credentials: Name → value.
        diff: Return before and after of every file.

    Returns:
        `changed`, `changes`, `units` and, when asked, `diff`.

    Raises:
        BundleError: A validator refused or a unit was not healthy; everything was put back.
    """
    service = bundle["service"]
    with exclusive(host, service):
        recovered = journal.recover(host, service)
        planned = plan(host, bundle, credentials)
        if recovered:
            planned.notes.append(recovered)
        result = planned.result()
        if diff:
            result["diff"] = diffs(host, planned)
        if planned.anything():
            _carry_out(host, planned, credentials)
        elif planned.before != _manifest(host, planned, credentials, None):
            _write_manifest(host, planned, credentials, None)
    return result


def _carry_out(host: Host, planned: Plan, credentials: Mapping[str, str]) -> None:
    service = planned.bundle["service"]
    make_folders(manifest.folder(host, service))
    _users(host, planned)
    record, generation = _stage_all(host, planned, credentials)
    try:
        _validate(host, planned, generation)
    except BundleError:
        journal.drop_staged(host, service)
        raise
    _open_journal(host, planned, record)
    try:
        _swap(host, planned, generation)
        _act(host, planned)
        _gate(host, planned)
    except (BundleError, OSError) as error:
        journal.undo(host, service)
        raise BundleError(_redact(f"{error}\nEverything was put back as it was.", credentials)) from None
    journal.commit(host, service)


def _users(host: Host, planned: Plan) -> None:
    for change in planned.of("user"):
        user = change.item
        host.step(f"user {user['name']}")
        if change.action == "create":
            shell = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
            host.command("useradd", *shell, "--home-dir", user["home"], user["name"])
        if user["groups"]:
            host.command("usermod", "--append", "--groups", ",".join(user["groups"]), user["name"])


def _stage_all(
    host: Host, planned: Plan, credentials: Mapping[str, str]
) -> Tuple[Dict[str, Any], Optional[str]]:
    """Write everything that takes space, beside its place; return the record and the generation."""
    service = planned.bundle["service"]
    kinds = planned.of("file", "link", "credential")
    record: Dict[str, Any] = {
        "paths": [change.path for change in kinds],
        "folders": _missing_folders(host, planned),
    }
    journal.write(host, service, "staged.json", record)
    try:
        _make_directories(host, planned)
        for change in kinds:
            _stage_one(host, planned, change, credentials)
        tree = [item for item in planned.bundle["files"] if item.get("tree")]
        moved = bool(planned.of("tree"))
        generation = generations.stage(host, service, tree) if moved and tree else None
        _write_manifest(host, planned, credentials, generation, name="manifest.next")
    except (OSError, BundleError) as error:
        journal.drop_staged(host, service)
        raise BundleError(f"staging failed, nothing was changed: {error}") from None
    return record, generation


def _missing_folders(host: Host, planned: Plan) -> List[str]:
    wanted = [change.path for change in planned.of("directory") if change.action == "create"]
    wanted += [
        os.path.dirname(change.path)
        for change in planned.of("file", "link", "credential")
        if change.action != "remove"
    ]
    missing = set()
    for folder in wanted:
        while not host.path(folder).exists():
            missing.add(folder)
            folder = os.path.dirname(folder)
    return sorted(missing)


def _make_directories(host: Host, planned: Plan) -> None:
    for change in planned.of("directory"):
        if change.action == "create":
            host.step(f"directory {change.path}")
            make_folders(host.path(change.path))
            journal.set_attributes(host.path(change.path), change.item)
    credentials = manifest.credential_path(planned.bundle["service"], "")
    if planned.of("credential"):
        make_folders(host.path(credentials))
        host.path(credentials).chmod(0o700)


def _stage_one(
    host: Host, planned: Plan, change: Change, credentials: Mapping[str, str]
) -> None:
    path = host.path(change.path)
    if change.action == "remove":
        return
    host.step(f"stage {change.path}")
    make_folders(path.parent)
    new = journal.new_of(path)
    if change.kind == "link":
        new.unlink(missing_ok=True)
        os.symlink(change.item["target"], new)
        return
    if change.kind == "credential":
        content = credentials[os.path.basename(change.path)]
    else:
        content = change.item["content"]
    write_synced(new, content.encode(), facts.mode_of(change.item), facts.owner_of(change.item))


def _validate(host: Host, planned: Plan, generation: Optional[str]) -> None:
    """Run the service's own validators on what is staged.

    Raises:
        BundleError: One of them refused; the text is its own.
    """
    service = planned.bundle["service"]
    place = manifest.folder(host, service)
    staging = place / "staging"
    try:
        for validator in planned.bundle["validators"]:
            if any("{root}" in word for word in validator) and not staging.exists():
                _copy_root(host, planned, staging)
            tree = place / (generation or "current")
            words = [
                word.replace("{tree}", str(tree)).replace("{root}", str(staging))
                for word in validator
            ]
            host.step(f"validate {words[0]}")
            done = host.run(words, 120)
            if done.code != 0:
                raise BundleError(
                    f"{service}: `{' '.join(words)}` refused the new files ({done.code}); "
                    f"nothing was changed:\n{tail(done.output)}"
                )
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _copy_root(host: Host, planned: Plan, staging: Any) -> None:
    for item in planned.bundle["files"]:
        if not item.get("tree"):
            path = staging / item["path"].lstrip("/")
            make_folders(path.parent)
            data = item["content"].encode()
            write_synced(path, data, facts.mode_of(item), facts.owner_of(item))


def _open_journal(host: Host, planned: Plan, record: Dict[str, Any]) -> None:
    service = planned.bundle["service"]
    mask = [name for name in planned.stopping]
    names = [*planned.actions, *planned.enable, *planned.leaving, *mask]
    attributes = [
        dict(facts.look(host.path(change.path)) or {}, path=change.path)
        for change in planned.of("directory")
        if change.action == "attributes"
    ]
    content = {
        **record,
        "files": journal.keep_old(host, record["paths"]),
        "attributes": attributes,
        "current": generations.current(host, service),
        "reload": planned.reload or units.unit_changed(planned.changes),
        "units": {
            name: {
                "enabled": units.enabled(planned.states.get(name, {})),
                "active": units.runs(planned.states.get(name, {})),
            }
            for name in names
        },
        "leaving_folders": _leaving_folders(planned),
    }
    host.step("open journal")
    journal.write(host, service, "journal.json", content)
    (manifest.folder(host, service) / "staged.json").unlink()


def _leaving_folders(planned: Plan) -> List[str]:
    made = (planned.before or {}).get("made_folders", [])
    kept = [item.get("path") or "" for item in planned.bundle["files"] + planned.bundle["links"]]
    kept += [item["path"] for item in planned.bundle["directories"]]
    return [
        folder for folder in made if not any(path == folder or path.startswith(folder + "/") for path in kept)
    ]


def _swap(host: Host, planned: Plan, generation: Optional[str]) -> None:
    """Bring the staged files live: renames only, nothing that needs space."""
    service = planned.bundle["service"]
    if planned.leaving:
        _mark_units(host, service)
    for name in planned.leaving:
        host.step(f"stop {name}")
        units.stop(host, name)
    for change in planned.of("file", "link", "credential"):
        path = host.path(change.path)
        host.step(f"{change.action} {change.path}")
        if change.action == "remove":
            path.unlink(missing_ok=True)
        else:
            os.replace(journal.new_of(path), path)
    for change in planned.of("directory"):
        if change.action == "attributes":
            host.step(f"attributes {change.path}")
            journal.set_attributes(host.path(change.path), change.item)
    if planned.of("tree"):
        host.step("swap tree")
        generations.swap(host, service, generation)
    for folder in {host.path(change.path).parent for change in planned.of("file", "credential")}:
        sync_folder(folder)


def _mark_units(host: Host, service: str) -> None:
    (manifest.folder(host, service) / "units-touched").touch()


def _act(host: Host, planned: Plan) -> None:
    if planned.reload or units.unit_changed(planned.changes):
        host.step("daemon-reload")
        host.command("systemctl", "daemon-reload")
    if planned.actions or planned.enable or planned.stopping:
        _mark_units(host, planned.bundle["service"])
    for name in planned.stopping:
        host.step(f"stop {name}")
        host.run(["systemctl", "stop", name], 600)
    for name in planned.enable:
        host.step(f"enable {name}")
        host.command("systemctl", "enable", name)
    for name, action in planned.actions.items():
        units.act(host, name, action)


def _gate(host: Host, planned: Plan) -> None:
    for unit in planned.bundle["units"]:
        if unit["name"] in planned.actions:
            host.step(f"gate {unit['name']}")
            health.wait(host, unit)


def _redact(text: str, credentials: Mapping[str, str]) -> str:
    for value in credentials.values():
        text = text.replace(value, "***") if value else text
    return text


_KEPT = ("path", "tree", "sha256", "mode", "owner", "group", "on_change", "source")


def _manifest(
    host: Host, planned: Plan, credentials: Mapping[str, str], generation: Optional[str]
) -> manifest.Manifest:
    bundle = planned.bundle
    made = list((planned.before or {}).get("made_folders", []))
    made += [folder for folder in _missing_folders(host, planned) if folder not in made]
    leaving = set(_leaving_folders(planned))
    return {
        "version": manifest.VERSION,
        "service": bundle["service"],
        "role": bundle["role"],
        "environment": bundle["environment"],
        "digest": bundle["digest"],
        "generation": generation or generations.current(host, bundle["service"]),
        "files": [{key: item.get(key) for key in _KEPT} for item in bundle["files"]],
        "links": bundle["links"],
        "directories": bundle["directories"],
        "credentials": sorted(credentials),
        "users": bundle["users"],
        "units": bundle["units"],
        "mask": bundle["mask"],
        "made_folders": [folder for folder in made if folder not in leaving],
    }


def _write_manifest(
    host: Host,
    planned: Plan,
    credentials: Mapping[str, str],
    generation: Optional[str],
    name: str = "manifest.json",
) -> None:
    journal.write(
        host, planned.bundle["service"], name, _manifest(host, planned, credentials, generation)
    )

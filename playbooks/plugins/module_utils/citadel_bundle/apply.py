"""Apply a bundle: lock, recover, stage, validate, swap, act on units, gate, commit or undo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import facts, generations, health, journal, manifest, staging, units
from .changes import Bundle
from .lock import exclusive
from .plan import Plan, diffs, leaving_folders, manifest_of, plan
from .system import BundleError, Host, make_folders, sync_folder


def check(
    host: Host, bundle: Bundle, credentials: Mapping[str, str], *, diff: bool
) -> dict[str, Any]:
    """Return what an apply would do, with a diff of each file when asked. Changes nothing."""
    planned = plan(host, bundle, credentials)
    if journal.pending(host, bundle["service"]):
        planned.notes.append("an apply was cut off; it would be undone first")
    result = planned.result()
    if diff:
        result["diff"] = diffs(host, planned)
    return result


def apply(
    host: Host, bundle: Bundle, credentials: Mapping[str, str], *, diff: bool = False
) -> dict[str, Any]:
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
        else:
            _refresh_manifest(host, planned, credentials)
    return result


def _carry_out(host: Host, planned: Plan, credentials: Mapping[str, str]) -> None:
    make_folders(manifest.folder(host, planned.service))
    try:
        record, generation = staging.stage(host, planned, credentials)
    except BundleError as error:
        raise BundleError(_redact(str(error), credentials)) from None
    try:
        _open_journal(host, planned, record)
    except OSError as error:
        journal.drop_staged(host, planned.service)
        raise BundleError(f"staging failed, nothing was changed: {error}") from None
    try:
        _swap(host, planned, generation)
        _act(host, planned)
        _gate(host, planned)
    except (BundleError, OSError) as error:
        journal.undo(host, planned.service)
        text = f"{error}\nEverything was put back as it was."
        raise BundleError(_redact(text, credentials)) from None
    journal.commit(host, planned.service)


def _refresh_manifest(host: Host, planned: Plan, credentials: Mapping[str, str]) -> None:
    """Keep the manifest up to date where the host is right and only the declaration changed."""
    make_folders(manifest.folder(host, planned.service))
    current = generations.current(host, planned.service)
    content = manifest_of(planned, credentials, current, [])
    if planned.before != content:
        journal.write(host, planned.service, "manifest.json", content)


def _open_journal(host: Host, planned: Plan, record: journal.Journal) -> None:
    names = [*planned.actions, *planned.enable, *planned.leaving, *planned.stopping]
    content = {
        **record,
        "files": journal.keep_old(host, record["paths"]),
        "attributes": [
            dict(facts.look(host.path(change.path)) or {}, path=change.path)
            for change in planned.of("directory")
            if change.action == "attributes"
        ],
        "current": generations.current(host, planned.service),
        "reload": planned.reload or units.unit_changed(planned.changes),
        "units": {name: _state(planned, name) for name in names},
        "leaving_folders": leaving_folders(planned),
    }
    host.step("open journal")
    journal.write(host, planned.service, "journal.json", content)
    (manifest.folder(host, planned.service) / "staged.json").unlink()


def _state(planned: Plan, name: str) -> dict[str, bool]:
    state = planned.states.get(name, {})
    return {"enabled": units.enabled(state), "active": units.runs(state)}


def _swap(host: Host, planned: Plan, generation: str | None) -> None:
    """Bring the staged files live: renames only, nothing that needs space."""
    if planned.leaving:
        _mark_units(host, planned.service)
    for name in planned.leaving:
        host.step(f"stop {name}")
        units.stop(host, name)
    for change in planned.of("file", "link", "credential"):
        path = host.path(change.path)
        host.step(f"{change.action} {change.path}")
        if change.action == "remove":
            path.unlink(missing_ok=True)
        else:
            journal.new_of(path).replace(path)
    for change in planned.of("directory"):
        if change.action == "attributes":
            host.step(f"attributes {change.path}")
            journal.set_attributes(host.path(change.path), change.item)
    if planned.of("tree"):
        host.step("swap tree")
        generations.swap(host, planned.service, generation)
    for folder in {host.path(change.path).parent for change in planned.of("file", "credential")}:
        sync_folder(folder)


def _mark_units(host: Host, service: str) -> None:
    (manifest.folder(host, service) / "units-touched").touch()


def _act(host: Host, planned: Plan) -> None:
    if planned.reload or units.unit_changed(planned.changes):
        host.step("daemon-reload")
        host.command("systemctl", "daemon-reload")
    if planned.actions or planned.enable or planned.stopping:
        _mark_units(host, planned.service)
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
            # A start or a restart begins with a fresh count, a reload keeps it.
            reloaded = planned.actions[unit["name"]] == "reload"
            before = units.crashes(planned.states.get(unit["name"], {})) if reloaded else 0
            health.wait(host, unit, before)


def _redact(text: str, credentials: Mapping[str, str]) -> str:
    for value in credentials.values():
        text = text.replace(value, "***") if value else text
    return text

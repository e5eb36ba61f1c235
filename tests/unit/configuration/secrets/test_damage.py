"""A restore mends what errors send people to it for, and loses nothing without a word (CX-05)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.configuration.secrets.conftest import PASSPHRASE, Make

from hxp_enterprise_llm.configuration.secrets.backends.sealed import SealedFile
from hxp_enterprise_llm.configuration.secrets.errors import SecretRefusedError
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.store import SealedStore

pytestmark = pytest.mark.feature("CX-05")


def _tampered(file: Path) -> None:
    document = json.loads(file.read_text())
    document["entries"]["a"]["version"] = 9
    document["entries"]["later"]["version"] = 9
    file.write_text(json.dumps(document))


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:60])


def _deep(file: Path) -> None:
    file.write_text("[" * 100_000)


# Damage → what does it, the file that has it, and what else is lost with it.
DAMAGES: dict[str, tuple[Callable[[Path], object], str, tuple[str, ...]]] = {
    "empty file": (lambda file: file.write_text(""), "secrets.json", ()),
    "cut file": (_cut, "secrets.json", ()),
    "deep file": (_deep, "secrets.json", ()),
    "other file": (lambda file: file.write_text("{}"), "secrets.json", ()),
    "changed entries": (_tampered, "secrets.json", ("later",)),
    "other ring": (lambda file: file.write_text("{}"), "secrets.key", ("later",)),
    "empty ring": (lambda file: file.write_text(""), "secrets.key", ("later",)),
    "lost ring": (Path.unlink, "secrets.key", ("later",)),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_restore_with_replace_mends_each_damage_and_keeps_the_damaged_files(
    make: Make, sealed: SealedFile, damage: str
) -> None:
    manager = make(sealed)
    for path in ("a", "b"):
        await manager.set(path, Secret(f"value of {path}"), actor="ann")
    data = await manager.backup(PASSPHRASE, actor="ann")
    await manager.set("later", Secret("not in the backup"), actor="ann")
    harm, name, lost = DAMAGES[damage]
    folder = sealed.store.file.parent
    file = folder / name if name == "secrets.json" else folder.parent / name
    harm(file)
    files = {path: path.read_bytes() for path in (sealed.store.file, file) if path.exists()}

    with pytest.raises(SecretRefusedError, match="what is there cannot be read") as caught:
        await manager.restore(data, PASSPHRASE, actor="ann")
    assert "--dry-run" in caught.value.next_step
    looked = await manager.restore(data, PASSPHRASE, actor="ann", replace=True, dry_run=True)
    assert looked.unreadable
    assert looked.lost == lost
    assert {path: path.read_bytes() for path in (sealed.store.file, file) if path.exists()} == files

    done = await manager.restore(data, PASSPHRASE, actor="ann", replace=True)
    assert (done.unreadable, done.lost) == (looked.unreadable, lost)
    kept = {path.name.partition(".damaged-")[0]: path.read_bytes() for path in done.aside}
    assert {path.name for path in looked.aside} == set(kept)
    assert all(files[path] == kept[path.name] for path in looked.aside)
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in done.aside)
    fresh = SealedStore(folder)
    assert [fresh.get(path).reveal() for path in ("a", "b")] == ["value of a", "value of b"]
    assert fresh.paths() == ("a", "b")
    fresh.refuse_changed()
    again = await manager.restore(data, PASSPHRASE, actor="ann")
    assert (again.same, again.unreadable) == (("a", "b"), ())


async def test_what_still_opens_stays_when_one_entry_is_mended(
    make: Make, sealed: SealedFile
) -> None:
    manager = make(sealed)
    await manager.set("a", Secret("1"), actor="ann")
    data = await manager.backup(PASSPHRASE, actor="ann")
    await manager.set("newer", Secret("stays"), actor="ann")
    document = json.loads(sealed.store.file.read_text())
    document["entries"]["a"]["rotation"]["hook"] = "/tmp/x"
    sealed.store.file.write_text(json.dumps(document))
    done = await manager.restore(data, PASSPHRASE, actor="ann", replace=True)
    assert (done.other, done.lost, len(done.unreadable)) == (("a",), (), 1)
    assert (await manager.get("newer", actor="ann")).reveal() == "stays"
    assert (await manager.info("a", actor="ann")).rule.hook == ""


async def test_a_file_of_a_later_version_is_not_taken_for_damage(
    make: Make, sealed: SealedFile
) -> None:
    manager = make(sealed)
    await manager.set("a", Secret("1"), actor="ann")
    data = await manager.backup(PASSPHRASE, actor="ann")
    sealed.store.file.write_text('{"format": 9, "entries": {}}')
    with pytest.raises(SecretRefusedError, match="has format 9"):
        await manager.restore(data, PASSPHRASE, actor="ann", replace=True)

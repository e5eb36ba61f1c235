"""Which file an environment belongs to: another one of the same name never drives its stack."""

from __future__ import annotations

from pathlib import Path

from hxp_enterprise_llm.configuration.diagnostics import shown
from hxp_enterprise_llm.configuration.loader import LoadedEnvironment
from hxp_enterprise_llm.core.exceptions import RefusedError
from hxp_enterprise_llm.orchestration import paths
from hxp_enterprise_llm.utilities.files import write_atomic

_NOTE = "made-from"


def refuse_other(loaded: LoadedEnvironment) -> None:
    """Refuse a file when an environment of its name belongs to another one.

    It belongs to the file that it was made from; before it is made, a name in stacks/environments/
    belongs to the file there.

    Raises:
        RefusedError: It belongs to another file; names both and what to do.
    """
    refuse_other_file(loaded.name, loaded.path)


def refuse_other_file(name: str, path: Path) -> None:
    """Refuse a file as `refuse_other` does; the file may have errors.

    Raises:
        RefusedError: The environment of this name belongs to another file.
    """
    root, note = _root(), _note(name)
    made = note.is_file()
    # A path outside the checkout is absolute, and stays as it is.
    first = root / (note.read_text().strip() if made else f"stacks/environments/{name}.yaml")
    if first.resolve() == path.resolve() or not (made or first.is_file()):
        return
    relation = "was made from" if made else "belongs to"
    raise RefusedError(
        f"environment {name} {relation} {shown(first)}, not {shown(path)}",
        next_step=_advice(first, path, note, made=made),
    )


def record(loaded: LoadedEnvironment) -> None:
    """Note down that an environment is made from this file.

    Raises:
        RefusedError: It belongs to another file.
    """
    refuse_other(loaded)
    path, root = loaded.path.resolve(), _root()
    # Relative where it can be: a checkout may be moved.
    text = path.relative_to(root) if path.is_relative_to(root) else path
    paths.environment_state(loaded.name)
    write_atomic(_note(loaded.name), f"{text}\n")


def forget(name: str) -> None:
    """Forget the file of an environment that is gone."""
    _note(name).unlink(missing_ok=True)


def _root() -> Path:
    """Return the checkout that the state folder is in, which may be a link to another one's."""
    return (paths.checkout() / ".citadel").resolve().parent


def _note(name: str) -> Path:
    return paths.checkout() / ".citadel" / name / _NOTE


def _advice(first: Path, other: Path, note: Path, *, made: bool) -> str:
    rename = f"Rename {shown(other)}: the name of a file is the name of its environment."
    if not made:
        return rename
    if first.is_file():
        return f"{rename} Or remove the first: citadel destroy {shown(first)}"
    return (
        f"{rename} The first file is gone; if this is the same one, moved or renamed: "
        f"rm {shown(note)}"
    )

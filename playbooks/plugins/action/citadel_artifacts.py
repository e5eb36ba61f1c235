"""Action: place a role's environments and models; copies them first where no store is mounted."""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.orchestration.bundle import session
from hxp_enterprise_llm.orchestration.bundle.action import CitadelAction, Result, Variables
from hxp_enterprise_llm.orchestration.paths import cache
from hxp_enterprise_llm.schemas.artifacts import UV, ArtifactRef


class ActionModule(CitadelAction):
    """Compares `citadel_<role>.artifacts` with the state read."""

    _VALID_ARGS = frozenset(("role",))

    def act(self, variables: Variables) -> Result:
        """Return what was missing."""
        wanted = _wanted(session.role_data(variables, self._task.args["role"]))
        state = variables.get(session.STATE) or {}
        held = set(state.get("artifacts") or ())
        missing = [ref for ref in wanted if ref.path not in held]
        if not missing:
            return {"changed": False}
        items = [{"kind": ref.kind, "path": ref.path, "view": ref.view} for ref in missing]
        arguments: Result = {"artifacts": items}
        mended = False
        if variables.get("citadel_store") == "copied" and not self._task.check_mode:
            views = [*(ref.view for ref in missing), UV]
            digests = {view: digest(cache() / "store" / view) for view in views}
            answer = self._lacking(digests, variables)
            mended = bool(answer["changed"])
            arguments["archives"] = self._copy(answer["lacking"])
            arguments["digests"] = digests
        done = self.call("citadel_artifacts", arguments, variables)
        return {**done, "changed": bool(done.get("changed")) or mended}

    def _lacking(self, digests: dict[str, str], variables: Variables) -> Result:
        answer = self.call("citadel_artifacts", {"lacking": digests}, variables)
        if answer.get("failed"):
            raise CitadelError(str(answer.get("msg")))
        return answer

    def _copy(self, views: list[str]) -> dict[str, str]:
        """Send what the host's store lacks; return view → path of its archive on the host."""
        folder = self._make_tmp_path()
        sent = {}
        for number, view in enumerate(views):
            with tempfile.NamedTemporaryFile(suffix=".tar") as file:
                pack(cache() / "store" / view, Path(file.name))
                sent[view] = self._transfer_file(
                    file.name, self._connection._shell.join_path(folder, f"{number}.tar")
                )
        return sent


def _wanted(data: dict[str, Any]) -> tuple[ArtifactRef, ...]:
    return tuple(ArtifactRef.model_validate(item) for item in data["artifacts"])


def digest(source: Path) -> str:
    """Return the SHA-256 that the host checks what it gets against: of a program, of a manifest.

    Raises:
        CitadelError: The store has no such view.
    """
    path = source / "manifest.json" if source.is_dir() else source
    if not path.is_file():
        raise CitadelError(
            f"{source} is not in the store", next_step="run: citadel artifacts fetch NAME"
        )
    with path.open("rb") as file:
        found = hashlib.sha256()
        for block in iter(lambda: file.read(1 << 20), b""):
            found.update(block)
    return found.hexdigest()


def pack(source: Path, target: Path) -> None:
    """Write a view or a program into a tar file that says nothing of the operator's users."""
    # Files of the same content are links to one blob in the store; the host takes plain files only.
    with tarfile.open(target, "w", dereference=True) as tar:
        if source.is_dir():
            for path in sorted(source.iterdir()):
                tar.add(path, arcname=path.name, filter=_anonymous)
        else:
            tar.add(source, arcname=source.name, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode &= 0o755
    return member

"""`citadel config history|diff|rollback|backup|restore`: what was applied, and back to it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hxp_enterprise_llm.cli.console import (
    Output,
    OutputOption,
    print_json,
    print_table,
    print_warnings,
    progress_stream,
)
from hxp_enterprise_llm.cli.target import EnvironmentArgument
from hxp_enterprise_llm.core.exceptions import CitadelError, ExitCode, RefusedError

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.diff import Change
    from hxp_enterprise_llm.configuration.revisions import Revision, Revisions

FILE = "file"
_OTHER = "Give the name of a new file."
_MAGIC = b"\x1f\x8b"
"""What a gzip file begins with."""


def history(
    environment: EnvironmentArgument,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 20,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """List what was applied, newest first: number, when, who and why. Each is checked.

    Examples: citadel config history local · citadel config history local --output json
    """
    import asyncio

    _, store = _opened(environment)
    found = asyncio.run(store.history(limit=limit))
    if output is Output.JSON:
        print_json([item.as_data() for item in found])
    elif found:
        rows = [
            (str(item.number), f"{item.made_at:%Y-%m-%d %H:%M:%S}", item.actor, item.reason)
            for item in found
        ]
        print_table(("revision", "applied (UTC)", "by", "why"), rows)
    else:
        typer.echo("nothing was applied yet: citadel up keeps a revision")
    return ExitCode.OK


def diff(
    environment: EnvironmentArgument,
    first: Annotated[str, typer.Argument(metavar="A", help="A revision's number, or `file`.")],
    second: Annotated[
        str, typer.Argument(metavar="B", help="Another; the file as it stands by default.")
    ] = FILE,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> int:
    """Say what differs from A to B, and what each change does; exit 2 when something does.

    Examples: citadel config diff local 3 4 · citadel config diff local 3
    """
    import asyncio

    from hxp_enterprise_llm.configuration.diff import between
    from hxp_enterprise_llm.schemas.environment import Environment

    path, store = _opened(environment)
    old, new = (asyncio.run(_document(path, store, word)) for word in (first, second))
    found = between(old, new, Environment)
    if output is Output.JSON:
        print_json([change.as_data() for change in found])
    else:
        typer.echo(_listed(found) or "nothing differs")
    return ExitCode.CHANGES if found else ExitCode.OK


def rollback(
    environment: EnvironmentArgument,
    revision: Annotated[int, typer.Argument(help="Its number in the history.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for scripts.")] = False,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> None:
    """Write the environment's file as it was in a revision; `citadel up` then applies it.

    Examples: citadel config rollback local 3 · citadel config rollback local 3 --yes
    """
    import asyncio

    from hxp_enterprise_llm.orchestration.lock import exclusive

    path, store = _opened(environment)
    kept = asyncio.run(store.get(revision))
    if not kept.source:
        raise RefusedError(f"revision {revision} came from no file", next_step="Take another.")
    # Bytes: line ends are a part of the file, and a broken one may be no text.
    now = path.read_bytes() if path.is_file() else b""
    stream = progress_stream(output)
    names = (path.name, f"revision {revision}")
    lines = _text_diff(now.decode(errors="replace"), kept.source, names)
    if now != kept.source.encode() and not lines:
        lines = f"{path.name}: line ends only\n"
    typer.echo(lines or f"{path.name} says that already", stream, nl=not lines)
    if lines:
        if not yes:
            _ask(path, revision)
        with _using(path), exclusive(path.stem, f"citadel config rollback {path.stem}"):
            left = _put_back(path, now, kept)
        print_warnings(
            [f"still differs, for a file that this one extends: {item}" for item in left]
        )
        typer.echo(f"next  citadel plan {path.stem} · citadel up {path.stem}", stream)
    if output is Output.JSON:
        print_json({"environment": path.stem, "revision": revision, "changed": bool(lines)})


def backup(
    environment: EnvironmentArgument,
    archive: Annotated[Path, typer.Argument(help="A new file; mode 0600.")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also over a backup that is there.")
    ] = False,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> None:
    """Write all revisions of an environment to one file, with a checksum.

    Examples: citadel config backup local local.revisions.gz
    """
    import asyncio

    from hxp_enterprise_llm.utilities.files import write_atomic

    path, store = _opened(environment)
    _refuse_taken(archive, replace=replace)
    head = asyncio.run(store.verify())
    if head is None:
        raise RefusedError(
            f"{path.stem} has no revisions yet, so there is nothing to back up",
            next_step=f"citadel up {path.stem} keeps one.",
        )
    content = asyncio.run(store.backup())
    with _using(archive):
        write_atomic(archive.absolute(), content, mode=0o600)
    _said({"environment": path.stem, "revisions": head.number, "head": str(head)}, output)


def restore(
    environment: EnvironmentArgument,
    archive: Annotated[Path, typer.Argument(help="File of the backup.")],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change and end.")
    ] = False,
    output: Annotated[Output, OutputOption] = Output.TEXT,
) -> None:
    """Take over the revisions of a backup that are missing or damaged here; checks all first.

    What is damaged is kept aside, as is what follows it where the backup ends before.

    Examples: citadel config restore local local.revisions.gz --dry-run
    """
    import asyncio

    path, store = _opened(environment)
    try:
        content = archive.read_bytes()
    except OSError as error:
        raise RefusedError(
            f"{archive}: {error.strerror}", next_step="Give the file of a backup."
        ) from None
    mending = asyncio.run(store.mending(content))
    place = "" if dry_run else asyncio.run(store.mend(mending))
    done = {"environment": path.stem, "restored": len(mending.taken)}
    if output is Output.JSON:
        told = {"aside": list(mending.aside), "place": place, "dry_run": dry_run}
        print_json(done | told)
        return
    would = "would be " if dry_run else ""
    typer.echo(f"environment {path.stem} · {would}restored {len(mending.taken)}")
    if mending.aside:
        numbers = ", ".join(map(str, mending.aside))
        typer.echo(f"damaged, {would}kept aside: {numbers}" + (f" as {place}" if place else ""))


def _opened(environment: str) -> tuple[Path, Revisions]:
    """Return an environment's file, which may have errors, and its store."""
    from hxp_enterprise_llm.configuration.loader import locate
    from hxp_enterprise_llm.configuration.revisions.local import local_revisions
    from hxp_enterprise_llm.orchestration.ownership import refuse_other_file
    from hxp_enterprise_llm.orchestration.paths import environment_state

    path = locate(environment)
    with _using(path):
        refuse_other_file(path.stem, path)
        return path, local_revisions(environment_state(path.stem))


async def _document(path: Path, store: Revisions, word: str) -> dict[str, Any]:
    if word != FILE:
        try:
            return (await store.get(int(word))).document
        except ValueError:
            raise RefusedError(
                f"{word} is no revision", next_step="Write its number, or `file`."
            ) from None
    from hxp_enterprise_llm.configuration.loader import load
    from hxp_enterprise_llm.configuration.snapshot import document_of

    return document_of(load(str(path)).environment)


def _listed(found: tuple[Change, ...]) -> str:
    return "\n".join(map(str, found))


def _text_diff(now: str, then: str, names: tuple[str, str]) -> str:
    """Return a unified diff; what stands in clear where a reference belongs is hidden in it."""
    from hxp_enterprise_llm.configuration.masking import text_diff
    from hxp_enterprise_llm.schemas.environment import Environment

    return "".join(f"{line}\n" for line in text_diff(now, then, names, Environment))


def _ask(path: Path, revision: int) -> None:
    if not sys.stdin.isatty():
        raise RefusedError("rollback asks first", next_step="Give --yes in scripts.")
    if not typer.confirm(f"Write {path.name} as it was in revision {revision}?", err=True):
        raise CitadelError("nothing was changed")


def _put_back(path: Path, now: bytes, kept: Revision) -> list[Change]:
    """Write the file of a revision; return what differs from it all the same.

    Raises:
        InvalidEnvironmentError: It is not valid any more; the file is as it was.
    """
    from hxp_enterprise_llm.configuration.diff import between
    from hxp_enterprise_llm.configuration.loader import load
    from hxp_enterprise_llm.configuration.snapshot import document_of
    from hxp_enterprise_llm.schemas.environment import Environment
    from hxp_enterprise_llm.utilities.files import write_atomic

    # Through a link: the rename would put a file in its place.
    target = path.resolve()
    mode = target.stat().st_mode & 0o777 if now else 0o644
    with _using(path):
        write_atomic(target, kept.source, mode=mode)
    try:
        loaded = load(str(path))
    except CitadelError:
        if now:
            write_atomic(target, now, mode=mode)
        else:
            target.unlink()
        raise
    return list(between(kept.document, document_of(loaded.environment), Environment))


def _refuse_taken(archive: Path, *, replace: bool) -> None:
    """Refuse to write over a file; over one that is no backup in any case."""
    try:
        with archive.open("rb") as file:
            is_backup = file.read(len(_MAGIC)) == _MAGIC
    except FileNotFoundError:
        return
    except OSError as error:
        raise RefusedError(f"{archive}: {error.strerror}", next_step=_OTHER) from None
    if not (replace and is_backup):
        what = "is there already" if is_backup else "is there, and is no backup"
        step = f"{_OTHER} Or add --replace." if is_backup else _OTHER
        raise RefusedError(f"{archive} {what}", next_step=step)


@contextmanager
def _using(path: Path) -> Iterator[None]:
    """Tell of a file or folder that cannot be read or written, or of this one."""
    try:
        yield
    except OSError as error:
        at = Path(error.filename or path).absolute()
        # Not by the name that a file has while it is written.
        at = path if at.parent == path.absolute().parent else at
        raise RefusedError(
            f"{at}: {error.strerror}",
            next_step="Make its folder, make room, or mend the folder's permissions.",
        ) from None


def _said(data: dict[str, Any], output: Output) -> None:
    if output is Output.JSON:
        print_json(data)
    else:
        typer.echo(" · ".join(f"{key} {value}" for key, value in data.items() if value != ""))

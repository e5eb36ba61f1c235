"""Makes a snapshot that nobody uses yet: read, parse, migrate, validate, resolve secrets."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

from hxp_enterprise_llm.configuration.diagnostics import InvalidDocumentError, KeyPath, dotted
from hxp_enterprise_llm.configuration.fields import holds_secrets
from hxp_enterprise_llm.configuration.phases import Phase, PhaseError, UnsteadyError
from hxp_enterprise_llm.configuration.pipeline import Draft, Judge, Loaded, assemble, compiled
from hxp_enterprise_llm.configuration.snapshot import Snapshot, canonical, document_of, hash_of
from hxp_enterprise_llm.configuration.sources.base import Layer, Source
from hxp_enterprise_llm.configuration.threads import Threads, in_thread
from hxp_enterprise_llm.configuration.watcher import fingerprint
from hxp_enterprise_llm.core.exceptions import DependencyError, RefusedError

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.secrets import Secret

ModelT = TypeVar("ModelT", bound=BaseModel)
Migrate = Callable[[Draft], Draft]
"""Brings a merged document of an older version to the one that the model knows."""
Resolver = Callable[[str], "Secret | Awaitable[Secret]"]
"""Returns the value of a reference; one that is no coroutine runs in a thread."""

# As often as a writer of several files may get in between.
_TRIES = 4


@dataclass(frozen=True)
class Candidates(Generic[ModelT]):
    """Makes candidates of one model.

    Args:
        model: The model.
        home: What errors about no key in particular name.
        migrate: Brings older documents to the model's version.
        judge: Runs rules.
        resolver: Returns the values of references.
        timeout: Seconds a phase may take.
    """

    model: type[ModelT]
    home: Path | str
    migrate: Migrate | None
    judge: Judge[ModelT] | None
    resolver: Resolver | None
    timeout: float
    _reading: Threads = field(default_factory=partial(Threads, "configuration-sources"))
    _resolving: Threads = field(default_factory=partial(Threads, "configuration-secrets"))

    async def seen(self, sources: Sequence[Source]) -> str | None:
        """Return the fingerprint of the sources' files; None where they do not answer."""
        try:
            async with asyncio.timeout(self.timeout):
                return await self._reading.run(fingerprint, watched(sources))
        except TimeoutError:
            return None

    async def read(self, sources: Sequence[Source]) -> tuple[list[Layer], str]:
        """Return the layers of all sources, of one moment, and the fingerprint of their files.

        Raises:
            PhaseError: A source cannot be reached, or the files change all the time.
        """
        try:
            with self._reading.used():
                async with asyncio.timeout(self.timeout):
                    return await _steady(sources)
        except TimeoutError:
            error = DependencyError(
                f"the sources did not answer within {self.timeout:g} s",
                next_step="Look for a file system or a database that hangs.",
            )
            raise PhaseError(Phase.READ, error) from None
        except Exception as error:
            raise PhaseError(Phase.READ, error) from error

    async def compile(self, layers: Sequence[Layer], *, judged: bool = True) -> Loaded[ModelT]:
        """Return a checked model; the work is done in a thread, requests go on meanwhile.

        Raises:
            PhaseError: The document has errors.
        """
        return await asyncio.to_thread(self._compile, layers, judged=judged)

    def _compile(self, layers: Sequence[Layer], *, judged: bool) -> Loaded[ModelT]:
        phase = Phase.PARSE
        try:
            draft = assemble(layers, self.model, self.home)
            if self.migrate is not None:
                phase = Phase.MIGRATE
                draft = self.migrate(draft)
            phase = Phase.VALIDATE
            return compiled(draft, self.model, judge=self.judge if judged else None)
        except InvalidDocumentError as error:
            if any(item.code == "C001" for item in error.diagnostics):
                phase = Phase.PARSE
            raise PhaseError(phase, error) from error
        except Exception as error:
            raise PhaseError(phase, error) from error

    async def snapshot(
        self,
        loaded: Loaded[ModelT],
        *,
        number: int,
        made_at: datetime,
        actor: str,
        reason: str,
        approver: str | None,
    ) -> Snapshot[ModelT]:
        """Return a snapshot of a checked model, its secrets resolved.

        Raises:
            PhaseError: A secret cannot be had, or a text is none that can be written.
        """
        text = _text(loaded.config)
        return Snapshot(
            config=loaded.config,
            text=text,
            origins=MappingProxyType(loaded.draft.origins),
            revision=hash_of(text),
            number=number,
            made_at=made_at,
            actor=actor,
            reason=reason,
            approver=approver,
            warnings=loaded.warnings,
            secrets=await self.resolve(loaded.config),
        )

    async def resolve(self, config: BaseModel) -> Mapping[str, Secret]:
        """Return the values of all references of a configuration.

        Raises:
            PhaseError: One cannot be had.
        """
        wanted = tuple(dict.fromkeys(references(config)))
        if self.resolver is None or not wanted:
            return {}
        try:
            with self._resolving.used():
                async with asyncio.timeout(self.timeout), asyncio.TaskGroup() as group:
                    tasks = [group.create_task(_resolved(self.resolver, item)) for item in wanted]
        except TimeoutError:
            error = DependencyError(
                f"secrets were not resolved within {self.timeout:g} s",
                next_step="Check that their backend answers.",
            )
            raise PhaseError(Phase.RESOLVE, error) from None
        except ExceptionGroup as group_error:
            first = group_error.exceptions[0]
            raise PhaseError(Phase.RESOLVE, first) from first
        return {item: task.result() for item, task in zip(wanted, tasks, strict=True)}


def _text(config: BaseModel) -> bytes:
    try:
        return canonical(document_of(config))
    except UnicodeEncodeError as error:
        # The error's own text may hold a value of the configuration.
        keys = ", ".join(sorted(dotted(path) for path in _broken((), config.model_dump())))
        refused = RefusedError(
            f"{keys}: a text holds half of a surrogate pair",
            next_step="Write whole characters: an escape such as \\ud83d never stands alone.",
        )
        raise PhaseError(Phase.VALIDATE, refused) from error
    except Exception as error:
        raise PhaseError(Phase.VALIDATE, error) from error


def _broken(path: KeyPath, value: Any) -> Iterator[KeyPath]:
    """Yield where texts stand that UTF-8 has no bytes for."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            yield path
    elif isinstance(value, dict):
        for key, below in value.items():
            yield from _broken((*path, key), below)
    elif isinstance(value, tuple | list):
        for index, below in enumerate(value):
            yield from _broken((*path, index), below)


async def _steady(sources: Sequence[Source]) -> tuple[list[Layer], str]:
    """Read all sources between two equal fingerprints, so that no two revisions are mixed."""
    before = await in_thread(fingerprint, watched(sources))
    for _ in range(_TRIES):
        # One after the other: the first that fails is the one that is named.
        layers = [await source.read() for source in sources]
        after = await in_thread(fingerprint, watched(sources))
        if after == before:
            return layers, after
        before = after
    raise UnsteadyError(
        "the files changed each time they were read",
        next_step="Write files by rename, and less often.",
    )


def said_by(layers: Iterable[Layer]) -> str:
    """Return a hash of all that sources wrote: no places, no comments, no defaults of a model."""
    digest = hashlib.sha256()
    for layer in layers:
        settings = [[*setting.parts, setting.text] for setting in layer.settings]
        said = repr([said_by(layer.lower), _ordered(layer.data), settings])
        digest.update(said.encode(errors="surrogatepass"))
    return digest.hexdigest()


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((repr(key), _ordered(below)) for key, below in value.items())
    return [_ordered(below) for below in value] if isinstance(value, list) else repr(value)


def watched(sources: Sequence[Source]) -> tuple[Path, ...]:
    """Return the files and folders of all sources."""
    return tuple(path for source in sources for path in source.watched)


async def _resolved(resolver: Resolver, reference: str) -> Secret:
    found: Any = (
        resolver(reference)
        if inspect.iscoroutinefunction(resolver)
        else await in_thread(resolver, reference)
    )
    secret: Secret = await found if inspect.isawaitable(found) else found
    return secret


def references(value: BaseModel) -> Iterator[str]:
    """Yield the references to secrets of a model, those in maps and lists too."""
    for name, info in type(value).model_fields.items():
        yield from _of_field(getattr(value, name), secret=holds_secrets(info))


def _of_field(value: Any, *, secret: bool) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from references(value)
    elif isinstance(value, str) and secret:
        yield value
    elif isinstance(value, dict):
        for below in value.values():
            yield from _of_field(below, secret=secret)
    elif isinstance(value, tuple | list):
        for below in value:
            yield from _of_field(below, secret=secret)

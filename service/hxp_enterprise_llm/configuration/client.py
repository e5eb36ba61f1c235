"""Follows one document of the configuration service, and works on when the service is away.

The last good revision lies on disk, in a file of mode 0600. A process that starts while no server
answers starts with that; one that runs goes on with what it has. Nothing is taken that does not fit
its hash, the model, and, where keys are given, its signature.
"""

from __future__ import annotations

import asyncio
import base64
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from hxp_enterprise_llm.configuration.revisions.base import Revision, TamperedRevisionError
from hxp_enterprise_llm.configuration.revisions.record import decoded, encoded
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.core.exceptions import CitadelError, DependencyError, FaultDomain
from hxp_enterprise_llm.schemas.configuration_service import DocumentView, RevisionView
from hxp_enterprise_llm.utilities.files import write_atomic
from hxp_enterprise_llm.utilities.http import HttpTransport, Reply
from hxp_enterprise_llm.utilities.logging import Logger, get_logger
from hxp_enterprise_llm.utilities.retry import Retrier, RetryPolicy

if TYPE_CHECKING:
    from hxp_enterprise_llm.configuration.secrets.envelope import Keys
    from hxp_enterprise_llm.configuration.security.signing import Verifier

ModelT = TypeVar("ModelT", bound=BaseModel)
_TIMEOUT = 10.0
_SILENCE = 45.0
"""Seconds without a sign of life until a stream is opened anew: three beats of the service."""


class NoConfigurationError(CitadelError):
    """Neither a server nor the disk has a configuration that can be used."""

    code = "configuration.none-at-hand"
    domain = FaultDomain.CONFIGURATION


class UntrustedRevisionError(CitadelError):
    """What a server sent is not what somebody applied."""

    code = "configuration.untrusted"
    domain = FaultDomain.POLICY


class RefusedByServiceError(CitadelError):
    """The service answered, and said no."""

    code = "configuration.refused-by-service"
    domain = FaultDomain.CONFIGURATION


@dataclass(frozen=True)
class Held(Generic[ModelT]):
    """A configuration that can be used.

    Attributes:
        config: The model.
        revision: The revision that it is of.
        fresh: A server said so; False: it comes from the disk.
    """

    config: ModelT
    revision: Revision
    fresh: bool = True


class Wire(Protocol):
    """The way to one server; a double of it stands for the server in tests."""

    async def get(self, path: str, *, timeout: float) -> Reply:  # noqa: ASYNC109 # one try's
        """Return the answer to a GET; raises DependencyError when there is none."""

    async def put(self, path: str, body: bytes, *, timeout: float) -> Reply:  # noqa: ASYNC109
        """Return the answer to a PUT; raises DependencyError when there is none."""

    def numbers(self, path: str, last: int, *, silence: float) -> AsyncIterator[int]:
        """Yield the numbers of revisions as they come; raises DependencyError when it breaks."""

    async def close(self) -> None:
        """Close all connections."""


class HttpWire(HttpTransport):
    """One server over HTTP.

    Args:
        base: `http://address:8080`.
        principal: Who asks.
        key: The key of that principal.
    """

    def __init__(self, base: str, principal: str, key: Secret) -> None:
        shown = base64.b64encode(f"{principal}:{key.reveal()}".encode()).decode()
        super().__init__(base, headers={"Authorization": f"Basic {shown}"})

    async def put(self, path: str, body: bytes, *, timeout: float) -> Reply:  # noqa: ASYNC109
        """Return the answer to a PUT of JSON."""
        import aiohttp

        head, limit = {"content-type": "application/json"}, aiohttp.ClientTimeout(total=timeout)
        try:
            async with self._open().put(path, data=body, headers=head, timeout=limit) as answer:
                return Reply(answer.status, await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _away(path, error) from error

    async def numbers(self, path: str, last: int, *, silence: float) -> AsyncIterator[int]:
        """Yield the numbers of revisions as the event stream tells them."""
        import aiohttp

        limit = aiohttp.ClientTimeout(total=None, sock_connect=_TIMEOUT, sock_read=silence)
        head = {"Last-Event-ID": str(last)} if last else {}
        try:
            async with self._open().get(path, headers=head, timeout=limit) as answer:
                if answer.status != 200:
                    raise _refused(answer.status, await answer.read())
                async for line in answer.content:
                    if line.startswith(b"id: "):
                        yield int(line[4:])
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _away(path, error) from error


class ConfigurationClient(Generic[ModelT]):
    """One document, from whichever server answers, or from the disk.

    Args:
        servers: Ways to the servers; which is asked first depends on `replica`, so that replicas
            spread over them, and without a name it is the first.
        kind: Kind of the document.
        name: Name of the document.
        model: What it must be.
        cache: The file that keeps the last good revision; its folder must exist.
        replica: Name to report by; empty: it is reported to nobody.
        verifier: Public keys that revisions must be signed with; None asks for no signature.
        sealing: Keys that the file is sealed with; None leaves it readable to its owner.
        retry: Pauses between tries while no server answers.
        beat: Seconds between two reports.
        logger: Where events go.
    """

    def __init__(
        self,
        servers: Sequence[Wire],
        kind: str,
        name: str,
        model: type[ModelT],
        *,
        cache: Path,
        replica: str = "",
        verifier: Verifier | None = None,
        sealing: Keys | None = None,
        retry: RetryPolicy | None = None,
        beat: float = 15.0,
        logger: Logger | None = None,
    ) -> None:
        self._servers, self._model = _spread(servers, replica), model
        self._document, self._cache = (kind, name), cache
        self._path = f"/v1/documents/{kind}/{name}"
        self._replica, self._verifier, self._beat = replica, verifier, beat
        self._sealing = sealing
        self._retrier = Retrier(retry or RetryPolicy())
        self._log = logger or get_logger("configuration-client", document=f"{kind}/{name}")
        self.held: Held[ModelT] | None = None

    async def load(self) -> Held[ModelT]:
        """Return the configuration: a server's, or the last good one when none answers.

        Raises:
            NoConfigurationError: There is neither.
            UntrustedRevisionError: A server sent something else than was applied, and nothing
                good is on the disk.
        """
        try:
            return await self.refresh()
        except CitadelError as error:
            kept = await self._kept()
            if kept is None:
                if isinstance(error, DependencyError):
                    raise NoConfigurationError(
                        f"no configuration of {'/'.join(self._document)}: no server answers, and "
                        f"{self._cache} holds none",
                        next_step="Start the configuration service, or restore that file.",
                    ) from error
                raise
            self._log.warning("serving-last-good", revision=kept.revision.number, code=error.code)
            self.held = kept
            return kept

    async def refresh(self) -> Held[ModelT]:
        """Return what a server says now, and keep it.

        Raises:
            DependencyError: No server answers.
            RefusedByServiceError: They answer, and say no.
            UntrustedRevisionError: It is not what was applied, of another document, older than
                what is known, or another one of the same number.
        """
        reply = await self._any(lambda wire: wire.get(self._path, timeout=_TIMEOUT))
        revision = self._trusted(_revision(reply.body, self._document))
        known = self.held or await self._kept()
        if known is not None and revision.number < known.revision.number:
            raise UntrustedRevisionError(
                f"a server says revision {revision.number}, and {known.revision.number} was seen",
                next_step="Look whether its store was restored from a backup; then remove "
                f"{self._cache}.",
            )
        self._same(revision, known)
        held = Held(self._parsed(revision), revision)
        try:
            await asyncio.to_thread(write_atomic, self._cache, self._sealed(revision), mode=0o600)
        except OSError as error:
            # What serves does not wait for a disk; only a start without a server needs the file.
            self._log.warning("revision-not-kept", file=str(self._cache), error=str(error))
        self.held = held
        return held

    def _same(self, revision: Revision, known: Held[ModelT] | None) -> None:
        """Refuse a revision that differs from the one of the same number that was seen."""
        seen = known.revision if known is not None else None
        if seen is None or seen.number != revision.number or seen.hash == revision.hash:
            return
        raise UntrustedRevisionError(
            f"a server says that revision {revision.number} has the hash {revision.hash}, and "
            f"one with {seen.hash} was seen",
            next_step="Look whether its store was restored from a backup; then remove "
            f"{self._cache}.",
        )

    async def follow(self, taken: Callable[[Held[ModelT]], Awaitable[None]]) -> None:
        """Call `taken` with each new revision until cancelled; servers may come and go.

        What cannot be used is logged, and what serves goes on serving.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._followed(taken))
            if self._replica:
                group.create_task(self._reported())

    async def report(self) -> tuple[str, ...]:
        """Tell the service which revision runs here; return the documents that are behind.

        Raises:
            DependencyError: No server answers.
            UntrustedRevisionError: One answers something else than the service would.
        """
        running = []
        if self.held is not None:
            kind, name = self._document
            revision = self.held.revision
            running = [{"kind": kind, "name": name, "number": revision.number, "id": revision.id}]
        body = json.dumps({"running": running}).encode()
        path = f"/v1/fleet/{self._replica}"
        reply = await self._any(lambda wire: wire.put(path, body, timeout=_TIMEOUT))
        try:
            return tuple(map(str, json.loads(reply.body)["behind"]))
        except (ValueError, KeyError, TypeError):
            raise _untrusted("is not of the form that the service gives") from None

    async def close(self) -> None:
        """Close all connections."""
        for wire in self._servers:
            await wire.close()

    async def _followed(self, taken: Callable[[Held[ModelT]], Awaitable[None]]) -> None:
        failures = 0
        while True:
            for wire in self._servers:
                try:
                    async for number in wire.numbers(
                        f"{self._path}/watch", self._number, silence=_SILENCE
                    ):
                        if number != self._number:
                            await taken(await self.refresh())
                        failures = 0
                except CitadelError as error:
                    self._log.warning("watch-broken", code=error.code, error=error.message)
            failures += 1
            await asyncio.sleep(self._retrier.pause(failures))

    async def _reported(self) -> None:
        while True:
            try:
                await self.report()
            except CitadelError as error:
                self._log.warning("report-lost", code=error.code)
            await asyncio.sleep(self._beat)

    @property
    def _number(self) -> int:
        return self.held.revision.number if self.held is not None else 0

    async def _any(self, ask: Callable[[Wire], Awaitable[Reply]]) -> Reply:
        failed: CitadelError | None = None
        for wire in self._servers:
            try:
                reply = await ask(wire)
            except DependencyError as error:
                failed = failed or error
                continue
            if reply.status == 200:
                return reply
            # A server that draws its last breath says 503; the next may not.
            if reply.status < 500:
                raise _refused(reply.status, reply.body)
            failed = _refused(reply.status, reply.body)
        raise DependencyError(
            "no configuration server answers", next_step="Check the servers and the way to them."
        ) from failed

    async def _kept(self) -> Held[ModelT] | None:
        """Return the last good revision; None when there is none, or it was changed."""
        try:
            record = self._opened(await asyncio.to_thread(self._cache.read_bytes))
            revision = decoded(_number_of(record), record, str(self._cache), None)
            if not _is_of(revision, self._document):
                raise UntrustedRevisionError(f"{self._cache} is of {revision.of}")
            return Held(self._parsed(self._trusted(revision)), revision, fresh=False)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, CitadelError) as error:
            code = error.code if isinstance(error, CitadelError) else type(error).__name__
            self._log.warning("kept-revision-unusable", file=str(self._cache), code=code)
            return None

    def _sealed(self, revision: Revision) -> bytes:
        record = encoded(revision)
        if self._sealing is None:
            return record
        from hxp_enterprise_llm.configuration.security.sealing import seal_record

        return seal_record(self._sealing, self._copy, record)

    def _opened(self, record: bytes) -> bytes:
        if self._sealing is None:
            return record
        from hxp_enterprise_llm.configuration.security.sealing import open_record

        return open_record(self._sealing, self._copy, record)

    @property
    def _copy(self) -> str:
        return f"copies/{'/'.join(self._document)}"

    def _trusted(self, revision: Revision) -> Revision:
        if self._verifier is not None:
            self._verifier.check(revision)
        return revision

    def _parsed(self, revision: Revision) -> ModelT:
        try:
            return self._model.model_validate(revision.document)
        except ValidationError as error:
            keys = sorted({".".join(map(str, item["loc"])) for item in error.errors()})
            raise UntrustedRevisionError(
                f"revision {revision.number} does not fit this program: {', '.join(keys)}",
                next_step="Use the version of the program that the revision was made for.",
            ) from None


def _spread(servers: Sequence[Wire], replica: str) -> tuple[Wire, ...]:
    """Return the servers in the order in which a replica asks them."""
    first = zlib.crc32(replica.encode()) % max(1, len(servers))
    return (*servers[first:], *servers[:first])


def _revision(body: bytes, asked: tuple[str, str]) -> Revision:
    """Return the revision of an answer about what was asked, checked against its own hash."""
    try:
        view = DocumentView.model_validate_json(body)
    except ValidationError:
        raise _untrusted("is not of the form that the service gives") from None
    if (view.kind, view.name) != asked:
        raise _untrusted(f"is about {view.kind}/{view.name}, and {'/'.join(asked)} was asked for")
    if not _is_of(view.revision, asked):
        raise _untrusted(f"is a revision of {view.revision.of}, not of {'/'.join(asked)}")
    if not view.complete:
        raise _untrusted("leaves keys out: its reader may not see them all")
    said = view.revision.model_dump(mode="json")
    record = {**said, "made_at": view.revision.made_at.isoformat()}
    record |= {"document": view.document, "source": view.source}
    try:
        return decoded(view.revision.number, json.dumps(record).encode(), "the service", None)
    except TamperedRevisionError:
        raise _untrusted("does not fit its hash") from None


def _is_of(revision: Revision | RevisionView, asked: tuple[str, str]) -> bool:
    """Return whether a revision is of a document; those of version 1 do not say."""
    return revision.version == 1 or revision.of.endswith(f"/{'/'.join(asked)}")


def _number_of(record: bytes) -> int:
    said: Mapping[str, Any] = json.loads(record)
    return int(said["number"])


def _untrusted(why: str) -> UntrustedRevisionError:
    return UntrustedRevisionError(
        f"the answer of the configuration service {why}",
        next_step="Compare the service's revisions with a backup: citadel config history.",
    )


def _away(path: str, error: Exception) -> DependencyError:
    return DependencyError(
        f"{path}: {type(error).__name__}", next_step="Is the server up, and the way free?"
    )


def _refused(status: int, body: bytes) -> RefusedByServiceError:
    try:
        said = json.loads(body)
        text, step = str(said["detail"]), str(said.get("next_step", ""))
    except (ValueError, KeyError, TypeError):
        text, step = "no reason was given", ""
    return RefusedByServiceError(f"the service answered {status}: {text}", next_step=step)

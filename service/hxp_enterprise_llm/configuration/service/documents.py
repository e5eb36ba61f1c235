"""All documents that the service serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from hxp_enterprise_llm.configuration.revisions import Revision, Shelf, TamperedRevisionError
from hxp_enterprise_llm.configuration.secrets.envelope import Keys
from hxp_enterprise_llm.configuration.secrets.errors import SecretError
from hxp_enterprise_llm.configuration.security.sealing import SealedShelf
from hxp_enterprise_llm.configuration.series import ConfigurationMetrics
from hxp_enterprise_llm.configuration.service.backend import Backend
from hxp_enterprise_llm.configuration.service.document import Done, Order, ServedDocument
from hxp_enterprise_llm.configuration.service.errors import (
    DocumentNotFoundError,
    LimitReachedError,
    NotFollowedError,
    UnverifiedError,
    here,
)
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey, Kind, kind_of
from hxp_enterprise_llm.configuration.service.trusted import FILE, TrustedSigner
from hxp_enterprise_llm.core.exceptions import CitadelError
from hxp_enterprise_llm.utilities.logging import Logger

Told = Callable[[DocumentKey, Revision], None]
_NAMED = 5


class Documents:
    """Finds, makes and follows documents.

    Args:
        backend: Where revisions lie.
        kinds: Kinds that are served.
        environment: Whose documents they are.
        most: How many documents there may be.
        told: Called with each revision that comes into force here.
        failed: Told of a document whose newest revision cannot be used here.
        mended: Told of it when it can.
        signer: Signs revisions.
        sealing: Seals them where they are stored; None leaves them readable.
        metrics: What managers count with.
        logger: Where events go.
        now: The wall clock.
    """

    def __init__(
        self,
        backend: Backend,
        kinds: Mapping[str, Kind],
        *,
        environment: str,
        most: int,
        told: Told,
        failed: Callable[[DocumentKey, CitadelError], None],
        signer: TrustedSigner | None,
        sealing: Keys | None = None,
        metrics: ConfigurationMetrics,
        logger: Logger,
        now: Callable[[], datetime],
        mended: Callable[[DocumentKey], None] = lambda _: None,
    ) -> None:
        self._mended = mended
        self.kinds, self._backend, self._most = kinds, backend, most
        self._environment, self._told, self._failed = environment, told, failed
        self._signer, self._sealing, self._now = signer, sealing, now
        self._metrics, self._log = metrics, logger
        self._documents: dict[DocumentKey, ServedDocument] = {}
        self._unverified: set[DocumentKey] = set()
        self._not_followed: dict[DocumentKey, CitadelError] = {}
        self._hopeless: dict[DocumentKey, int] = {}

    def get(self, key: DocumentKey) -> tuple[ServedDocument, Revision]:
        """Return a document and the revision that serves.

        Raises:
            DocumentNotFoundError: There is none.
        """
        kind_of(self.kinds, key)
        document = self._documents.get(key)
        if document is None or document.revision is None:
            raise DocumentNotFoundError(
                f"there is no document {key}", next_step="Apply one under that name, or list all."
            )
        return document, document.revision

    def all(self) -> tuple[tuple[DocumentKey, Revision], ...]:
        """Return all documents with the revisions that serve, in the order of their names."""
        found = [(key, one.revision) for key, one in self._documents.items()]
        served = [(key, revision) for key, revision in found if revision is not None]
        return tuple(sorted(served, key=lambda pair: pair[0]))

    def or_new(self, key: DocumentKey) -> ServedDocument:
        """Return a document, or one that is served once something was applied to it.

        Raises:
            DocumentNotFoundError: There is no such kind.
            LimitReachedError: There are as many as there may be.
        """
        kind = kind_of(self.kinds, key)
        if key in self._documents:
            return self._documents[key]
        if len(self.all()) >= self._most:
            raise LimitReachedError(
                f"{self._most} documents are served, which is the limit",
                next_step="Raise limits.max_documents.",
            )
        return ServedDocument(
            key,
            kind,
            self._shelf(key),
            environment=self._environment,
            signer=self._signer.of(key) if self._signer is not None else None,
            metrics=self._metrics,
            logger=self._log,
            now=self._now,
        )

    def _shelf(self, key: DocumentKey) -> Shelf:
        shelf = self._backend.shelf(key)
        if self._sealing is None:
            return shelf
        return SealedShelf(shelf, self._sealing, f"revisions/{self._environment}/{key}")

    async def apply(
        self, document: ServedDocument, order: Order, proposed: Mapping[str, object]
    ) -> Done:
        """Put a document in force here, and tell everybody."""
        return await self._after(document, await document.apply(proposed, order))

    async def rollback(self, document: ServedDocument, order: Order, number: int) -> Done:
        """Put an older revision in force here, and tell everybody."""
        return await self._after(document, await document.rollback(number, order))

    async def follow(self) -> None:
        """Take whatever other servers applied.

        Raises:
            CitadelError: The revisions cannot be read.
        """
        for key, number in (await self._backend.heads()).items():
            if key.kind not in self.kinds:
                continue
            document: ServedDocument | None = None
            try:
                # One document too many must not keep the others from being followed.
                document = self.or_new(key)
                changed = await document.follow(number)
            except CitadelError as error:
                if isinstance(error, (TamperedRevisionError, SecretError)):
                    self._unverified.add(key)
                if document is not None and key not in self._documents:
                    await self._fall_back(document, number)
                self._not_followed[key] = here(error)
                self._failed(key, here(error))
                continue
            self._unverified.discard(key)
            if document.revision is None:
                continue
            if changed:
                self._keep(document, document.revision)
            elif document.revision.number >= number and key in self._not_followed:
                del self._not_followed[key]
                self._mended(key)

    async def check(self) -> str:
        """Fail while there are documents and none can be verified: a probe for `core.health`.

        Raises:
            UnverifiedError: An empty list would say that there are none.
        """
        if self._unverified and not self.all():
            raise UnverifiedError(
                f"{len(self._unverified)} documents are stored, and none bears a trusted signature",
                next_step=f"Give back the signing credential of before, or its {FILE}; or restore.",
            )
        return f"{len(self.all())} verified"

    async def newest_serve(self) -> str:
        """Fail while a newest revision cannot be used: a probe for `core.health`.

        Raises:
            NotFollowedError: Names the documents, and why.
        """
        if self._not_followed:
            told = [f"{key}: {error.message}" for key, error in self._not_followed.items()]
            more = f"; and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
            steps = dict.fromkeys(error.next_step for error in self._not_followed.values())
            raise NotFollowedError(
                "; ".join(told[:_NAMED]) + more, next_step=" ".join([*steps][:_NAMED])
            )
        return f"{len(self.all())} documents"

    async def _fall_back(self, document: ServedDocument, number: int) -> None:
        """Let the newest revision that is good serve; one walk for each newest that is not."""
        if self._hopeless.get(document.key) == number:
            return
        try:
            good = await document.fall_back(number)
        except CitadelError:
            return  # The store is away by now; the next poll tries again.
        if good is not None:
            self._keep(document, good)
        else:
            self._hopeless[document.key] = number

    async def _after(self, document: ServedDocument, done: Done) -> Done:
        self._keep(document, done.revision)
        if done.changed:
            try:
                await self._backend.announce(document.key, done.revision.number)
            except CitadelError as error:
                # It is applied and stored; the others find it with their next poll.
                self._log.warning("announcement-lost", document=str(document.key), code=error.code)
        return done

    def _keep(self, document: ServedDocument, revision: Revision) -> None:
        self._documents[document.key] = document
        self._not_followed.pop(document.key, None)
        self._told(document.key, revision)

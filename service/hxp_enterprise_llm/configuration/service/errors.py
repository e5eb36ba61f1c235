"""What the configuration service refuses, and the HTTP status of it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy

from hxp_enterprise_llm.configuration.diagnostics import InvalidDocumentError
from hxp_enterprise_llm.configuration.phases import ApprovalError
from hxp_enterprise_llm.configuration.revisions.base import RevisionError, UnusableRevisionError
from hxp_enterprise_llm.core.exceptions import CitadelError, FaultDomain, RefusedError
from hxp_enterprise_llm.schemas.problem import Problem, problem, status_of

_STATUS: Mapping[str, int] = {
    "revision.unknown": 404,
    "security.login": 401,
    "security.session": 401,
    "service.no-such-route": 404,
}
"""Statuses that neither the ending of a code nor its domain tells."""
_ELSEWHERE = "citadel config restore"
RESTORE = "python -m hxp_enterprise_llm.configuration.service --config FILE --restore BACKUP"
"""What puts a backup back into this service's store; what is said elsewhere is of environments."""


class UnauthenticatedError(RefusedError):
    """Nobody, or nobody known, asked; which of them is nobody's business."""

    code = "service.unauthenticated"
    domain = FaultDomain.INPUT


class DocumentNotFoundError(RefusedError):
    """There is no such document, or no such kind."""

    code = "configuration.document-not-found"
    domain = FaultDomain.INPUT


class KeyNotFoundError(RefusedError):
    """A document has no such key."""

    code = "configuration.key-not-found"
    domain = FaultDomain.INPUT


class PreconditionFailedError(RefusedError):
    """Another revision serves than the one that the request is meant for."""

    code = "configuration.precondition-failed"
    domain = FaultDomain.INPUT


class PreconditionRequiredError(RefusedError):
    """A change does not say which revision it is meant for."""

    code = "configuration.precondition-required"
    domain = FaultDomain.INPUT


class RevisionConflictError(RefusedError):
    """Another server applied a revision at the same time."""

    code = "configuration.revision-conflict"
    domain = FaultDomain.INPUT


class WrongNameError(RefusedError):
    """A document says that it is another one."""

    code = "configuration.wrong-name"
    domain = FaultDomain.INPUT


class ApprovalRefusedError(RefusedError):
    """An approval is of something else, over, or none of ours."""

    code = "configuration.approval-refused"


class LimitReachedError(RefusedError):
    """There are as many of something as there may be."""

    code = "service.too-many-requests"
    retry_after = 5


class UnverifiedError(CitadelError):
    """There are documents, and none bears a signature that is trusted."""

    code = "revision.unverified"
    domain = FaultDomain.CONFIGURATION


class NotFollowedError(CitadelError):
    """The newest revision of a document cannot be used here; an older one serves, or none."""

    code = "revision.not-followed"
    domain = FaultDomain.CONFIGURATION


class HttpError(CitadelError):
    """What the HTTP library refused, before any route saw it."""

    code = "service.bad-request"
    domain = FaultDomain.INPUT


class NoSuchRouteError(HttpError):
    """There is no such path."""

    code = "service.no-such-route"


class WrongMethodError(HttpError):
    """The path knows other methods."""

    code = "service.wrong-method"


class BodyTooLargeError(HttpError):
    """The request's body is too large."""

    code = "service.body-too-large"


class WrongMediaTypeError(HttpError):
    """The body is of another media type than JSON."""

    code = "service.wrong-media-type"


def status(error: CitadelError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, RevisionError):
        # The store's fault, never the caller's.
        return 500
    return _STATUS.get(error.code) or status_of(error)


def document(error: CitadelError, *, instance: str | None = None) -> Problem:
    """Return the problem document of an error, RFC 9457."""
    return problem(error, instance=instance).model_copy(update={"status": status(error)})


def here(error: CitadelError) -> CitadelError:
    """Return an error whose next step is one for callers and operators of this service."""
    if isinstance(error, UnusableRevisionError):
        next_step = error.next_step.replace(_ELSEWHERE, RESTORE)
    elif isinstance(error, ApprovalError):
        next_step = "Let somebody else who may approve it POST the document to its `approvals`."
    elif isinstance(error, InvalidDocumentError):
        next_step = "Mend what `errors` names, and send the whole document again."
    else:
        return error
    told = copy(error)
    told.next_step = next_step
    told.args = (told.message, told.next_step)
    return told

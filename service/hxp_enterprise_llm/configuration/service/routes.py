"""The routes of the API, version 1. Each asks for a permission before it says anything."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response, Security
from fastapi.security import HTTPBasic, HTTPBearer
from starlette.responses import StreamingResponse

from hxp_enterprise_llm.configuration.approval import is_same
from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.configuration.merge import value_at
from hxp_enterprise_llm.configuration.phases import ApprovalError
from hxp_enterprise_llm.configuration.revisions import Revision
from hxp_enterprise_llm.configuration.security.access import Do, configuration_resource
from hxp_enterprise_llm.configuration.service.document import Done, Order, Proposal, ServedDocument
from hxp_enterprise_llm.configuration.service.door import Call
from hxp_enterprise_llm.configuration.service.errors import (
    PreconditionFailedError,
    PreconditionRequiredError,
)
from hxp_enterprise_llm.configuration.service.explaining import explained, path_of, value_of
from hxp_enterprise_llm.configuration.service.fleet import FORGOTTEN, Replica, view
from hxp_enterprise_llm.configuration.service.guard import Caller, GuardedRoute, Within
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey
from hxp_enterprise_llm.configuration.service.parts import Parts
from hxp_enterprise_llm.configuration.service.stream import EventStream, events
from hxp_enterprise_llm.configuration.service.views import (
    dangerous,
    done_view,
    plan_view,
    revision_view,
    unusable_view,
)
from hxp_enterprise_llm.core.exceptions import CitadelError, InvalidInputError
from hxp_enterprise_llm.schemas.configuration_service import (
    HIGHEST,
    Applied,
    ApplyRequest,
    Approval,
    DocumentEntry,
    DocumentKind,
    DocumentList,
    DocumentName,
    DocumentView,
    ExplanationList,
    FleetView,
    History,
    KeyList,
    Plan,
    ProposedDocument,
    ReplicaName,
    ReplicaView,
    Report,
    RollbackRequest,
    ValueView,
)
from hxp_enterprise_llm.schemas.pagination import MOST

BASIC = HTTPBasic(auto_error=False, description="A principal and its key.")
BEARER = HTTPBearer(auto_error=False, description="The token of a session.")
KEYED = [Security(BASIC), Security(BEARER)]
router = APIRouter(prefix="/v1", route_class=GuardedRoute, dependencies=KEYED)
_TAGGED: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "ETag": {
                "description": "The revision, for If-Match of a change.",
                "schema": {"type": "string"},
            }
        }
    }
}
_DOCUMENT = "/documents/{kind}/{name}"
_ETAG = re.compile(r'(?:W/)?"([1-9][0-9]{0,17})"')
_NUMBER = re.compile(r"[0-9]{1,18}")
Kind = Annotated[DocumentKind, Path(description="Kind of the document.")]
Named = Annotated[DocumentName, Path(description="Name of the document.")]
Dotted = Annotated[str, Query(max_length=512, description="Keys joined by dots; empty: all.")]
IfMatch = Annotated[
    str | None, Header(description='The revision that the change is meant for, such as `"7"`.')
]
IfNoneMatch = Annotated[str | None, Header(description="`*`: the document is new.")]
LastEvent = Annotated[str | None, Header(alias="Last-Event-ID", description="Last known revision.")]


@router.get("/documents")
async def list_documents(parts: Within, call: Caller) -> DocumentList:
    """List the documents that the caller may read."""
    seen = [
        (key, one)
        for key, one in parts.documents.all()
        if any(call.may(Do.READ, resource) for resource in _parts_of(parts, key))
    ]
    call.require_part(
        Do.READ,
        configuration_resource(),
        (resource for key, _ in seen for resource in _parts_of(parts, key)),
    )
    return DocumentList(
        items=tuple(
            DocumentEntry(kind=key.kind, name=key.name, number=one.number, id=one.id)
            for key, one in seen
        )
    )


@router.get(_DOCUMENT, responses=_TAGGED)
async def read_document(
    parts: Within, call: Caller, response: Response, kind: Kind, name: Named
) -> DocumentView:
    """Read a document; keys that the caller may not read are left out."""
    key = DocumentKey(kind, name)
    call.require_part(Do.READ, _resource(key), _parts_of(parts, key))
    _, revision = parts.documents.get(key)
    response.headers["etag"] = f'"{revision.number}"'
    return _document_view(call, key, revision)


@router.get(_DOCUMENT + "/value")
async def read_value(
    parts: Within, call: Caller, kind: Kind, name: Named, path: Dotted = ""
) -> ValueView:
    """Read one value, or a section."""
    key = DocumentKey(kind, name)
    keys = _path(parts, key, path)
    call.require_part(Do.READ, _resource(key, keys), _parts_of(parts, key, keys))
    _, revision = parts.documents.get(key)
    part = _visible(call, key, revision)
    return ValueView(path=path, number=revision.number, value=value_of(part, path))


@router.get(_DOCUMENT + "/explain")
async def explain(
    parts: Within, call: Caller, kind: Kind, name: Named, path: Dotted = ""
) -> ExplanationList:
    """Say of a key, or of each key below it, which revision set it, who, why, and over what."""
    key = DocumentKey(kind, name)
    keys = _path(parts, key, path)
    call.require_part(Do.EXPLAIN, _resource(key, keys), _parts_of(parts, key, keys))
    document, _ = parts.documents.get(key)
    found = await explained(document, path)
    return ExplanationList(
        items=tuple(
            one
            for one in found
            if call.may(Do.EXPLAIN, _resource(key, _path(parts, key, one.path)))
        )
    )


@router.post(_DOCUMENT + "/plan")
async def plan(
    parts: Within, call: Caller, kind: Kind, name: Named, proposed: ProposedDocument
) -> Plan:
    """Say what applying a document would change, and what each change does; change nothing."""
    key = DocumentKey(kind, name)
    call.require(Do.PLAN, _resource(key))
    document = parts.documents.or_new(key)
    proposal = await document.propose(proposed.document, actor=call.principal.id)
    return plan_view(proposal, _readable(call, key))


@router.put(_DOCUMENT, responses=_TAGGED)
async def apply(
    parts: Within,
    call: Caller,
    response: Response,
    kind: Kind,
    name: Named,
    wanted: ApplyRequest,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Applied:
    """Put a document in force on top of the revision that If-Match names, or leave all as it is."""
    key = DocumentKey(kind, name)
    call.require(Do.APPLY, _resource(key))
    document = parts.documents.or_new(key)
    order = _order(parts, call, document, wanted, Do.APPLY, _base(if_match, if_none_match))
    return await _changed(
        call,
        response,
        key,
        {"reason": wanted.reason, "base": str(order.base)},
        lambda: parts.documents.apply(document, order, wanted.document),
    )


@router.post(_DOCUMENT + "/rollback", responses=_TAGGED)
async def rollback(
    parts: Within,
    call: Caller,
    response: Response,
    kind: Kind,
    name: Named,
    wanted: RollbackRequest,
    if_match: IfMatch = None,
) -> Applied:
    """Put an older revision back in force, as a new one."""
    key = DocumentKey(kind, name)
    call.require(Do.ROLLBACK, _resource(key))
    document, _ = parts.documents.get(key)
    order = _order(parts, call, document, wanted, Do.ROLLBACK, _base(if_match, None))
    return await _changed(
        call,
        response,
        key,
        {"reason": wanted.reason, "to": str(wanted.number)},
        lambda: parts.documents.rollback(document, order, wanted.number),
    )


@router.post(_DOCUMENT + "/approvals")
async def approve(
    parts: Within, call: Caller, kind: Kind, name: Named, proposed: ProposedDocument
) -> Approval:
    """Approve exactly this document on top of the revision that serves."""
    key = DocumentKey(kind, name)
    call.require(Do.APPROVE, _resource(key))
    document, _ = parts.documents.get(key)
    proposal = await document.propose(proposed.document, judged=False, actor=call.principal.id)
    for change in dangerous(proposal):
        call.require(Do.APPROVE, configuration_resource((kind, name, *change.path)))
    return parts.approvals.give(call.principal.id, key, proposal)


@router.get(_DOCUMENT + "/history")
async def history(
    parts: Within,
    call: Caller,
    kind: Kind,
    name: Named,
    limit: Annotated[int, Query(ge=1, le=MOST, description="Revisions in the answer.")] = 50,
    before: Annotated[
        int | None, Query(ge=2, le=HIGHEST, description="Only smaller numbers.")
    ] = None,
) -> History:
    """List revisions, the newest first: who applied them, when and why."""
    key = DocumentKey(kind, name)
    call.require_part(Do.READ, _resource(key), _parts_of(parts, key))
    document, _ = parts.documents.get(key)
    found, bad = await document.history(limit, before)
    last = min([*(one.number for one in found), *(one.number for one in bad)], default=1)
    return History(
        items=tuple(revision_view(one) for one in found),
        unusable=tuple(unusable_view(error) for error in bad),
        next_before=last if last > 1 else None,
    )


@router.get(_DOCUMENT + "/revisions/{number}")
async def read_revision(
    parts: Within,
    call: Caller,
    kind: Kind,
    name: Named,
    number: Annotated[int, Path(ge=1, le=HIGHEST, description="Number of the revision.")],
) -> DocumentView:
    """Read a document as it was in a revision."""
    key = DocumentKey(kind, name)
    call.require_part(Do.READ, _resource(key), _parts_of(parts, key))
    document, _ = parts.documents.get(key)
    return _document_view(call, key, await document.revisions.get(number))


@router.get(
    _DOCUMENT + "/watch",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events."}},
)
async def watch(
    request: Request,
    parts: Within,
    call: Caller,
    kind: Kind,
    name: Named,
    last_event_id: LastEvent = None,
) -> StreamingResponse:
    """Follow a document by server-sent events: one for each revision, the current one first."""
    key = DocumentKey(kind, name)
    call.require(Do.WATCH, _resource(key))
    document, _ = parts.documents.get(key)
    last = _last(last_event_id)

    async def allowed() -> bool:
        # A key that is taken away, or a session that is over, ends what it opened; so does one
        # that cannot be looked up.
        try:
            now = await parts.door.enter(request.headers.getlist("authorization"))
        except CitadelError:
            return False
        return now.may(Do.WATCH, _resource(key))

    # Joined before anything is sent: nothing falls between what was and what comes, and whoever
    # finds no room is told so by a status.
    feed = parts.hub.join(key, call.principal.id)
    beat = parts.config.timeouts.beat
    return EventStream(
        events(document, feed, last, beat=beat, allowed=allowed),
        lambda: parts.hub.leave(feed),
    )


@router.get("/fleet")
async def read_fleet(parts: Within, call: Caller) -> FleetView:
    """Say which replica runs which revision, as they reported it."""
    call.require(Do.READ, configuration_resource(("fleet",)))
    now = parts.now()
    newest = {key: revision.id for key, revision in parts.documents.all()}
    patience = parts.config.timeouts.replica
    found = await parts.fleet.all()
    return FleetView(items=tuple(view(one, newest, now, patience) for one in found))


@router.put("/fleet/{replica}")
async def report(
    parts: Within,
    call: Caller,
    replica: Annotated[ReplicaName, Path(description="Name of the replica.")],
    said: Report,
) -> ReplicaView:
    """Take a replica's sign of life, and say of which documents it is behind."""
    call.require("report", configuration_resource(("fleet", replica)))
    now = parts.now()
    heard = Replica(replica, call.principal.id, said.running, now)
    await parts.fleet.forget(now - FORGOTTEN)
    await parts.fleet.report(heard)
    newest = {key: revision.id for key, revision in parts.documents.all()}
    return view(heard, newest, now, parts.config.timeouts.replica)


@router.get("/keys")
async def read_keys(parts: Within, call: Caller) -> KeyList:
    """Return the public keys that revisions are signed with."""
    call.require(Do.READ, configuration_resource(("keys",)))
    if parts.verifier is None:
        return KeyList(keys={})
    return KeyList.model_validate(parts.verifier.dump())


def _resource(key: DocumentKey, path: KeyPath = ()) -> str:
    return configuration_resource((key.kind, key.name, *path))


def _path(parts: Parts, key: DocumentKey, wanted: str) -> KeyPath:
    """Return the keys of a dotted name: where a key holds a dot, only the document tells."""
    try:
        document, _ = parts.documents.get(key)
    except CitadelError:
        # Whoever may not ask is told so first, and only then that there is no such document.
        return tuple(wanted.split(".")) if wanted else ()
    return path_of(document.snapshot.document, wanted)


def _parts_of(parts: Parts, key: DocumentKey, above: KeyPath = ()) -> Iterator[str]:
    """Yield the resources of a document, or of a section, and of every value in it."""
    yield _resource(key, above)
    try:
        _, revision = parts.documents.get(key)
        waiting: list[tuple[KeyPath, object]] = [(above, value_at(revision.document, above))]
    except (CitadelError, KeyError):
        # Nothing lies below what is not there.
        return
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, Mapping) and value:
            waiting += [((*path, name), below) for name, below in value.items()]
        else:
            yield _resource(key, path)


def _readable(call: Call, key: DocumentKey) -> Callable[[KeyPath], bool]:
    return lambda path: call.may(Do.READ, _resource(key, path))


def _visible(call: Call, key: DocumentKey, revision: Revision) -> dict[str, object]:
    whole = {key.kind: {key.name: revision.document}}
    seen = call.door.access.visible(call.principal, whole)
    part: dict[str, object] = seen.get(key.kind, {}).get(key.name, {})
    return part


def _document_view(call: Call, key: DocumentKey, revision: Revision) -> DocumentView:
    part, whole = _visible(call, key, revision), revision.document
    complete = part == whole
    return DocumentView(
        kind=key.kind,
        name=key.name,
        revision=revision_view(revision),
        document=part,
        complete=complete,
        source=revision.source if complete else "",
    )


def _base(if_match: str | None, if_none_match: str | None) -> int:
    if (if_none_match or "").strip() == "*" and if_match is None:
        return 0
    if if_match is None:
        raise PreconditionRequiredError(
            "a change says which revision it is meant for",
            next_step="Send the document's ETag as If-Match; If-None-Match: * for a new document.",
        )
    match = _ETAG.fullmatch(if_match.strip())
    if match is None:
        raise PreconditionFailedError(
            "If-Match names no revision", next_step="Send the ETag that reading it gave."
        )
    return int(match[1])


def _last(event: str | None) -> int | None:
    if not event:
        return None
    if _NUMBER.fullmatch(event) is None:
        raise InvalidInputError(
            "Last-Event-ID names no revision", next_step="Send the id of an event, or none."
        )
    return int(event)


async def _changed(
    call: Call,
    response: Response,
    key: DocumentKey,
    detail: dict[str, str],
    change: Callable[[], Awaitable[Done]],
) -> Applied:
    """Put on record that a change begins, make it, and say what came of it."""
    await call.began(call.action, detail)
    done = await change()
    response.headers["etag"] = f'"{done.revision.number}"'
    return done_view(done, _readable(call, key))


def _order(
    parts: Parts,
    call: Call,
    document: ServedDocument,
    wanted: ApplyRequest | RollbackRequest,
    action: Do,
    base: int,
) -> Order:
    key = document.key

    def judge(proposal: Proposal) -> str | None:
        for change in proposal.changes:
            call.require(action, configuration_resource((key.kind, key.name, *change.path)))
        grave = dangerous(proposal)
        if wanted.approval is None:
            if grave:
                raise ApprovalError(grave, "somebody's approval")
            return None
        approver = parts.approvals.check(wanted.approval, key, proposal)
        if is_same(approver, call.principal.id):
            raise ApprovalError(grave or proposal.changes, "somebody else's approval")
        access = parts.door.access
        for change in grave:
            resource = configuration_resource((key.kind, key.name, *change.path))
            access.require(access.principal(approver), Do.APPROVE, resource)
        return approver

    return Order(call.principal.id, wanted.reason, base, judge)

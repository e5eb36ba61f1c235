"""The configuration service: what its file says, and what goes over the wire."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from hxp_enterprise_llm.schemas.access import Name, Permission, Principal, Role
from hxp_enterprise_llm.schemas.base import Bytes, CitadelModel, Seconds, WrittenModel
from hxp_enterprise_llm.schemas.common import FieldProblem
from hxp_enterprise_llm.schemas.effect import Effect
from hxp_enterprise_llm.schemas.gateway import CredentialName, Listen
from hxp_enterprise_llm.schemas.hosts import HostName
from hxp_enterprise_llm.schemas.key import Digest, Key
from hxp_enterprise_llm.schemas.security import SecuritySettings
from hxp_enterprise_llm.schemas.text import AbsolutePath, Address

DocumentKind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
DocumentName = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")]
ReplicaName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,62}\w)?$")]
Reason = Annotated[str, StringConstraints(max_length=500, strip_whitespace=True)]
HIGHEST = 10**18 - 1
"""Number that a revision may have: every store can hold it."""

REPLICA = Role(
    name="replica",
    description="A service that follows its configuration and says which revision it runs.",
    permissions=(
        Permission(actions=("read", "watch"), resources=("configuration:*",)),
        Permission(actions=("report",), resources=("configuration:fleet.*",)),
    ),
)


class FileStore(WrittenModel):
    """Revisions in a folder, for one server."""

    kind: Literal["files"] = Field(default="files", description="Kind of store: files.")
    folder: AbsolutePath = Field(
        default="/opt/data/configuration", description="Folder of the revisions."
    )


class DatabaseStore(WrittenModel):
    """Revisions in PostgreSQL, which any number of servers share."""

    kind: Literal["postgres"] = Field(description="Kind of store: postgres.")
    host: Address | AbsolutePath = Field(
        description="Address of the server, or the folder of its Unix socket."
    )
    port: int = Field(default=5432, ge=1, le=65535, description="TCP port of the server.")
    database: str = Field(default="citadel_llm_db", description="Name of the database.")
    user: str = Field(default="citadel_user", description="Account in the database.")
    credential: CredentialName = Field(
        default="database", description="Name of the file with the password."
    )
    timeout: Seconds = Field(
        default=5.0, gt=0, description="For a connection, and for each statement."
    )


Store = Annotated[FileStore | DatabaseStore, Field(discriminator="kind")]


class ServiceLimits(WrittenModel):
    """What one server takes in at most."""

    max_body: Bytes = Field(default=2**20, ge=1024, description="A request's body.")
    max_headers: int = Field(default=64, ge=8, description="Header lines of a request.")
    max_documents: int = Field(default=500, ge=1, description="Documents that are served.")
    max_watchers: int = Field(default=256, ge=1, description="Open event streams.")
    watch_buffer: int = Field(
        default=64, ge=1, description="Events that wait for a reader; then it is cut."
    )


class ServiceTimeouts(WrittenModel):
    """How long one server waits."""

    receive: Seconds = Field(default=30.0, gt=0, description="For a client to send its request.")
    send: Seconds = Field(
        default=10.0, gt=0, description="For a client to read what waits for it; then it is cut."
    )
    keep_alive: Seconds = Field(default=75.0, gt=0, description="For a client's next request.")
    beat: Seconds = Field(default=15.0, gt=0, description="Between two signs of life of a stream.")
    poll: Seconds = Field(
        default=5.0, gt=0, description="Between two looks for what other servers applied."
    )
    replica: Seconds = Field(
        default=60.0, gt=0, description="Without a report, a replica counts as silent."
    )
    approval: Seconds = Field(default=3600.0, gt=0, description="That an approval holds.")
    drain: Seconds = Field(default=10.0, gt=0, description="For requests in work after SIGTERM.")


class RevisionBackup(WrittenModel):
    """Backups of the revisions of all documents."""

    folder: AbsolutePath = Field(
        default="/opt/backups/configuration", description="Folder of the backups."
    )
    every: Seconds = Field(default=86_400.0, gt=0, description="Seconds between two backups.")
    keep: int = Field(default=14, ge=1, description="Backups of a document that are kept.")


class ConfigurationServiceConfig(WrittenModel):
    """What `configuration.yaml` says."""

    schema_version: Annotated[Literal[1], Effect.LIVE] = Field(
        default=1, alias="schema", description="Version of this document's form."
    )
    environment: Annotated[HostName, Effect.RESTART] = Field(
        description="The environment whose documents are served."
    )
    listen: Annotated[Listen, Effect.RESTART] = Field(
        default=Listen(port=8080), description="Where clients come in."
    )
    store: Annotated[Store, Effect.RESTART] = Field(
        default=FileStore(), description="Where revisions are kept."
    )
    state: Annotated[AbsolutePath, Effect.RESTART] = Field(
        default="/opt/data/configuration", description="Folder of the audit log and of accounts."
    )
    credential: Annotated[CredentialName, Effect.RESTART] = Field(
        default="key", description="Name of the file with the first administrator's key."
    )
    signing: Annotated[CredentialName | None, Effect.RESTART] = Field(
        default=None, description="Name of the file that the signing key is made of."
    )
    audit_key: Annotated[CredentialName | None, Effect.RESTART] = Field(
        default=None,
        description="Name of the file with the audit log's key; absent: one is made beside it.",
    )
    sealing: Annotated[tuple[CredentialName, ...], Effect.RESTART] = Field(
        default=(),
        description="Names of files that keys are made of: the first seals revisions, all open.",
    )
    security: SecuritySettings = Field(
        default=SecuritySettings(), description="How what is kept is guarded."
    )
    administrator: Annotated[Name, Effect.RESTART] = Field(
        default="citadel", description="Whose key the credential is; may do everything."
    )
    roles: Annotated[tuple[Role, ...], Effect.LIVE] = Field(
        # The file is the administrator's own: whoever may write it may do everything anyway.
        default=(),
        description="Roles beside the standard ones and `replica`.",
    )
    principals: Annotated[tuple[Principal, ...], Effect.LIVE] = Field(
        default=(), description="People and services that are known, with their roles."
    )
    keys: Annotated[tuple[Key, ...], Effect.LIVE] = Field(
        default=(), description="Keys that they come in with."
    )
    hot_reload: Annotated[bool, Effect.RESTART] = Field(
        default=True, description="Whether a change of this file is taken without a restart."
    )
    backup: Annotated[RevisionBackup | None, Effect.RESTART] = Field(
        default=None, description="Backups of revisions; absent: none."
    )
    secrets: Annotated[AbsolutePath | None, Effect.RESTART] = Field(
        default=None,
        description="State folder of the environment, whose sealed secrets' ages are shown as "
        "metrics; absent: none are.",
    )
    limits: Annotated[ServiceLimits, Effect.RESTART] = Field(
        default=ServiceLimits(), description="What a server takes in at most."
    )
    timeouts: Annotated[ServiceTimeouts, Effect.RESTART] = Field(
        default=ServiceTimeouts(), description="How long a server waits."
    )


# What goes over the wire.


class RevisionView(CitadelModel):
    """Who applied a revision, when and why."""

    number: int = Field(ge=1, description="Counts from 1 in its document.")
    id: Digest = Field(description="SHA-256 of the document as canonical JSON.")
    made_at: AwareDatetime = Field(description="When it was applied.")
    actor: str = Field(description="Who applied it.")
    reason: str = Field(description="Why.")
    approver: str | None = Field(default=None, description="Who approved it.")
    parent: Digest = Field(description="Hash of the revision before it.")
    hash: Digest = Field(
        description="SHA-256 of all of the above, of `source`, and of what `version` adds."
    )
    signature: str | None = Field(default=None, description="Of the hash: `ed25519:KEY:BASE64`.")
    version: int = Field(default=1, ge=1, description="What the hash covers; 2 adds what follows.")
    of: str = Field(default="", description="What it was applied to: `ENVIRONMENT/KIND/NAME`.")
    holds: str = Field(default="", description="Hash of what a rollback holds back.")


class DocumentView(CitadelModel):
    """A document as its reader may see it."""

    kind: DocumentKind = Field(description="Kind of the document; names its schema.")
    name: DocumentName = Field(description="Name of the document.")
    revision: RevisionView = Field(description="The revision that serves.")
    document: dict[str, Any] = Field(description="The configuration; secrets are references.")
    complete: bool = Field(description="False: keys that the reader may not see are left out.")
    source: str = Field(default="", description="Text of the file that said so.")


class DocumentEntry(CitadelModel):
    """A document in the list."""

    kind: DocumentKind = Field(description="Kind of the document.")
    name: DocumentName = Field(description="Name of the document.")
    number: int = Field(ge=1, description="The revision that serves.")
    id: Digest = Field(description="SHA-256 of that document.")


class DocumentList(CitadelModel):
    """All documents that the reader may see."""

    items: tuple[DocumentEntry, ...] = Field(description="In the order of their names.")


class ValueView(CitadelModel):
    """One value of a document."""

    path: str = Field(description="Keys joined by dots.")
    number: int = Field(ge=1, description="The revision that it was read from.")
    value: Any = Field(description="The value; a section as a map.")


class SetBy(CitadelModel):
    """The revision that gave a key its value."""

    number: int = Field(ge=1, description="Number of the revision.")
    actor: str = Field(description="Who applied it.")
    reason: str = Field(description="Why.")
    made_at: AwareDatetime = Field(description="When.")
    before: Any = Field(default=None, description="What it overrode; null: nothing.")


class ExplanationView(CitadelModel):
    """Where a value comes from."""

    path: str = Field(description="Keys joined by dots.")
    value: Any = Field(description="What counts.")
    source: str = Field(description="A document's revision, or `default`.")
    description: str = Field(default="", description="What the key means.")
    unit: str = Field(default="", description="Unit of the value.")
    effect: Effect = Field(description="What a change of it does.")
    set_by: SetBy | None = Field(
        default=None, description="The revision that gave it this value; null: an older one."
    )


class ExplanationList(CitadelModel):
    """Explanations of a key, or of every key below it."""

    items: tuple[ExplanationView, ...] = Field(description="In the order of the document.")


class ProposedDocument(CitadelModel):
    """A document that somebody wants to be applied."""

    document: dict[str, Any] = Field(description="The whole document; secrets as references.")


class ApplyRequest(ProposedDocument):
    """A document to apply."""

    reason: Reason = Field(min_length=1, description="Why.")
    approval: str | None = Field(
        default=None, max_length=2048, description="Of somebody else; for dangerous changes."
    )


class RollbackRequest(WrittenModel):
    """A revision to put back in force."""

    number: int = Field(ge=1, le=HIGHEST, description="Number of the revision.")
    reason: Reason = Field(min_length=1, description="Why.")
    approval: str | None = Field(
        default=None, max_length=2048, description="Of somebody else; for dangerous changes."
    )


class ChangeView(CitadelModel):
    """One key that differs."""

    path: str = Field(description="Keys joined by dots.")
    old: Any = Field(default=None, description="Value before; absent for a new key.")
    new: Any = Field(default=None, description="Value after; absent for a key that is gone.")
    effect: Effect = Field(description="What taking it does.")
    secret: bool = Field(default=False, description="Whether the values are references to secrets.")


class Plan(CitadelModel):
    """What applying a document would do."""

    number: int = Field(ge=0, description="The revision it is compared with; 0: there is none.")
    id: Digest = Field(description="SHA-256 of the proposed document with its defaults.")
    changes: tuple[ChangeView, ...] = Field(description="What differs, as far as one may read it.")
    hidden: int = Field(default=0, ge=0, description="Changes of keys that one may not read.")
    effect: Effect | None = Field(default=None, description="The gravest effect; null: none.")
    approval_needed: bool = Field(
        description="Whether somebody else must approve it; never of a new document."
    )
    findings: tuple[FieldProblem, ...] = Field(default=(), description="Warnings about it.")


class Applied(CitadelModel):
    """What came of an apply or a rollback."""

    changed: bool = Field(description="False: the document was in force already.")
    revision: RevisionView = Field(description="The revision that serves.")
    changes: tuple[ChangeView, ...] = Field(
        default=(), description="What differs, as far as one may read it."
    )
    hidden: int = Field(default=0, ge=0, description="Changes of keys that one may not read.")
    findings: tuple[FieldProblem, ...] = Field(
        default=(), description="Warnings about the document."
    )


class Approval(CitadelModel):
    """Somebody's approval of one document on top of one revision."""

    approver: Name = Field(description="Who approved.")
    id: Digest = Field(description="SHA-256 of the document that was approved.")
    number: int = Field(ge=0, description="The revision that it may follow.")
    expires: AwareDatetime = Field(description="When the approval ends.")
    approval: str = Field(description="To be handed to whoever applies it.")


class UnusableRevision(CitadelModel):
    """A revision that is there, and must not be used: it was changed, or moved here."""

    number: int = Field(ge=1, description="Number of the revision.")
    code: str = Field(description="What is wrong, such as `revision.tampered`.")
    status: int = Field(description="HTTP status of a request for it.")
    detail: str = Field(description="What is wrong, for people.")
    next_step: str = Field(default="", description="What to do now.")


class History(CitadelModel):
    """Revisions of a document, the newest first."""

    items: tuple[RevisionView, ...] = Field(description="The revisions that verify.")
    unusable: tuple[UnusableRevision, ...] = Field(
        default=(), description="Those among them that do not."
    )
    next_before: int | None = Field(
        default=None, description="Give it as `before` for the next part; absent: the end."
    )


class Running(WrittenModel):
    """The revision of one document that a replica runs."""

    kind: DocumentKind = Field(description="Kind of the document.")
    name: DocumentName = Field(description="Name of the document.")
    number: int = Field(ge=1, description="Number of the revision.")
    id: Digest = Field(description="SHA-256 of the document.")


class Report(CitadelModel):
    """A replica's sign of life."""

    running: tuple[Running, ...] = Field(max_length=50, description="What it runs.")


class ReplicaView(CitadelModel):
    """A replica as it last reported."""

    replica: ReplicaName = Field(description="Name of the replica.")
    principal: Name = Field(description="Who reported it.")
    running: tuple[Running, ...] = Field(description="What it said it runs.")
    seen_at: AwareDatetime = Field(description="When it reported last.")
    silent: bool = Field(description="Whether that is too long ago.")
    behind: tuple[str, ...] = Field(
        default=(), description="Documents of which it runs another revision than the newest."
    )


class FleetView(CitadelModel):
    """Which replica runs which revision."""

    items: tuple[ReplicaView, ...] = Field(description="In the order of their names.")


class KeyList(CitadelModel):
    """Public keys that revisions are signed with."""

    algorithm: str = Field(default="ed25519", description="The algorithm.")
    keys: dict[str, str] = Field(description="Key id → 32 bytes in base64; none: no signatures.")


class Login(CitadelModel):
    """Name and password of a person."""

    name: Name = Field(description="The person's principal.")
    password: str = Field(min_length=1, max_length=1024, description="The password.")


class FindingView(CitadelModel):
    """What one check of the security level came to."""

    id: str = Field(description="Of the check.")
    title: str = Field(description="What must hold.")
    outcome: Literal["pass", "fail", "unknown", "not-asked"] = Field(description="Whether it does.")
    evidence: str = Field(description="What was seen.")
    next_step: str = Field(default="", description="What to do when it does not hold.")


class ComplianceView(CitadelModel):
    """What a security level asks for, and what was seen."""

    level: str = Field(description="The level.")
    made_at: AwareDatetime = Field(description="When it was looked at.")
    compliant: bool = Field(description="Whether all that is asked was seen to hold.")
    counts: dict[str, int] = Field(description="How many checks came to what.")
    findings: tuple[FindingView, ...] = Field(description="All checks.")


class NewPassword(CitadelModel):
    """A password that somebody is to log in with."""

    password: str = Field(min_length=1, max_length=1024, description="The password.")


class AccountView(CitadelModel):
    """Somebody who can log in."""

    name: Name = Field(description="The person's principal.")
    sessions: int = Field(ge=0, description="Sessions that are open.")


class AccountList(CitadelModel):
    """All who can log in."""

    items: tuple[AccountView, ...] = Field(description="In the order of their names.")


class SessionView(CitadelModel):
    """A new session; its token is shown this once."""

    token: str = Field(description="To be sent as `Authorization: Bearer TOKEN`.")
    expires: AwareDatetime = Field(description="When it ends, however much it is used.")

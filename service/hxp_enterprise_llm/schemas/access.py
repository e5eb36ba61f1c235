"""Who somebody is, what they may do, and what was decided: models of access, no decisions."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from hxp_enterprise_llm.schemas.base import CitadelModel

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._@+:-]{0,126}\w)?$")]
"""Somebody or a role: `gateway`, `ada@example.org`, `role:operator`."""
Action = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z][a-z0-9-]{0,31})$")]
"""What is done: `read`, `apply`; `*` in a permission is everything."""
Resource = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@+:/#-]{1,512}$")]
"""What it is done to, from the outside in: `configuration/production/hosts.llm-1`."""
Pattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@+:/#*-]{1,512}$")]
"""Resources; `*` stands for any text, `/` included, as in the access rules of secrets."""
Reason = Annotated[str, StringConstraints(max_length=500)]


class PrincipalKind(StrEnum):
    """Kinds of those who ask."""

    PERSON = "person"
    SERVICE = "service"
    ANONYMOUS = "anonymous"


class AuthenticationMethod(StrEnum):
    """How somebody showed who they are."""

    NONE = "none"
    PASSWORD = "password"  # noqa: S105 # a word, no value
    SESSION = "session"
    KEY = "key"
    CERTIFICATE = "certificate"
    LOCAL = "local"
    """An account of this machine, as the operating system says it."""


class Principal(CitadelModel):
    """Somebody, or a service, that asks for something."""

    id: Name = Field(description="Unique name; stands in audit logs as the actor.")
    kind: PrincipalKind = Field(
        default=PrincipalKind.PERSON, description="A person, a service, or nobody known."
    )
    roles: tuple[Name, ...] = Field(default=(), description="Names of the roles that it has.")


ANONYMOUS = Principal(id="anonymous", kind=PrincipalKind.ANONYMOUS)
"""Somebody who did not say who they are."""


class Authentication(CitadelModel):
    """That somebody showed who they are; holds no secret."""

    principal: Principal = Field(description="Who it is.")
    method: AuthenticationMethod = Field(description="How they showed it.")
    at: AwareDatetime = Field(description="When, with its time zone.")
    expires: AwareDatetime | None = Field(
        default=None, description="When it ends, with its time zone; never when absent."
    )

    @model_validator(mode="after")
    def _ends_after_it_began(self) -> Self:
        if self.expires is not None and self.expires <= self.at:
            raise ValueError("`expires` is not after `at`; give a later time")
        if (self.method is AuthenticationMethod.NONE) != (
            self.principal.kind is PrincipalKind.ANONYMOUS
        ):
            raise ValueError("method none is for kind anonymous and for no other")
        return self

    def holds(self, now: datetime) -> bool:
        """Return whether it is in force; it is over at the instant `expires` itself."""
        return self.at <= now and (self.expires is None or now < self.expires)


class Permission(CitadelModel):
    """Allows some actions on some resources. What no permission allows is refused."""

    actions: tuple[Action, ...] = Field(min_length=1, description="Actions, or `*` for all.")
    resources: tuple[Pattern, ...] = Field(
        min_length=1, description="Patterns of resources; `*` stands for any text."
    )

    def covers(self, action: str, resource: str) -> bool:
        """Return whether it allows an action on a resource."""
        allowed = "*" in self.actions or action in self.actions
        return allowed and any(fnmatchcase(resource, pattern) for pattern in self.resources)


class Role(CitadelModel):
    """Permissions under a name."""

    name: Name = Field(description="Unique name.")
    description: str = Field(default="", max_length=500, description="What it is for.")
    permissions: tuple[Permission, ...] = Field(default=(), description="What it allows.")
    inherits: tuple[Name, ...] = Field(
        default=(), description="Roles whose permissions it has as well."
    )


class AccessRequest(CitadelModel):
    """Somebody wants to do something."""

    principal: Principal = Field(description="Who.")
    action: Annotated[Action, StringConstraints(pattern=r"^[a-z]")] = Field(
        description="What; one action, never `*`."
    )
    resource: Resource = Field(description="To what.")


class AccessDecision(CitadelModel):
    """What came of a request. A refusal is the default, so it needs no role."""

    request: AccessRequest = Field(description="What was asked.")
    allowed: bool = Field(default=False, description="Whether it may be done.")
    role: Name | None = Field(default=None, description="The role that allows it.")
    permission: Permission | None = Field(default=None, description="The permission that does.")
    reason: Reason = Field(default="", description="Why, in words for the audit log.")

    @model_validator(mode="after")
    def _says_what_allows(self) -> Self:
        if not self.allowed:
            if self.role is not None or self.permission is not None:
                raise ValueError("a refusal names no role and no permission; leave both out")
            return self
        asked = self.request
        if self.role is None or self.permission is None:
            raise ValueError("an allowed request names the role and the permission that allow it")
        if not self.permission.covers(asked.action, asked.resource):
            raise ValueError("the permission does not cover the request")
        return self

"""Who may do what to which part of the configuration: roles, by resource, deny by default.

A resource is `KIND:PATH`: `configuration:models.small.engine`, `secrets:generated:redis/default`.
Patterns may leave out what is usual: `models.*` is `configuration:models.*`, `secrets:redis/*` lies
in the sealed file. So no pattern reaches into another kind unless it says so: `*:*`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from hxp_enterprise_llm.configuration.diagnostics import KeyPath
from hxp_enterprise_llm.configuration.security.errors import AccessRulesError, ForbiddenError
from hxp_enterprise_llm.schemas.access import (
    ANONYMOUS,
    AccessDecision,
    AccessRequest,
    Permission,
    Principal,
    Role,
)
from hxp_enterprise_llm.schemas.base import CitadelModel

CONFIGURATION, SECRETS = "configuration", "secrets"
NamedT = TypeVar("NamedT")
_SEALED = "generated"
_KIND = re.compile(r"[a-z*][a-z-]*:")
_PLAIN = re.compile(r"[^A-Za-z0-9_@+:/-]")


class Do(StrEnum):
    """What is done to configuration and what belongs to it."""

    READ = "read"
    EXPLAIN = "explain"
    WATCH = "watch"
    PLAN = "plan"
    APPLY = "apply"
    APPROVE = "approve"
    ROLLBACK = "rollback"
    EXPORT = "export"
    MANAGE = "manage"


def _role(name: str, description: str, *permissions: tuple[tuple[str, ...], str]) -> Role:
    return Role(
        name=name,
        description=description,
        permissions=tuple(
            Permission(actions=actions, resources=(resource,)) for actions, resource in permissions
        ),
    )


_LOOK = (Do.READ, Do.EXPLAIN, Do.WATCH, Do.PLAN)
STANDARD_ROLES = (
    _role("reader", "Sees the configuration.", (_LOOK, "*")),
    _role(
        "operator", "Changes it; secrets only by reference.", ((*_LOOK, Do.APPLY, Do.ROLLBACK), "*")
    ),
    _role("approver", "Approves dangerous changes of others.", ((*_LOOK, Do.APPROVE), "*")),
    _role("auditor", "Sees the audit log and reports.", ((Do.READ, Do.EXPORT), "audit:*")),
    _role("administrator", "May do everything, secrets too.", (("*",), "*:*")),
)


class AccessRules(CitadelModel):
    """Roles, and who has them."""

    roles: tuple[Role, ...] = Field(default=STANDARD_ROLES, description="Roles that may be given.")
    principals: tuple[Principal, ...] = Field(
        default=(), description="People and services that are known, with their roles."
    )


class Access:
    """Decides; knows nobody and allows nothing beyond its rules.

    Args:
        rules: Roles and principals.

    Raises:
        AccessRulesError: A name stands twice, or names what does not exist; or roles go in circles.
    """

    def __init__(self, rules: AccessRules | None = None) -> None:
        self.rules = rules or AccessRules()
        roles = _by_name(((role.name, role) for role in self.rules.roles), "role")
        self._principals = _by_name(
            ((principal.id, principal) for principal in self.rules.principals), "principal"
        )
        self._granted = {name: tuple(_granted(name, roles, ())) for name in roles}
        for principal in self.rules.principals:
            for role in principal.roles:
                _known(role, roles, f"principal {principal.id}")

    def principal(self, actor: str) -> Principal:
        """Return who has a name; somebody without roles when nobody has it."""
        return self._principals.get(actor, ANONYMOUS)

    def knows(self, actor: str) -> bool:
        """Return whether the rules name somebody."""
        return actor in self._principals

    def decide(self, principal: Principal, action: str, resource: str) -> AccessDecision:
        """Return what is decided, with the role and the permission that decided.

        The roles that count are those of the rules as they are now, not those that a principal
        brings along.

        Args:
            principal: Who asks.
            action: What; one action.
            resource: To what, written `KIND:PATH`.

        Raises:
            ForbiddenError: Action or resource are of a form that no permission can name.
        """
        current = self.principal(principal.id)
        try:
            request = AccessRequest(principal=principal, action=action, resource=resource)
        except ValidationError:
            raise ForbiddenError(
                f"{principal.id} asked for an action or a resource that no permission can name",
                next_step="Name one action, and one resource as KIND:PATH.",
            ) from None
        for name in current.roles:
            for role, permission in self._granted[name]:
                if permission.covers(action, resource):
                    return AccessDecision(
                        request=request,
                        allowed=True,
                        role=role,
                        permission=permission,
                        reason=f"role {role} allows {action} on {' '.join(permission.resources)}",
                    )
        held = ", ".join(current.roles) or "no role"
        return AccessDecision(request=request, reason=f"{held}: no permission covers it")

    def require(self, principal: Principal, action: str, resource: str) -> AccessDecision:
        """Return the decision when it allows.

        Raises:
            ForbiddenError: It does not.
        """
        decision = self.decide(principal, action, resource)
        if not decision.allowed:
            raise ForbiddenError(
                f"{principal.id} may not {action} {resource} ({decision.reason})",
                next_step="Ask for a role that allows it; the refusal stands in the audit log.",
            )
        return decision

    def allowed(self, actor: str, verb: str, path: str) -> bool:
        """Return whether somebody may do that to a secret: the rules that `SecretManager` asks.

        Args:
            actor: Who.
            verb: What: `read`, `write`.
            path: The secret, written `SCHEME:PATH`.
        """
        if not self.knows(actor):
            return False
        try:
            return self.decide(self.principal(actor), verb, secret_resource(path)).allowed
        except ForbiddenError:
            return False

    def visible(self, principal: Principal, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the part of a document that somebody may read; what is hidden is left out."""
        return self._part(principal, document, ())

    def _part(
        self, principal: Principal, document: Mapping[str, Any], above: KeyPath
    ) -> dict[str, Any]:
        part: dict[str, Any] = {}
        for key, value in document.items():
            path = (*above, key)
            if isinstance(value, Mapping) and value:
                if inner := self._part(principal, value, path):
                    part[key] = inner
            elif self._reads(principal, path):
                part[key] = value
        return part

    def _reads(self, principal: Principal, path: KeyPath) -> bool:
        try:
            return self.decide(principal, Do.READ, configuration_resource(path)).allowed
        except ForbiddenError:
            return False


def configuration_resource(path: KeyPath = ()) -> str:
    """Return the resource of a configuration key; of the whole document for the empty path.

    A dot within a key, and what no pattern may hold, is written as `#` and its bytes in hex:
    `models.qwen2#2e5`, so that a pattern for model `qwen2` does not reach model `qwen2.5`.
    """
    return f"{CONFIGURATION}:" + ".".join(_plain(str(part)) for part in path)


def secret_resource(address: str) -> str:
    """Return the resource of a secret at `SCHEME:PATH`; without a scheme in the sealed file."""
    scheme, mark, path = address.partition(":")
    return f"{SECRETS}:{scheme if mark else _SEALED}:{path if mark else address}"


def full_pattern(pattern: str) -> str:
    """Return a pattern with what it left out: its kind, and the backend of secrets."""
    if _KIND.match(pattern) is None:
        return f"{CONFIGURATION}:{pattern}"
    kind, _, rest = pattern.partition(":")
    return f"{SECRETS}:{_SEALED}:{rest}" if kind == SECRETS and ":" not in rest else pattern


def _plain(key: str) -> str:
    return _PLAIN.sub(lambda found: "".join(f"#{byte:02x}" for byte in found[0].encode()), key)


def _granted(
    name: str, roles: Mapping[str, Role], above: tuple[str, ...]
) -> Iterator[tuple[str, Permission]]:
    """Yield the permissions of a role and of those it inherits, with the role each stands in."""
    if name in above:
        raise AccessRulesError(
            f"roles inherit in a circle: {' → '.join((*above, name))}",
            next_step="Take one of them out of `inherits`.",
        )
    role = _known(name, roles, f"role {above[-1]}" if above else "")
    for permission in role.permissions:
        resources = tuple(full_pattern(pattern) for pattern in permission.resources)
        yield name, Permission(actions=permission.actions, resources=resources)
    for inherited in role.inherits:
        yield from _granted(inherited, roles, (*above, name))


def _known(name: str, roles: Mapping[str, Role], whose: str) -> Role:
    if name not in roles:
        raise AccessRulesError(
            f"{whose} has role {name}, which does not exist",
            next_step=f"There are: {', '.join(sorted(roles)) or 'none'}.",
        )
    return roles[name]


def _by_name(pairs: Iterable[tuple[str, NamedT]], what: str) -> dict[str, NamedT]:
    found: dict[str, NamedT] = {}
    for name, value in pairs:
        if name in found:
            raise AccessRulesError(f"{what} {name} stands twice", next_step="Keep one of them.")
        found[name] = value
    return found

"""Who comes in, what they may do, and that it stands in the audit log."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hxp_enterprise_llm.configuration.audit import AuditEvent
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.access import (
    STANDARD_ROLES,
    Access,
    AccessRules,
)
from hxp_enterprise_llm.configuration.security.errors import ForbiddenError, SessionError
from hxp_enterprise_llm.configuration.security.service import ConfigurationSecurity
from hxp_enterprise_llm.configuration.service.errors import UnauthenticatedError
from hxp_enterprise_llm.schemas.access import Principal, PrincipalKind
from hxp_enterprise_llm.schemas.configuration_service import REPLICA, ConfigurationServiceConfig

_NOBODY = "0" * 64


Keys = Mapping[str, tuple[str, ...]]
"""Principal → digests of its keys."""


def rules_of(config: ConfigurationServiceConfig) -> AccessRules:
    """Return roles and principals of a configuration, the first administrator among them."""
    first = Principal(id=config.administrator, kind=PrincipalKind.SERVICE, roles=("administrator",))
    return AccessRules(
        roles=(*STANDARD_ROLES, REPLICA, *config.roles), principals=(first, *config.principals)
    )


def keys_of(config: ConfigurationServiceConfig, key: Secret) -> Keys:
    """Return the digests of all keys; `key` is the first administrator's."""
    keys: dict[str, tuple[str, ...]] = {config.administrator: (digest(key.reveal()),)}
    for one in config.keys:
        keys[one.principal] = (*keys.get(one.principal, ()), one.sha256)
    return keys


def digest(key: str) -> str:
    """Return what is kept of a key: 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(key.encode()).hexdigest()


@dataclass
class Call:
    """One request of somebody who is known.

    Attributes:
        principal: Who.
        decided: Whether a permission was asked for, and given; without one nothing gets out.
        action: What was asked for last.
        resource: To what.
    """

    door: Door
    principal: Principal
    decided: bool = False
    action: str = ""
    resource: str = ""

    def require(self, action: str, resource: str) -> None:
        """Go on only when it is allowed.

        Raises:
            ForbiddenError: It is not.
        """
        self.action, self.resource = action, resource
        self.door.access.require(self.principal, action, resource)
        self.decided = True

    def may(self, action: str, resource: str) -> bool:
        """Return whether something is allowed; a question, which lets nothing out."""
        try:
            return self.door.access.decide(self.principal, action, resource).allowed
        except ForbiddenError:
            return False

    def require_part(self, action: str, resource: str, below: Iterable[str]) -> None:
        """Go on when it is allowed, or when something that lies below it is.

        Raises:
            ForbiddenError: Nothing of it is.
        """
        if not self.may(action, resource) and any(self.may(action, one) for one in below):
            self.action, self.resource, self.decided = action, resource, True
        else:
            self.require(action, resource)

    async def began(self, name: str, detail: Mapping[str, str]) -> None:
        """Record that something is about to be changed; without the record it is not.

        Raises:
            AuditError: It cannot be recorded.
        """
        await self.door.record(self, name, "begun", detail, durable=True)


class Door:
    """The one way in.

    Args:
        security: Decides, keeps sessions, and has the audit log.
        keys: What people and services come in with.
    """

    def __init__(self, security: ConfigurationSecurity, keys: Keys) -> None:
        self.security, self.keys = security, keys

    @property
    def access(self) -> Access:
        """Return the rules as they are now."""
        return self.security.access

    async def enter(self, authorization: Iterable[str]) -> Call:
        """Return the call of somebody who showed a key, or the token of a session.

        Args:
            authorization: All such headers of the request: HTTP Basic with a principal and its
                key, or Bearer with a token.

        Raises:
            UnauthenticatedError: There is not exactly one, or it is nobody's.
        """
        given = tuple(authorization)
        scheme, _, text = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() == "bearer":
            try:
                return Call(self, (await self.security.authenticate(text.strip())).principal)
            except SessionError:
                raise _nobody() from None
        name, key = _credentials(text) if scheme.lower() == "basic" else ("", "")
        shown = digest(key)
        # The same work for a name that nobody has.
        fits = [hmac.compare_digest(one, shown) for one in self.keys.get(name, (_NOBODY,))]
        if not any(fits) or not self.access.knows(name):
            raise _nobody()
        return Call(self, self.access.principal(name))

    async def record(
        self,
        call: Call | None,
        name: str,
        outcome: str,
        detail: Mapping[str, str],
        *,
        durable: bool = False,
    ) -> None:
        """Write one record; what nobody known tried is counted after the first of a minute.

        Raises:
            AuditError: The log cannot be written.
        """
        event = AuditEvent(
            actor=call.principal.id if call is not None else "anonymous",
            action=f"configuration.{name}",
            resource=(call.resource if call is not None else "") or "configuration",
            outcome=outcome,
            detail=detail,
        )
        if call is None:
            await asyncio.to_thread(self.security.refusals.add, event)
        else:
            await asyncio.to_thread(self.security.audit.append, event, durable=durable)


def _nobody() -> UnauthenticatedError:
    return UnauthenticatedError(
        "a key is needed",
        next_step="Send your principal and its key as HTTP Basic, or a session's token as Bearer.",
    )


def _credentials(text: str) -> tuple[str, str]:
    try:
        # Names may hold colons, keys do not.
        name, _, key = base64.b64decode(text.strip(), validate=True).decode().rpartition(":")
    except ValueError:
        return "", ""
    return name, key

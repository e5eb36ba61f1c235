"""What security refuses, and why; no text holds a password, a token or a key."""

from __future__ import annotations

from hxp_enterprise_llm.core.exceptions import (
    CitadelError,
    FaultDomain,
    InvalidConfigurationError,
    RefusedError,
)


class ForbiddenError(RefusedError):
    """No permission covers what somebody asked for."""

    code = "security.forbidden"


class AccessRulesError(InvalidConfigurationError):
    """Roles and principals contradict each other."""

    code = "security.access-rules"


class SessionError(RefusedError):
    """A session is unknown, over or revoked; which of them is nobody's business."""

    code = "security.session"
    domain = FaultDomain.INPUT


class TooManySessionsError(RefusedError):
    """There are as many sessions as there may be."""

    code = "security.too-many-sessions"


class LoginError(RefusedError):
    """Name and password do not fit; which of them is nobody's business."""

    code = "security.login"
    domain = FaultDomain.INPUT


class BusyError(RefusedError):
    """More passwords wait to be checked than the machine can take."""

    code = "security.busy"
    domain = FaultDomain.DEPENDENCY


class PasswordRefusedError(RefusedError):
    """A new password is too short, or too long."""

    code = "security.password-refused"
    domain = FaultDomain.INPUT


class NoPersonError(RefusedError):
    """Nobody of that name can have a password."""

    code = "security.person-not-found"
    domain = FaultDomain.INPUT


class SignatureError(CitadelError):
    """A revision is not signed as it must be."""

    code = "security.signature"
    domain = FaultDomain.POLICY


class RetentionError(CitadelError):
    """Records cannot be exported, so they are not deleted either."""

    code = "security.retention"
    domain = FaultDomain.DEPENDENCY

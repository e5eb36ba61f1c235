"""Approvals: somebody else's word for one document on top of one revision, as a signed token.

A JSON Web Token (RFC 7519) of its own type (RFC 8725, 3.11). Nothing is kept of an approval, so
every server that has the key can check it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.service.document import Proposal
from hxp_enterprise_llm.configuration.service.errors import ApprovalRefusedError
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey
from hxp_enterprise_llm.schemas.configuration_service import Approval

_PURPOSE = b"citadel configuration approval"
_HEADER = {"alg": "HS256", "typ": "approval+jwt"}


class Approvals:
    """Gives and checks approvals.

    Args:
        key: What all servers of an environment share.
        lasts: Seconds that an approval holds.
        now: The wall clock.
    """

    def __init__(self, key: Secret, *, lasts: float, now: Callable[[], datetime]) -> None:
        self._key = OctKey.import_key(hmac.digest(key.reveal().encode(), _PURPOSE, "sha256"))
        self._lasts, self._now = timedelta(seconds=lasts), now

    def give(self, approver: str, key: DocumentKey, proposal: Proposal) -> Approval:
        """Return an approval of a proposal."""
        expires = self._now() + self._lasts
        claims = {
            "sub": approver,
            "aud": str(key),
            "document": proposal.id,
            "base": proposal.base,
            "exp": expires.timestamp(),
        }
        return Approval(
            approver=approver,
            id=proposal.id,
            number=proposal.base,
            expires=expires,
            approval=jwt.encode(dict(_HEADER), claims, self._key),
        )

    def check(self, text: str, key: DocumentKey, proposal: Proposal) -> str:
        """Return who approved a proposal.

        Raises:
            ApprovalRefusedError: It is none of ours, is over, or is of something else.
        """
        try:
            token = jwt.decode(text, self._key, algorithms=[_HEADER["alg"]])
        except (JoseError, ValueError):
            raise _refused("is not one of ours") from None
        if token.header != _HEADER:
            raise _refused("is not one of ours")
        said = token.claims
        if self._now().timestamp() >= said["exp"]:
            raise _refused("is over")
        if (said["aud"], said["document"], said["base"]) != (str(key), proposal.id, proposal.base):
            raise _refused("is of another document, or of another revision")
        return str(said["sub"])


def _refused(why: str) -> ApprovalRefusedError:
    return ApprovalRefusedError(
        f"the approval {why}", next_step="Let somebody approve exactly this document again."
    )

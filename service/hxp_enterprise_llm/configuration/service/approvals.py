"""Approvals: somebody else's word for one document on top of one revision, as a text.

Nothing is kept of an approval, so every server that has the key can check it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta

from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.service.document import Proposal
from hxp_enterprise_llm.configuration.service.errors import ApprovalRefusedError
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey
from hxp_enterprise_llm.schemas.configuration_service import Approval

_PURPOSE = b"citadel configuration approval"


class Approvals:
    """Gives and checks approvals.

    Args:
        key: What all servers of an environment share.
        lasts: Seconds that an approval holds.
        now: The wall clock.
    """

    def __init__(self, key: Secret, *, lasts: float, now: Callable[[], datetime]) -> None:
        self._key = hmac.digest(key.reveal().encode(), _PURPOSE, "sha256")
        self._lasts, self._now = timedelta(seconds=lasts), now

    def give(self, approver: str, key: DocumentKey, proposal: Proposal) -> Approval:
        """Return an approval of a proposal."""
        expires = self._now() + self._lasts
        said = [approver, str(key), proposal.id, proposal.base, expires.isoformat()]
        content = json.dumps(said, separators=(",", ":")).encode()
        text = f"{_text(content)}.{_text(self._mark(content))}"
        return Approval(
            approver=approver,
            id=proposal.id,
            number=proposal.base,
            expires=expires,
            approval=text,
        )

    def check(self, text: str, key: DocumentKey, proposal: Proposal) -> str:
        """Return who approved a proposal.

        Raises:
            ApprovalRefusedError: It is none of ours, is over, or is of something else.
        """
        head, _, mark = text.partition(".")
        try:
            content, given = _bytes(head), _bytes(mark)
        except ValueError:
            raise _refused("is not one of ours") from None
        if not hmac.compare_digest(given, self._mark(content)):
            raise _refused("is not one of ours")
        approver, document, digest, base, expires = json.loads(content)
        if self._now() >= datetime.fromisoformat(expires):
            raise _refused("is over")
        if (document, digest, base) != (str(key), proposal.id, proposal.base):
            raise _refused("is of another document, or of another revision")
        return str(approver)

    def _mark(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, hashlib.sha256)


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _refused(why: str) -> ApprovalRefusedError:
    return ApprovalRefusedError(
        f"the approval {why}", next_step="Let somebody approve exactly this document again."
    )

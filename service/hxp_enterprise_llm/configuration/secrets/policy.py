"""What a level of security asks of secrets (CC-04): one table, which the manager enforces."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from hxp_enterprise_llm.configuration.secrets.cache import CachePolicy
from hxp_enterprise_llm.configuration.secrets.keyring import ROTATE_EVERY
from hxp_enterprise_llm.schemas.security import SecurityLevel


@dataclass(frozen=True)
class SecretPolicy:
    """Rules that hold for all secrets of an environment.

    Attributes:
        rotate_every: Age at which secrets and keys are due.
        cache: How long values of remote backends are served.
        clear_text: Whether a remote backend may be asked over plain HTTP, which only its own
            machine can read.
        durable_reads: Whether a read waits until its audit record is on the disk.
    """

    rotate_every: timedelta = ROTATE_EVERY
    cache: CachePolicy = field(default_factory=CachePolicy)
    clear_text: bool = True
    durable_reads: bool = False


USUAL = SecretPolicy()
"""Of levels `low` and `medium`."""
_STRICT = SecretPolicy(
    cache=CachePolicy(fresh=30.0, stale=300.0), clear_text=False, durable_reads=True
)
POLICIES = {
    SecurityLevel.LOW: USUAL,
    SecurityLevel.MEDIUM: USUAL,
    SecurityLevel.HIGH: _STRICT,
    SecurityLevel.CRITICAL: _STRICT,
}
"""All seal with AES-256-GCM; there is no weaker cipher to choose."""

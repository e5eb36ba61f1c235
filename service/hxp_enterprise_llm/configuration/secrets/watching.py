"""The ages of an environment's secrets, shown by a service that cannot read one of them."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry

from hxp_enterprise_llm.configuration.secrets.backends.sealed import SealedFile
from hxp_enterprise_llm.configuration.secrets.errors import SecretNotFoundError
from hxp_enterprise_llm.configuration.secrets.keyring import Clock, utc_now
from hxp_enterprise_llm.configuration.secrets.metrics import AgeSeries
from hxp_enterprise_llm.configuration.secrets.policy import SecretPolicy
from hxp_enterprise_llm.configuration.secrets.rotation import Ages, aged
from hxp_enterprise_llm.configuration.secrets.store import SealedStore


class AgeWatch:
    """Looks at a sealed file, and at its key ring where that lies beside it; opens no secret.

    Args:
        folder: The state folder of the environment.
        registry: Takes the series.
        policy: Says at which age a secret is due.
        clock: Time of now.
    """

    def __init__(
        self,
        folder: Path,
        registry: CollectorRegistry,
        *,
        policy: SecretPolicy | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._backend = SealedFile(SealedStore(folder, clock=clock), opens=False)
        self._series = AgeSeries(registry)
        self._policy, self._clock = policy or SecretPolicy(), clock

    async def look(self) -> Ages:
        """Look at all ages and show them.

        Raises:
            SecretNotFoundError: There is no sealed file.
            CitadelError: It is not understood.
            OSError: It cannot be read.
        """
        file = self._backend.store.file
        if not file.exists():
            raise SecretNotFoundError(
                f"there is no sealed file {file}",
                next_step="Name the state folder of the environment, .citadel/ENVIRONMENT.",
            )
        now = self._clock()
        found = await aged(self._backend, self._policy.rotate_every, now)
        self._series.show(found, now)
        return found

"""The service shows how old the secrets of its environment are, and reads none of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.store import SealedStore
from hxp_enterprise_llm.testing.configuration_service import ServiceUnderTest
from hxp_enterprise_llm.testing.security import Canary
from hxp_enterprise_llm.testing.waiting import until

HIDDEN = Canary()


@pytest.fixture
def sealed(tmp_path: Path) -> SealedStore:
    """Hold one secret of 91 days and one of today."""
    folder = tmp_path / ".citadel/test"
    folder.mkdir(parents=True)
    store = SealedStore(folder)
    store.set("old", Secret(HIDDEN.value), made_at=datetime.now(UTC) - timedelta(days=91))
    store.set("young", Secret(HIDDEN.value))
    return store


async def series(service: ServiceUnderTest) -> dict[str, float]:
    text = (await service.ask("GET", "/metrics", by=None)).body
    HIDDEN.expect_hidden(text)
    lines = [line for line in text.splitlines() if line.startswith("citadel_secret")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


async def looked(service: ServiceUnderTest) -> dict[str, float]:
    async def look() -> dict[str, float]:
        found = await series(service)
        return found if found["citadel_secrets_looked_at_timestamp_seconds"] else {}

    return await until(look)


@pytest.mark.feature("CX-03", "CX-05")
async def test_metrics_show_what_is_due_without_the_key_that_opens_it(
    tmp_path: Path, sealed: SealedStore
) -> None:
    folder = sealed.file.parent
    sealed.ring.file.unlink()
    settings = {"secrets": str(folder)}
    async with ServiceUnderTest(tmp_path / "state", settings=settings) as service:
        found = await looked(service)
        assert found["citadel_secrets_due"] == 1
        oldest = timedelta(seconds=found["citadel_secret_oldest_age_seconds"])
        assert timedelta(days=91) <= oldest < timedelta(days=92)
        assert (await service.ask("GET", "/health/ready", by=None)).status == 200


@pytest.mark.feature("CX-03")
async def test_without_a_folder_nothing_is_shown_and_a_missing_file_is_said(
    tmp_path: Path,
) -> None:
    async with ServiceUnderTest(tmp_path / "state") as service:
        assert await series(service) == {}
    settings = {"secrets": str(tmp_path / "none")}
    async with ServiceUnderTest(tmp_path / "state", settings=settings) as service:

        async def degraded() -> bool:
            text = (await service.ask("GET", "/metrics", by=None)).body
            return 'citadel_service_state{service="configuration",state="degraded"} 1.0' in text

        await until(degraded)
        assert "there is no sealed file" in service.service.causes["secret ages"]
        # The alert on ages that nobody looks at begins here.
        assert (await series(service))["citadel_secrets_looked_at_timestamp_seconds"] == 0

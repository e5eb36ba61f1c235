"""The client: follows the service, works without it, and takes nothing that was tampered with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.configuration.test_service_api import GATEWAY, MAIN, with_body

from hxp_enterprise_llm.configuration.client import (
    ConfigurationClient,
    Held,
    HttpWire,
    NoConfigurationError,
    RefusedByServiceError,
    UntrustedRevisionError,
)
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.security.errors import SignatureError
from hxp_enterprise_llm.configuration.security.sealing import CredentialKeys
from hxp_enterprise_llm.configuration.security.signing import Signer, Verifier
from hxp_enterprise_llm.schemas.gateway import GatewayConfig
from hxp_enterprise_llm.testing.configuration_service import (
    ServiceUnderTest,
    key_of,
    known,
)
from hxp_enterprise_llm.testing.connections import free_port
from hxp_enterprise_llm.testing.waiting import until
from hxp_enterprise_llm.utilities.http import Reply
from hxp_enterprise_llm.utilities.retry import RetryPolicy

pytestmark = pytest.mark.feature("CL-01", "CU-04")
SIGNER = Signer.new()
QUICK = RetryPolicy(first_wait=0.05, longest_wait=0.1)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ServiceUnderTest]:
    settings = known(gw=("replica",)) | {"timeouts": {"beat": 0.2}}
    async with ServiceUnderTest(tmp_path / "service", signer=SIGNER, settings=settings) as running:
        await running.apply(GATEWAY)
        yield running


def wire(base: str) -> HttpWire:
    return HttpWire(base, "gw", Secret(key_of("gw")))


def client(
    folder: Path, *bases: str, verifier: Verifier | None = SIGNER.verifier, **more: Any
) -> ConfigurationClient[GatewayConfig]:
    return ConfigurationClient(
        [wire(base) for base in bases],
        "gateway",
        "main",
        GatewayConfig,
        cache=folder / "gateway.json",
        verifier=verifier,
        retry=QUICK,
        beat=0.1,
        **more,
    )


async def test_it_reads_from_the_service_and_keeps_the_last_good_on_disk(
    service: ServiceUnderTest, tmp_path: Path
) -> None:
    one = client(tmp_path, service.base)
    held = await one.load()
    await one.close()
    assert (held.fresh, held.revision.number, held.config.listen.port) == (True, 1, 8000)
    kept = tmp_path / "gateway.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    await service.service.stop()
    two = client(tmp_path, service.base)
    again = await two.load()
    await two.close()
    assert (again.fresh, again.config, again.revision) == (False, held.config, held.revision)


@pytest.mark.feature("CC-04")
async def test_the_copy_on_disk_is_sealed_with_a_key_and_opens_with_it_alone(
    service: ServiceUnderTest, tmp_path: Path
) -> None:
    keys, others = (CredentialKeys([Secret(f"credential {number} of a test")]) for number in (1, 2))
    one = client(tmp_path, service.base, sealing=keys)
    held = await one.load()
    await one.close()
    kept = (tmp_path / "gateway.json").read_bytes()
    assert kept.startswith(b"sealed:")
    assert b"listen" not in kept
    await service.service.stop()
    two = client(tmp_path, service.base, sealing=keys)
    again = await two.load()
    assert (again.fresh, again.revision) == (False, held.revision)
    await two.close()
    for other in (others, None):
        three = client(tmp_path, service.base, sealing=other)
        with pytest.raises(NoConfigurationError):
            await three.load()
        await three.close()


async def test_without_a_service_and_without_a_file_it_says_so(tmp_path: Path) -> None:
    one = client(tmp_path, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NoConfigurationError, match=r"gateway/main: no server answers, and .*json"):
        await one.load()
    await one.close()


async def test_another_server_is_asked_when_one_is_away(
    service: ServiceUnderTest, tmp_path: Path
) -> None:
    one = client(tmp_path, f"http://127.0.0.1:{free_port()}", service.base)
    assert (await one.load()).fresh
    await one.close()


async def test_it_follows_changes_reports_them_and_outlives_the_service(
    service: ServiceUnderTest, tmp_path: Path
) -> None:
    taken: list[int] = []

    async def take(held: Held[GatewayConfig]) -> None:
        taken.append(held.config.limits.max_body)

    one = client(tmp_path, service.base, replica="gw-1")
    await one.load()
    following = asyncio.create_task(one.follow(take))
    await service.apply(with_body(5000), 1)

    async def heard(size: int) -> bool:
        return taken[-1:] == [size]

    await until(lambda: heard(5000))

    async def shown() -> bool:
        items = (await service.ask("GET", "/v1/fleet")).body["items"]
        return [(one["replica"], one["running"][0]["number"]) for one in items] == [("gw-1", 2)]

    await until(shown)
    await service.service.stop()
    await service.service.start()
    await service.apply(with_body(6000), 2)
    await until(lambda: heard(6000))
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await one.close()
    assert taken == [5000, 6000]


async def test_one_who_may_not_read_is_told_why(service: ServiceUnderTest, tmp_path: Path) -> None:
    stranger = HttpWire(service.base, "gw", Secret("another key than that of gw"))
    one = ConfigurationClient(
        [stranger], "gateway", "main", GatewayConfig, cache=tmp_path / "x.json"
    )
    with pytest.raises(RefusedByServiceError, match="401: a key is needed"):
        await one.load()
    await one.close()


async def test_replicas_spread_over_the_servers(tmp_path: Path) -> None:
    asked = [0, 0, 0]

    class Server(Liar):
        def __init__(self, number: int) -> None:
            super().__init__({"behind": []})
            self.number = number

        async def put(self, path: str, body: bytes, *, timeout: float) -> Reply:  # noqa: ASYNC109
            asked[self.number] += 1
            return Reply(200, json.dumps(self.body).encode())

    for number in range(300):
        servers = [Server(one) for one in range(3)]
        replica = ConfigurationClient(
            servers,
            "gateway",
            "main",
            GatewayConfig,
            cache=tmp_path / "x.json",
            replica=f"gw-{number}",
        )
        assert await replica.report() == ()
    assert min(asked) >= 60


class Liar:
    """Answers as it is told to: the one double here, of a server that was taken over."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body

    async def get(self, path: str, *, timeout: float) -> Reply:  # noqa: ASYNC109 # as the wire
        return Reply(200, json.dumps(self.body).encode())

    async def put(self, path: str, body: bytes, *, timeout: float) -> Reply:  # noqa: ASYNC109
        return Reply(500, b"")

    async def numbers(self, path: str, last: int, *, silence: float) -> AsyncIterator[int]:
        yield last

    async def close(self) -> None:
        pass


def against(folder: Path, body: dict[str, Any]) -> ConfigurationClient[GatewayConfig]:
    return ConfigurationClient(
        [Liar(body)],
        "gateway",
        "main",
        GatewayConfig,
        cache=folder / "gateway.json",
        verifier=SIGNER.verifier,
    )


async def test_an_answer_that_was_changed_is_not_taken(
    service: ServiceUnderTest, tmp_path: Path
) -> None:
    body = (await service.ask("GET", MAIN)).body
    assert (await against(tmp_path.parent, body).load()).revision.number == 1
    changed = json.loads(json.dumps(body))
    changed["document"]["listen"]["port"] = 9
    actor = {**body, "revision": {**body["revision"], "actor": "mallory"}}
    partial = {**body, "complete": False}
    for wrong in (changed, actor, partial, {"x": 1}):
        with pytest.raises(UntrustedRevisionError, match="answer of the configuration service"):
            await against(tmp_path, wrong).load()
    unsigned = {**body, "revision": {**body["revision"], "signature": None}}
    with pytest.raises(SignatureError, match="is not signed"):
        await against(tmp_path, unsigned).load()
    assert not (tmp_path / "gateway.json").exists()


async def test_a_forged_chain_needs_a_key_that_is_trusted(tmp_path: Path) -> None:
    async with ServiceUnderTest(tmp_path / "forger", signer=Signer.new()) as forger:
        await forger.apply(GATEWAY)
        body = (await forger.ask("GET", MAIN)).body
    with pytest.raises(SignatureError, match="not trusted"):
        await against(tmp_path, body).load()


async def test_an_older_revision_is_not_taken_for_news(
    service: ServiceUnderTest, tmp_path: Path
) -> None:
    old = (await service.ask("GET", MAIN)).body
    await service.apply(with_body(5000), 1)
    new = (await service.ask("GET", MAIN)).body
    await against(tmp_path, new).load()
    replayed = against(tmp_path, old)
    held = await replayed.load()
    assert (held.fresh, held.revision.number) == (False, 2)
    with pytest.raises(UntrustedRevisionError, match="revision 1, and 2 was seen"):
        await replayed.refresh()


async def test_a_kept_file_that_was_changed_is_not_used(
    service: ServiceUnderTest, tmp_path: Path
) -> None:
    body = (await service.ask("GET", MAIN)).body
    await against(tmp_path, body).load()
    kept = tmp_path / "gateway.json"
    kept.write_text(kept.read_text().replace("8000", "8001"))
    away = client(tmp_path, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NoConfigurationError):
        await away.load()
    await away.close()

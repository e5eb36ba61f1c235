"""Our client and backend against a real Vault: logins, KV v2, transit, leases, faults."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from hxp_enterprise_llm.configuration.secrets import Secrets
from hxp_enterprise_llm.configuration.secrets.backends.vault import Vault
from hxp_enterprise_llm.configuration.secrets.cache import CachePolicy
from hxp_enterprise_llm.configuration.secrets.errors import (
    AccessDeniedError,
    BackendAwayError,
    SecretNotFoundError,
    SecretRefusedError,
    VaultRefusedError,
    VaultSealedError,
)
from hxp_enterprise_llm.configuration.secrets.keyring import KeyRing
from hxp_enterprise_llm.configuration.secrets.leases import RenewalPolicy
from hxp_enterprise_llm.configuration.secrets.metrics import SecretMetrics
from hxp_enterprise_llm.configuration.secrets.policy import SecretPolicy
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.store import SealedStore
from hxp_enterprise_llm.configuration.secrets.vault.auth import AppRole, Jwt, StaticToken
from hxp_enterprise_llm.configuration.secrets.vault.client import VaultClient
from hxp_enterprise_llm.configuration.secrets.vault.settings import VaultSettings
from hxp_enterprise_llm.configuration.secrets.vault.transit import Transit, TransitGuard
from hxp_enterprise_llm.testing.connections import free_port
from hxp_enterprise_llm.testing.kubernetes import ApiServer
from hxp_enterprise_llm.testing.vault import VaultServer
from hxp_enterprise_llm.testing.waiting import until

STALE_AT_ONCE = SecretPolicy(cache=CachePolicy(fresh=0.0, stale=60.0, pause=0.0))


async def test_it_is_the_vault_that_the_documents_name(client: VaultClient) -> None:
    assert (await client.health()).startswith("Vault 1.21.0")


@pytest.mark.feature("CX-01")
async def test_a_key_is_written_read_listed_and_removed_beside_its_neighbours(vault: Vault) -> None:
    await vault.set("kv/postgres/main#password", Secret("p1"))
    info = await vault.set("kv/postgres/main#user", Secret("citadel"))
    assert info.version == 2
    assert (await vault.get("kv/postgres/main#password")).reveal() == "p1"
    listed = [item async for item in vault.list("kv/postgres")]
    assert [item.path for item in listed] == [
        "kv/postgres/main#password",
        "kv/postgres/main#user",
    ]
    await vault.remove("kv/postgres/main#user")
    with pytest.raises(SecretNotFoundError, match="its key user is not"):
        await vault.get("kv/postgres/main#user")
    await vault.remove("kv/postgres/main#password")
    with pytest.raises(SecretNotFoundError):
        await vault.get("kv/postgres/main#password")
    # A removed document is written over, with its versions.
    assert (await vault.set("kv/postgres/main#password", Secret("p2"))).version > 2


async def test_two_writers_of_one_document_lose_nothing(
    vault: Vault, settings: VaultSettings
) -> None:
    other = Vault.connect(settings)
    try:
        await asyncio.gather(
            *(vault.set(f"kv/shared#a{n}", Secret("a")) for n in range(3)),
            *(other.set(f"kv/shared#b{n}", Secret("b")) for n in range(2)),
        )
    finally:
        await other.aclose()
    paths = [item.path async for item in vault.list("kv")]
    assert sum(path.startswith("kv/shared#") for path in paths) == 5
    assert [(await vault.get(f"kv/shared#a{n}")).reveal() for n in range(3)] == ["a"] * 3
    assert [(await vault.get(f"kv/shared#b{n}")).reveal() for n in range(2)] == ["b"] * 2


async def test_what_is_missing_or_misspelt_is_said(vault: Vault) -> None:
    with pytest.raises(SecretNotFoundError):
        await vault.get("kv/nothing/here#x")
    for path in ("kv#x", "kv/a", "kv/a#", "#x"):
        with pytest.raises(SecretRefusedError, match="not of the form"):
            await vault.get(path)


@pytest.mark.feature("CX-01")
async def test_approle_logs_in_and_its_policy_holds(server: VaultServer, vault: Vault) -> None:
    await vault.set("kv/app#token", Secret("t"))
    server.ask("POST", "sys/auth/approle", {"type": "approle"})
    server.ask("POST", "auth/approle/role/gateway", {"token_policies": ["apps"]})
    role_id = server.ask("GET", "auth/approle/role/gateway/role-id")["data"]["role_id"]
    answer = server.ask("POST", "auth/approle/role/gateway/secret-id", {})
    auth = AppRole(role_id, Secret(answer["data"]["secret_id"]))
    role = VaultClient(VaultSettings(server.address, auth))
    try:
        assert (await Vault(role).get("kv/app#token")).reveal() == "t"
        with pytest.raises(AccessDeniedError, match="Vault refuses sys/mounts"):
            await role.request("GET", "sys/mounts")
    finally:
        await role.aclose()


async def test_a_wrong_secret_id_is_refused_and_not_tried_again_at_once(
    server: VaultServer,
) -> None:
    told: list[str] = []
    wrong = AppRole("no-such-role", Secret("no-such-id"))
    client = VaultClient(
        VaultSettings(server.address, wrong), told=lambda outcome, _: told.append(outcome)
    )
    try:
        for _ in range(20):
            with pytest.raises((VaultRefusedError, AccessDeniedError, SecretNotFoundError)):
                await client.request("GET", "kv/data/app")
    finally:
        await client.aclose()
    assert told == ["failed"]


def signed(key: rsa.RSAPrivateKey, claims: dict[str, Any]) -> str:
    """Return a JWT (RFC 7519) signed with RS256."""
    import base64
    import json

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    head = ".".join(part(json.dumps(item).encode()) for item in ({"alg": "RS256"}, claims))
    signature = key.sign(head.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{head}.{part(signature)}"


async def test_the_token_of_a_pod_logs_in_as_the_cluster_confirms_it(
    server: VaultServer, vault: Vault, cluster: ApiServer, tmp_path: Path
) -> None:
    await vault.set("kv/app#token", Secret("t"))
    server.ask("POST", "sys/auth/kubernetes", {"type": "kubernetes"})
    method = {
        "kubernetes_host": cluster.address,
        "kubernetes_ca_cert": cluster.certificate,
        "token_reviewer_jwt": cluster.token,
        "disable_local_ca_jwt": True,
    }
    server.ask("POST", "auth/kubernetes/config", method)
    role = {
        "bound_service_account_names": "gateway",
        "bound_service_account_namespaces": "default",
        "audience": "vault",
        "token_policies": ["apps"],
    }
    server.ask("POST", "auth/kubernetes/role/gateway", role)
    file = tmp_path / "token"
    file.write_text(cluster.service_account_token("gateway", "vault"))
    variables = {
        "VAULT_ADDR": server.address,
        "VAULT_KUBERNETES_ROLE": "gateway",
        "VAULT_JWT_FILE": str(file),
    }
    client = VaultClient(VaultSettings.from_variables(variables))
    try:
        assert (await Vault(client).get("kv/app#token")).reveal() == "t"
    finally:
        await client.aclose()
    file.write_text(cluster.service_account_token("stranger", "vault"))
    other = VaultClient(VaultSettings.from_variables(variables))
    try:
        with pytest.raises(AccessDeniedError):
            await Vault(other).get("kv/app#token")
    finally:
        await other.aclose()


async def test_a_signed_token_from_a_file_logs_in(
    server: VaultServer, vault: Vault, tmp_path: Path
) -> None:
    await vault.set("kv/app#token", Secret("t"))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    server.ask("POST", "sys/auth/jwt", {"type": "jwt"})
    server.ask("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [public.decode()]})
    role = {
        "role_type": "jwt",
        "bound_audiences": ["citadel"],
        "user_claim": "sub",
        "token_policies": ["apps"],
    }
    server.ask("POST", "auth/jwt/role/gateway", role)
    file = tmp_path / "token"
    now = int(time.time())
    claims = {"sub": "gateway", "aud": "citadel", "iat": now, "nbf": now, "exp": now + 600}
    file.write_text(signed(key, claims) + "\n")
    client = VaultClient(VaultSettings(server.address, Jwt("gateway", file)))
    try:
        assert (await Vault(client).get("kv/app#token")).reveal() == "t"
    finally:
        await client.aclose()


@pytest.mark.feature("CX-03")
async def test_a_token_outlives_its_time_to_live_because_it_is_renewed(
    server: VaultServer, vault: Vault
) -> None:
    await vault.set("kv/app#token", Secret("t"))
    metrics = SecretMetrics()
    auth = StaticToken(Secret(server.token("apps", ttl="3s")))
    client = VaultClient(
        VaultSettings(server.address, auth),
        renewal=RenewalPolicy(least=0.2),
        told=metrics.told("vault"),
    )

    def told(outcome: str) -> float:
        labels = {"backend": "vault", "outcome": outcome}
        name = "citadel_secret_lease_renewals_total"
        return metrics.registry.get_sample_value(name, labels) or 0

    async def renewed_thrice() -> bool:
        return told("renewed") >= 3

    try:
        assert (await Vault(client).get("kv/app#token")).reveal() == "t"
        await until(renewed_thrice, seconds=20)
        assert (await Vault(client).get("kv/app#token")).reveal() == "t"
    finally:
        await client.aclose()
    assert (told("issued"), told("failed")) == (1, 0)
    left = metrics.registry.get_sample_value("citadel_secret_lease_seconds", {"backend": "vault"})
    assert left is not None
    assert 1 < left <= 3


@pytest.mark.feature("CX-03")
async def test_renewals_that_fail_back_off_and_no_token_is_issued_while_the_old_one_lives(
    server: VaultServer, vault: Vault
) -> None:
    await vault.set("kv/app#token", Secret("t"))
    told: list[tuple[float, str]] = []
    auth = StaticToken(Secret(server.token("apps", ttl="60s")))
    renewal = RenewalPolicy(share=0.001, jitter=0.0, least=0.05, most=60.0)
    client = VaultClient(
        VaultSettings(server.address, auth, timeout=5.0),
        renewal=renewal,
        told=lambda outcome, _: told.append((time.monotonic(), outcome)),
    )

    def at(outcome: str) -> list[float]:
        return [when for when, what in told if what == outcome]

    async def failed_four_times() -> bool:
        return len(at("failed")) >= 4

    async def renewed_after(moment: float) -> bool:
        return bool(at("renewed")) and at("renewed")[-1] > moment

    try:
        backend = Vault(client)
        assert (await backend.get("kv/app#token")).reveal() == "t"
        server.seal()
        try:
            await until(failed_four_times, seconds=20)
        finally:
            server.unseal()
        first, second, third, fourth = at("failed")[:4]
        # 0.1, 0.2 and 0.4 s: each wait is twice the one before.
        assert second - first < third - second < fourth - third
        assert fourth - third >= 0.4
        await until(lambda: renewed_after(fourth), seconds=30)
        assert (await backend.get("kv/app#token")).reveal() == "t"
    finally:
        await client.aclose()
    assert len(at("issued")) == 1


async def test_a_revoked_token_of_a_role_is_issued_anew_once(
    server: VaultServer, vault: Vault
) -> None:
    await vault.set("kv/app#token", Secret("t"))
    server.ask("POST", "sys/auth/revoked", {"type": "approle"})
    server.ask("POST", "auth/revoked/role/r", {"token_policies": ["apps"]})
    role_id = server.ask("GET", "auth/revoked/role/r/role-id")["data"]["role_id"]
    answer = server.ask("POST", "auth/revoked/role/r/secret-id", {})
    auth = AppRole(role_id, Secret(answer["data"]["secret_id"]), mount="revoked")
    told: list[str] = []
    client = VaultClient(
        VaultSettings(server.address, auth),
        renewal=RenewalPolicy(least=0.0),
        told=lambda outcome, _: told.append(outcome),
    )
    try:
        await Vault(client).get("kv/app#token")
        server.ask("POST", "sys/leases/revoke-prefix/auth/revoked", {})
        await asyncio.gather(*(Vault(client).get("kv/app#token") for _ in range(5)))
    finally:
        await client.aclose()
    assert told == ["issued", "issued"]


@pytest.mark.feature("CX-02")
async def test_transit_seals_binds_and_opens_what_an_older_key_sealed(
    server: VaultServer, client: VaultClient
) -> None:
    server.ask("POST", "transit/keys/citadel", {"type": "aes256-gcm96"})
    transit = Transit(client, "citadel")
    sealed = await transit.encrypt(b"data key", b"postgres/admin")
    assert sealed.startswith("vault:v1:")
    assert await transit.decrypt(sealed, b"postgres/admin") == b"data key"
    with pytest.raises(VaultRefusedError):
        await transit.decrypt(sealed, b"redis/admin")
    server.ask("POST", "transit/keys/citadel/rotate", {})
    assert (await transit.encrypt(b"data key", b"postgres/admin")).startswith("vault:v2:")
    assert await transit.decrypt(sealed, b"postgres/admin") == b"data key"


@pytest.mark.feature("CX-04")
async def test_a_key_ring_sealed_by_transit_holds_no_key_and_works_while_vault_is_away(
    server: VaultServer, settings: VaultSettings, tmp_path: Path
) -> None:
    server.ask("POST", "transit/keys/ring", {"type": "aes256-gcm96"})
    folder = tmp_path / "local"
    folder.mkdir()
    ring = KeyRing(tmp_path / "secrets.key", guard=TransitGuard(settings, "ring"))
    store = SealedStore(folder, ring=ring)
    store.set("a", Secret("value"))
    assert '"key": "vault:v1:' in (tmp_path / "secrets.key").read_text()
    # A file of this very moment is read twice: the file system's clock has a tick.
    await until(lambda: _older(store.ring.file, seconds=0.1))
    assert store.get("a").reveal() == "value"
    server.seal()
    try:
        assert store.get("a").reveal() == "value"
        fresh = KeyRing(tmp_path / "secrets.key", guard=TransitGuard(settings, "ring"))
        with pytest.raises(VaultSealedError):
            SealedStore(folder, ring=fresh).get("a")
    finally:
        server.unseal()
    with pytest.raises(SecretRefusedError, match="sealed by transit/ring, not by file"):
        SealedStore(folder).get("a")


async def _older(file: Path, *, seconds: float) -> bool:
    return time.time() - os.stat(file).st_ctime > seconds  # noqa: PTH116


@pytest.mark.feature("CX-01")
async def test_a_sealed_vault_is_said_and_values_read_before_are_served(
    server: VaultServer, vault: Vault, managed: Any
) -> None:
    manager = managed(vault, policy=STALE_AT_ONCE)
    await manager.set("vault:kv/app#token", Secret("t"), actor="test")
    await manager.get("vault:kv/app#token", actor="test")
    server.seal()
    try:
        assert (await manager.get("vault:kv/app#token", actor="test")).reveal() == "t"
        with pytest.raises(VaultSealedError, match="is sealed") as caught:
            await manager.get("vault:kv/other#token", actor="test")
        assert "vault operator unseal" in caught.value.next_step
        with pytest.raises(VaultSealedError):
            await manager.set("vault:kv/app#token", Secret("t2"), actor="test")
        with pytest.raises(VaultSealedError):
            await manager.check()
    finally:
        server.unseal()
    assert (await manager.get("vault:kv/app#token", actor="test")).reveal() == "t"
    served = manager.metrics.registry.get_sample_value(
        "citadel_secret_reads_total", {"backend": "vault", "outcome": "stale"}
    )
    assert served == 1


async def test_a_hung_vault_costs_one_time_limit_and_values_read_before_are_served(
    server: VaultServer, settings: VaultSettings, managed: Any
) -> None:
    vault = Vault.connect(replace(settings, timeout=1.0))
    policy = SecretPolicy(cache=CachePolicy(fresh=0.0, stale=60.0, pause=30.0))
    manager = managed(vault, policy=policy)
    await manager.set("vault:kv/app#token", Secret("t"), actor="test")
    await manager.get("vault:kv/app#token", actor="test")
    server.freeze()
    try:
        started = time.monotonic()
        for _ in range(20):
            assert (await manager.get("vault:kv/app#token", actor="test")).reveal() == "t"
        assert time.monotonic() - started < 3.0
        with pytest.raises(BackendAwayError, match="did not answer within 1 s"):
            await manager.get("vault:kv/other#token", actor="test")
    finally:
        server.thaw()
        await vault.aclose()


async def test_a_slow_vault_is_waited_for_within_the_time_limit(
    server: VaultServer, vault: Vault
) -> None:
    await vault.set("kv/app#token", Secret("t"))
    server.freeze()
    started, thaw = time.monotonic(), asyncio.get_running_loop().call_later(0.4, server.thaw)
    try:
        assert (await vault.get("kv/app#token")).reveal() == "t"
        assert time.monotonic() - started >= 0.4
    finally:
        thaw.cancel()
        server.thaw()


async def test_a_vault_that_is_away_is_said(tmp_path: Path) -> None:
    settings = VaultSettings(f"http://127.0.0.1:{free_port()}", StaticToken(Secret("x")))
    away = Vault.connect(settings)
    try:
        with pytest.raises(BackendAwayError, match="cannot be reached: ClientConnector"):
            await away.get("kv/app#token")
    finally:
        await away.aclose()


async def test_a_value_older_than_the_policy_allows_is_not_served(
    server: VaultServer, vault: Vault, managed: Any
) -> None:
    manager = managed(vault, policy=SecretPolicy(cache=CachePolicy(fresh=0, stale=0, pause=0)))
    await manager.set("vault:kv/app#token", Secret("t"), actor="test")
    await manager.get("vault:kv/app#token", actor="test")
    server.seal()
    try:
        with pytest.raises(VaultSealedError):
            await manager.get("vault:kv/app#token", actor="test")
    finally:
        server.unseal()


@pytest.mark.feature("CX-01")
async def test_references_to_vault_resolve_from_the_variables_of_its_own_tools(
    server: VaultServer, vault: Vault, tmp_path: Path
) -> None:
    await vault.set("kv/app#token", Secret("t"))
    (tmp_path / "state/local").mkdir(parents=True)
    variables = {"VAULT_ADDR": server.address, "VAULT_TOKEN": server.token("apps")}
    secrets = Secrets(tmp_path / "state/local", variables=variables)
    assert secrets.resolve("vault:kv/app#token").reveal() == "t"
    with pytest.raises(SecretRefusedError, match="VAULT_ADDR is not set"):
        Secrets(tmp_path / "state/local", variables={}).resolve("vault:kv/app#token")

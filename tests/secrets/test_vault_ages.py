"""How old secrets of a real Vault are, for each key of a document (CX-03)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.secrets.backends.vault import Vault
from hxp_enterprise_llm.configuration.secrets.errors import SecretRefusedError
from hxp_enterprise_llm.configuration.secrets.rules import RotationRule
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.vault.auth import StaticToken
from hxp_enterprise_llm.configuration.secrets.vault.settings import VaultSettings
from hxp_enterprise_llm.testing.vault import VaultServer


@pytest.mark.feature("CX-03")
async def test_a_key_has_an_age_of_its_own_as_long_as_only_we_write_its_document(
    server: VaultServer, vault: Vault
) -> None:
    first = (await vault.set("kv/ages#first", Secret("1"))).made_at
    second = (await vault.set("kv/ages#second", Secret("1"))).made_at
    assert first is not None
    assert second is not None
    assert first < second

    async def times() -> dict[str, Any]:
        return {info.path: info.made_at async for info in vault.list("kv/ages")} | {
            name: (await vault.info(name)).made_at for name in ("kv/ages#first", "kv/ages#second")
        }

    assert await times() == {"kv/ages#first": first, "kv/ages#second": second}
    await vault.set("kv/ages#third", Secret("1"))
    await vault.remove("kv/ages#third")
    assert await times() == {"kv/ages#first": first, "kv/ages#second": second}
    # Somebody else writes the document: Vault has one time for all that is in it.
    server.ask("POST", "kv/data/ages", {"data": {"first": "2", "second": "1"}})
    other = await times()
    assert len(set(other.values())) == 1
    assert other["kv/ages#first"] > second
    newest = (await vault.set("kv/ages#second", Secret("3"))).made_at
    assert await times() == {"kv/ages#first": other["kv/ages#first"], "kv/ages#second": newest}


@pytest.mark.feature("CX-03")
async def test_custom_metadata_says_the_days_and_what_others_wrote_there_stays(
    server: VaultServer, vault: Vault, managed: Any
) -> None:
    await vault.set("kv/labelled#a", Secret("1"))
    before = server.ask("GET", "kv/metadata/labelled")["data"]["custom_metadata"]
    custom = {**before, "citadel-rotate-days": "30", "team": "platform"}
    server.ask("POST", "kv/metadata/labelled", {"custom_metadata": custom})
    await vault.set("kv/labelled#b", Secret("1"))
    await vault.remove("kv/labelled#a")
    await vault.remove("kv/labelled#b")
    await vault.set("kv/labelled#a", Secret("2"))
    after = server.ask("GET", "kv/metadata/labelled")["data"]["custom_metadata"]
    assert (after["team"], after["citadel-rotate-days"]) == ("platform", "30")
    assert "citadel-at-b" not in after
    manager = managed(vault, clock=lambda: datetime.now(UTC) + timedelta(days=31))
    (due,) = await manager.due(["vault:kv/labelled#a"])
    assert (due.path, due.over.days) == ("vault:kv/labelled#a", 1)
    assert await manager.due(["vault:kv/usual#a"]) == ()
    with pytest.raises(SecretRefusedError, match="is not kept here") as caught:
        await vault.set_rule("kv/labelled#a", RotationRule(every_days=7))
    assert "custom metadata citadel-rotate-days" in caught.value.next_step
    server.ask("POST", "kv/metadata/labelled", {"custom_metadata": {"citadel-rotate-days": "x"}})
    found = await manager.look(["vault:kv/labelled#a"])
    assert "is no number" in found.failed[0][1]


@pytest.mark.feature("CX-03")
async def test_secrets_of_vault_are_due_after_90_days_and_rotate(
    vault: Vault, managed: Any
) -> None:
    await vault.set("kv/old#token", Secret("t"))
    later = managed(vault, clock=lambda: datetime.now(UTC) + timedelta(days=90))
    assert [item.path for item in await later.due(["vault:kv/old#token"])] == ["vault:kv/old#token"]
    assert "vault:kv/old#token" in [item.path for item in await later.due(["vault:kv/"])]
    now = managed(vault)
    assert await now.due(["vault:kv/old#token"]) == ()
    assert (await now.rotate("vault:kv/old#token", actor="test")).version == 2
    assert (await now.get("vault:kv/old#token", actor="test")).reveal() != "t"


@pytest.mark.feature("CX-03")
async def test_who_may_not_write_metadata_writes_all_the_same_and_gets_the_documents_time(
    server: VaultServer,
) -> None:
    write = 'path "kv/data/plain" { capabilities = ["create","read","update"] }'
    server.policy("plain", write + ' path "kv/metadata/plain" { capabilities = ["read"] }')
    settings = VaultSettings(server.address, StaticToken(Secret(server.token("plain"))))
    backend = Vault.connect(settings)
    try:
        first = await backend.set("kv/plain#a", Secret("1"))
        second = await backend.set("kv/plain#b", Secret("1"))
        assert (await backend.get("kv/plain#a")).reveal() == "1"
        assert (await backend.info("kv/plain#a")).made_at == second.made_at
        assert first.made_at != second.made_at
    finally:
        await backend.aclose()


async def test_a_removed_document_hides_no_other_from_the_list(vault: Vault) -> None:
    await vault.set("kv/listed/gone#a", Secret("1"))
    await vault.set("kv/listed/here#a", Secret("1"))
    await vault.remove("kv/listed/gone#a")
    assert [item.path async for item in vault.list("kv/listed")] == ["kv/listed/here#a"]


async def test_a_document_with_more_keys_than_metadata_takes_has_one_time_for_all(
    server: VaultServer, vault: Vault
) -> None:
    server.ask("POST", "kv/data/wide", {"data": {f"k{number}": "1" for number in range(70)}})
    written = await vault.set("kv/wide#k0", Secret("2"))
    assert (await vault.info("kv/wide#k69")).made_at == written.made_at
    assert server.ask("GET", "kv/metadata/wide")["data"]["custom_metadata"] is None

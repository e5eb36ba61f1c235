"""One set of roles guards secrets too: the manager of secrets asks it, and records refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.audit import AuditLog
from hxp_enterprise_llm.configuration.secrets.backends.sealed import SealedFile
from hxp_enterprise_llm.configuration.secrets.errors import AccessDeniedError
from hxp_enterprise_llm.configuration.secrets.manager import SecretManager
from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.secrets.store import SealedStore
from hxp_enterprise_llm.configuration.security.access import Access, AccessRules
from hxp_enterprise_llm.schemas.access import Permission, Principal, Role

pytestmark = pytest.mark.feature("CX-04", "CX-05", "CC-02")

READS = Role(
    name="postgres-reader",
    permissions=(Permission(actions=("read", "list"), resources=("secrets:postgres/*",)),),
)
RULES = AccessRules(
    roles=(*AccessRules().roles, READS),
    principals=(
        Principal(id="root", roles=("administrator",)),
        Principal(id="backup", roles=("postgres-reader",)),
        Principal(id="ada", roles=("operator",)),
    ),
)


@pytest.fixture
async def secrets(tmp_path: Path, audit: AuditLog) -> SecretManager:
    (tmp_path / "local").mkdir()
    backend = SealedFile(SealedStore(tmp_path / "local"))
    manager = SecretManager([backend], access=Access(RULES), audit=audit)
    for path in ("postgres/admin", "redis/default"):
        await manager.set(path, Secret("canary-7f3a91"), actor="root")
    return manager


async def test_a_role_reads_what_its_pattern_says_and_no_more(
    secrets: SecretManager, audit: AuditLog
) -> None:
    assert (await secrets.get("postgres/admin", actor="backup")).reveal() == "canary-7f3a91"
    listed = await secrets.list(actor="backup")
    assert [info.path for info in listed] == ["postgres/admin"]
    for actor, path in (("backup", "redis/default"), ("ada", "postgres/admin"), ("x", "a")):
        with pytest.raises(AccessDeniedError):
            await secrets.get(path, actor=actor)
    with pytest.raises(AccessDeniedError):
        await secrets.set("postgres/admin", Secret("other"), actor="backup")
    events = [one.event for one in audit.records()]
    denied = [(one.actor, one.resource) for one in events if one.outcome == "denied"]
    assert denied == [
        ("backup", "generated:redis/default"),
        ("ada", "generated:postgres/admin"),
        ("x", "generated:a"),
        ("backup", "generated:postgres/admin"),
    ]
    assert "canary" not in audit.path.read_text()

"""`citadel new environment`: a configuration from a template."""

from __future__ import annotations

import pytest

from hxp_enterprise_llm.configuration.diagnostics import InvalidEnvironmentError
from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.testing.world import World


@pytest.mark.feature("CU-05")
def test_a_configuration_is_generated_from_a_template_and_is_valid(world: World) -> None:
    shown = world.citadel("new", "environment", "lab")
    assert shown == ("wrote  stacks/environments/lab.yaml\n\nNext: citadel config validate lab\n")
    file = world.file.with_name("lab.yaml")
    # World has no base.yaml that it could extend.
    assert "extends" not in file.read_text()
    loaded = load(str(file))
    assert loaded.warnings == ()
    assert loaded.environment.hosts_with("vllm") == ("llm-1",)
    assert "lab is valid: 4 hosts, 1 model" in world.citadel("config", "validate", "lab")
    before = file.read_text()
    error = world.document("new", "environment", "lab", code=3)["error"]
    assert error["message"].endswith("stacks/environments/lab.yaml")
    assert file.read_text() == before


@pytest.mark.feature("CU-05")
def test_a_template_for_hosts_that_exist_leaves_only_what_nobody_else_knows(world: World) -> None:
    world.file.with_name("base.yaml").write_text("schema: 1\n")
    planned = world.document("new", "environment", "site", "--from", "ssh", "--dry-run")
    assert planned["written"] is False
    file = world.file.with_name("site.yaml")
    assert not file.exists()
    world.citadel("new", "environment", "site", "--from", "ssh")
    assert "\nextends: base\n" in file.read_text()
    with pytest.raises(InvalidEnvironmentError) as caught:
        load(str(file))
    missing = {(item.code, item.path[-1]) for item in caught.value.diagnostics}
    assert missing == {("C203", "address"), ("C203", "host_key")}

"""Access by role and by resource: deny by default, and no pattern grants more than it states."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxp_enterprise_llm.configuration.security.access import (
    STANDARD_ROLES,
    Access,
    AccessRules,
    Do,
    configuration_resource,
    full_pattern,
    secret_resource,
)
from hxp_enterprise_llm.configuration.security.errors import AccessRulesError, ForbiddenError
from hxp_enterprise_llm.schemas.access import ANONYMOUS, Permission, Principal, Role

pytestmark = pytest.mark.feature("CC-02")

ADA = Principal(id="ada", roles=("keeper",))
DOCUMENT: dict[str, Any] = {
    "models": {"small": {"engine": {"len": 1}}, "qwen2.5": {"engine": {"len": 2}}},
    "hosts": {"llm-1": {"memory": 8, "roles": ["vllm"]}},
    "notes": {},
}


def access(*resources: str, actions: tuple[str, ...] = (Do.READ,)) -> Access:
    permission = Permission(actions=actions, resources=resources or ("none",))
    role = Role(name="keeper", permissions=(permission,))
    return Access(AccessRules(roles=(role,), principals=(ADA,)))


def may(rules: Access, resource: str, action: str = Do.READ, who: Principal = ADA) -> bool:
    return rules.decide(who, action, resource).allowed


keys = st.text(min_size=1, max_size=8)
paths = st.lists(keys, min_size=1, max_size=4).map(tuple)
names = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)


@given(names, names, paths)
def test_nobody_may_anything_by_default(actor: str, action: str, path: tuple[str, ...]) -> None:
    for rules in (Access(), access("*")):
        stranger = Principal(id=f"x-{actor}", roles=("administrator", "keeper"))
        assert not may(rules, configuration_resource(path), action, stranger)
    assert not may(Access(), configuration_resource(path), action, ANONYMOUS)
    assert not Access().allowed(actor, "read", "generated:postgres/admin")


@given(paths, paths)
def test_a_key_names_one_resource_and_grants_no_other(
    one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    rules = access(configuration_resource(one))
    assert may(rules, configuration_resource(one))
    assert may(rules, configuration_resource(other)) == (one == other)


@given(paths, paths)
def test_a_pattern_of_a_subtree_grants_the_subtree_only(
    root: tuple[str, ...], other: tuple[str, ...]
) -> None:
    rules = access(configuration_resource(root) + ".*")
    below = len(other) > len(root) and other[: len(root)] == root
    assert may(rules, configuration_resource(other)) == below
    assert may(rules, configuration_resource((*root, *other)))


@given(st.from_regex(r"[a-z*.#/@-]{1,12}", fullmatch=True), names)
def test_a_pattern_without_a_kind_never_leaves_the_configuration(pattern: str, path: str) -> None:
    for resource in (f"secrets:generated:{path}", f"audit:{path}", f"sessions:{path}"):
        assert not fnmatchcase(resource, full_pattern(pattern))


def test_patterns_may_leave_out_what_is_usual() -> None:
    assert full_pattern("models.*") == "configuration:models.*"
    assert full_pattern("*") == "configuration:*"
    assert full_pattern("secrets:postgres/*") == "secrets:generated:postgres/*"
    assert full_pattern("secrets:vault:db/*") == "secrets:vault:db/*"
    assert full_pattern("*:*") == "*:*"


def test_models_are_granted_and_hosts_are_not() -> None:
    rules = access("models.*")
    assert may(rules, "configuration:models.small.engine.len")
    assert not may(rules, "configuration:models")
    assert not may(rules, "configuration:hosts.llm-1.memory")
    assert not may(rules, "configuration:models.small.engine.len", Do.APPLY)


def test_a_model_is_not_reached_through_the_name_of_another() -> None:
    rules = access("models.qwen2.*")
    assert may(rules, configuration_resource(("models", "qwen2", "engine")))
    assert configuration_resource(("models", "qwen2.5")) == "configuration:models.qwen2#2e5"
    assert not may(rules, configuration_resource(("models", "qwen2.5", "engine")))


def test_secrets_are_granted_by_path_and_backend() -> None:
    rules = access("secrets:postgres/*", actions=("read", "list"))
    assert rules.allowed("ada", "read", "generated:postgres/admin")
    assert not rules.allowed("ada", "write", "generated:postgres/admin")
    assert not rules.allowed("ada", "read", "vault:postgres/admin")
    assert not rules.allowed("ada", "read", "generated:redis/default")
    assert not rules.allowed("", "read", "generated:postgres/admin")
    assert not rules.allowed("ada", "read", "generated:postgres/with space")
    assert secret_resource("postgres/admin") == "secrets:generated:postgres/admin"


def test_a_decision_says_which_rule_decided() -> None:
    decision = access("hosts.*", "models.*").decide(ADA, Do.READ, "configuration:models.small")
    assert decision.allowed
    assert decision.role == "keeper"
    assert decision.permission is not None
    assert decision.permission.resources == ("configuration:hosts.*", "configuration:models.*")
    assert decision.reason == (
        "role keeper allows read on configuration:hosts.* configuration:models.*"
    )
    refused = access("models.*").decide(ADA, Do.APPLY, "configuration:models.small")
    assert (refused.role, refused.permission) == (None, None)
    assert refused.reason == "keeper: no permission covers it"


def test_a_required_decision_is_given_or_refused_with_its_reason() -> None:
    rules = access("models.*")
    assert rules.require(ADA, Do.READ, "configuration:models.small").allowed
    with pytest.raises(ForbiddenError, match=r"ada may not apply configuration:models\.small"):
        rules.require(ADA, Do.APPLY, "configuration:models.small")


@pytest.mark.parametrize(("action", "resource"), [("*", "configuration:a"), ("read", "a b")])
def test_what_no_permission_can_name_is_refused(action: str, resource: str) -> None:
    with pytest.raises(ForbiddenError, match="no permission can name"):
        access("*").decide(ADA, action, resource)


def test_roles_inherit_and_the_decision_names_where_the_permission_stands() -> None:
    reader = Role(name="reader", permissions=(Permission(actions=("read",), resources=("*",)),))
    lead = Role(name="lead", inherits=("reader",))
    rules = Access(
        AccessRules(roles=(lead, reader), principals=(Principal(id="eva", roles=("lead",)),))
    )
    eva = rules.principal("eva")
    assert rules.decide(eva, Do.READ, "configuration:hosts").role == "reader"
    assert not may(rules, "configuration:hosts", Do.APPLY, eva)


def test_roles_that_somebody_claims_do_not_count() -> None:
    claimed = Principal(id="ada", roles=("administrator",))
    rules = Access(AccessRules(principals=(Principal(id="ada", roles=("reader",)),)))
    assert may(rules, "configuration:hosts", Do.READ, claimed)
    assert not may(rules, "configuration:hosts", Do.APPLY, claimed)


@pytest.mark.parametrize(
    ("role", "may_do", "may_not"),
    [
        ("reader", "read configuration:hosts", "apply configuration:hosts"),
        ("operator", "apply configuration:hosts", "read secrets:generated:a"),
        ("approver", "approve configuration:hosts", "apply configuration:hosts"),
        ("auditor", "read audit:log", "read configuration:hosts"),
        ("administrator", "write secrets:vault:a", ""),
    ],
)
def test_the_standard_roles(role: str, may_do: str, may_not: str) -> None:
    rules = Access(AccessRules(principals=(Principal(id="ada", roles=(role,)),)))
    action, resource = may_do.split(" ")
    assert may(rules, resource, action)
    if may_not:
        action, resource = may_not.split(" ")
        assert not may(rules, resource, action)


def test_only_the_readable_part_of_a_document_is_shown() -> None:
    assert access("*").visible(ADA, DOCUMENT) == DOCUMENT
    assert access("models.small.*").visible(ADA, DOCUMENT) == {
        "models": {"small": {"engine": {"len": 1}}}
    }
    assert access("hosts.llm-1.memory").visible(ADA, DOCUMENT) == {
        "hosts": {"llm-1": {"memory": 8}}
    }
    assert Access().visible(ADA, DOCUMENT) == {}
    assert access("*").visible(ADA, {"k" * 600: 1}) == {}


def test_rules_that_contradict_each_other_are_refused() -> None:
    one, two = Role(name="a", inherits=("b",)), Role(name="b", inherits=("a",))
    with pytest.raises(AccessRulesError, match="circle: a → b → a"):
        Access(AccessRules(roles=(one, two)))
    with pytest.raises(AccessRulesError, match="role a has role b, which does not exist"):
        Access(AccessRules(roles=(one,)))
    with pytest.raises(AccessRulesError, match="principal ada has role keeper"):
        Access(AccessRules(principals=(ADA,)))
    with pytest.raises(AccessRulesError, match="role reader stands twice"):
        Access(AccessRules(roles=(STANDARD_ROLES[0], STANDARD_ROLES[0])))

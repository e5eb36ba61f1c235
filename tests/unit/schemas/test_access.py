"""Access models refuse what makes no sense, and a permission covers what it says and no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hxp_enterprise_llm.schemas.access import (
    ANONYMOUS,
    AccessDecision,
    AccessRequest,
    Authentication,
    AuthenticationMethod,
    Permission,
    Principal,
    PrincipalKind,
    Role,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ADA = Principal(id="ada@example.org", roles=("operator",))
HOSTS = Permission(actions=("read", "apply"), resources=("configuration/production/hosts.*",))


@pytest.mark.feature("SC-06")
def test_an_authentication_says_who_how_and_until_when() -> None:
    shown = Authentication(
        principal=ADA,
        method=AuthenticationMethod.PASSWORD,
        at=NOW,
        expires=NOW + timedelta(minutes=5),
    )
    assert shown.holds(NOW)
    assert not shown.holds(NOW + timedelta(minutes=5))
    assert not shown.holds(NOW - timedelta(seconds=1))
    assert Authentication(principal=ADA, method=AuthenticationMethod.KEY, at=NOW).holds(
        NOW + timedelta(days=1000)
    )


@pytest.mark.feature("SC-06")
@pytest.mark.parametrize(
    "change",
    [
        {"expires": NOW},
        {"at": datetime(2026, 11, 21)},  # noqa: DTZ001 # a time without its zone is the fault
        {"method": "none"},
        {"principal": ANONYMOUS},
        {"method": "guess"},
        {"password": "hunter2"},
    ],
)
def test_an_authentication_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    valid = {"principal": ADA, "method": "password", "at": NOW, "expires": NOW + timedelta(hours=1)}
    with pytest.raises(ValidationError) as error:
        Authentication.model_validate(valid | change)
    assert "hunter2" not in str(error.value)


@pytest.mark.feature("SC-06")
def test_nobody_known_is_a_principal_of_its_own_kind() -> None:
    assert ANONYMOUS.kind is PrincipalKind.ANONYMOUS
    assert ANONYMOUS.roles == ()
    assert Authentication(principal=ANONYMOUS, method=AuthenticationMethod.NONE, at=NOW).holds(NOW)


@pytest.mark.feature("SC-06")
@pytest.mark.parametrize(
    ("action", "resource", "covered"),
    [
        ("read", "configuration/production/hosts.llm-1", True),
        ("apply", "configuration/production/hosts.llm-1.memory", True),
        ("rollback", "configuration/production/hosts.llm-1", False),
        ("read", "configuration/production/models.small", False),
        ("read", "configuration/staging/hosts.llm-1", False),
        ("read", "other/configuration/production/hosts.llm-1", False),
        ("READ", "configuration/production/hosts.llm-1", False),
    ],
)
def test_a_permission_covers_what_it_names(action: str, resource: str, covered: bool) -> None:
    assert HOSTS.covers(action, resource) is covered


@pytest.mark.feature("SC-06")
def test_a_star_covers_every_action_and_every_resource() -> None:
    everything = Permission(actions=("*",), resources=("*",))
    assert everything.covers("rollback", "configuration/production/hosts.llm-1")


@pytest.mark.feature("SC-06")
@given(st.text(alphabet="abc/*?[]!.", min_size=1, max_size=20))
def test_only_a_star_is_special_in_a_pattern(text: str) -> None:
    try:
        permission = Permission(actions=("read",), resources=(text,))
    except ValidationError:
        assert set(text) & set("?[]!")
        return
    if "*" not in text:
        assert permission.covers("read", text)
        assert not permission.covers("read", text + "a")
    else:
        assert permission.covers("read", text.replace("*", "any/thing"))


@pytest.mark.feature("SC-06")
@pytest.mark.parametrize(
    ("model", "data"),
    [
        (Permission, {"actions": (), "resources": ("*",)}),
        (Permission, {"actions": ("read",), "resources": ()}),
        (Permission, {"actions": ("Read it",), "resources": ("*",)}),
        (Principal, {"id": "a\nb"}),
        (Principal, {"id": ""}),
        (Role, {"name": "operator", "inherits": ("no such/name",)}),
        (AccessRequest, {"principal": ADA, "action": "*", "resource": "x"}),
        (AccessRequest, {"principal": ADA, "action": "read", "resource": "configuration/*"}),
        (AccessRequest, {"principal": ADA, "action": "read", "resource": "a b"}),
    ],
)
def test_names_patterns_and_requests_have_a_form(model: Any, data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(data)


@pytest.mark.feature("SC-06")
def test_a_decision_is_a_refusal_unless_it_names_what_allows_it() -> None:
    asked = AccessRequest(
        principal=ADA, action="apply", resource="configuration/production/hosts.a"
    )
    refused = AccessDecision(request=asked, reason="no role allows it")
    allowed = AccessDecision(request=asked, allowed=True, role="operator", permission=HOSTS)
    assert refused.allowed is False
    assert AccessDecision.model_validate_json(allowed.model_dump_json()) == allowed
    for wrong in (
        {"allowed": True},
        {"allowed": True, "role": "operator"},
        {"role": "operator"},
        {
            "allowed": True,
            "role": "operator",
            "permission": Permission(actions=("read",), resources=("*",)),
        },
    ):
        with pytest.raises(ValidationError):
            AccessDecision.model_validate({"request": asked, **wrong})


@pytest.mark.feature("SC-06")
def test_a_role_has_permissions_and_inherits_others() -> None:
    role = Role(name="operator", permissions=(HOSTS,), inherits=("reader",))
    assert Role.model_validate_json(role.model_dump_json()) == role
    with pytest.raises(ValidationError, match="frozen"):
        role.name = "admin"

"""An approval is of one document on one revision, for a while, and cannot be forged."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxp_enterprise_llm.configuration.secrets.secret import Secret
from hxp_enterprise_llm.configuration.service.approvals import Approvals
from hxp_enterprise_llm.configuration.service.document import Proposal
from hxp_enterprise_llm.configuration.service.errors import ApprovalRefusedError
from hxp_enterprise_llm.configuration.service.kinds import DocumentKey

MAIN = DocumentKey("gateway", "main")
PROPOSAL = Proposal({}, "a" * 64, 3, ())
START = datetime(2026, 11, 21, tzinfo=UTC)


class Clock:
    now = START


def approvals(key: str = "shared by all servers") -> tuple[Approvals, Clock]:
    clock = Clock()
    return Approvals(Secret(key), lasts=60, now=lambda: clock.now), clock


def test_any_server_with_the_key_knows_who_approved() -> None:
    given, other = approvals()[0], approvals()[0]
    approval = given.give("bob", MAIN, PROPOSAL)
    assert (approval.approver, approval.id, approval.number) == ("bob", "a" * 64, 3)
    assert approval.expires == START + timedelta(seconds=60)
    assert other.check(approval.approval, MAIN, PROPOSAL) == "bob"


def test_it_is_over_when_it_says_so() -> None:
    gate, clock = approvals()
    text = gate.give("bob", MAIN, PROPOSAL).approval
    clock.now = START + timedelta(seconds=60)
    with pytest.raises(ApprovalRefusedError, match="is over"):
        gate.check(text, MAIN, PROPOSAL)


@pytest.mark.parametrize(
    ("key", "proposal"),
    [
        (DocumentKey("gateway", "other"), PROPOSAL),
        (MAIN, replace(PROPOSAL, id="b" * 64)),
        (MAIN, replace(PROPOSAL, base=4)),
    ],
)
def test_it_holds_for_nothing_else(key: DocumentKey, proposal: Proposal) -> None:
    gate, _ = approvals()
    text = gate.give("bob", MAIN, PROPOSAL).approval
    with pytest.raises(ApprovalRefusedError, match="another"):
        gate.check(text, key, proposal)


def test_one_of_another_key_is_not_ours() -> None:
    text = approvals("another key")[0].give("bob", MAIN, PROPOSAL).approval
    with pytest.raises(ApprovalRefusedError, match="not one of ours"):
        approvals()[0].check(text, MAIN, PROPOSAL)


@given(st.integers(min_value=0), st.characters(codec="ascii"))
def test_no_letter_of_it_can_be_changed(place: int, letter: str) -> None:
    gate, _ = approvals()
    text = gate.give("bob", MAIN, PROPOSAL).approval
    at = place % len(text)
    changed = text[:at] + letter + text[at + 1 :]
    # The last letter of base64 has bits that mean nothing.
    if changed == text or at in (text.index(".") - 1, text.rindex(".") - 1, len(text) - 1):
        return
    with pytest.raises(ApprovalRefusedError, match="not one of ours"):
        gate.check(changed, MAIN, PROPOSAL)


@pytest.mark.feature("A43", "PK-05")
def test_it_is_a_json_web_token_that_any_reader_of_them_takes() -> None:
    gate, _ = approvals()
    approval = gate.give("bob", MAIN, PROPOSAL)
    header, claims, _ = (
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        for part in approval.approval.split(".")
    )
    assert json.loads(header) == {"alg": "HS256", "typ": "approval+jwt"}
    assert json.loads(claims) == {
        "sub": "bob",
        "aud": "gateway/main",
        "document": "a" * 64,
        "base": 3,
        "exp": approval.expires.timestamp(),
    }


def token(header: dict[str, str], key: bytes) -> str:
    """Return a token of the right content, signed as a header says."""
    claims = {"sub": "eve", "aud": str(MAIN), "document": "a" * 64, "base": 3, "exp": 2**40}
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in (header, claims)
    ]
    mark = base64.urlsafe_b64encode(hmac.digest(key, b".".join(parts), "sha256")).rstrip(b"=")
    return b".".join([*parts, mark if key else b""]).decode()


def test_a_token_without_a_signature_or_of_another_type_is_not_ours() -> None:
    key = hmac.digest(b"shared by all servers", b"citadel configuration approval", "sha256")
    ours = {"alg": "HS256", "typ": "approval+jwt"}
    assert approvals()[0].check(token(ours, key), MAIN, PROPOSAL) == "eve"
    for text in (
        token({**ours, "alg": "none"}, b""),
        token({**ours, "alg": "none"}, key),
        token(ours, b""),
        # Signed by us for another purpose.
        token({**ours, "typ": "JWT"}, key),
        "",
        "...",
        "ä.ö.ü",
    ):
        with pytest.raises(ApprovalRefusedError, match="not one of ours"):
            approvals()[0].check(text, MAIN, PROPOSAL)

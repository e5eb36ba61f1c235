"""Secrets on their way and in their use: not in clear, and not one for two purposes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hxp_enterprise_llm.configuration.diagnostics import KeyPath, dotted
from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule
from hxp_enterprise_llm.configuration.rules.secrets import references
from hxp_enterprise_llm.schemas.reference import scheme

_LOOPBACK = re.compile(r"http://(localhost|127\.\d+\.\d+\.\d+)([:/]|$)")
_WITH_PASSWORD = re.compile(r"https?://[^/@]*@")
_WITH_SECRET = re.compile(
    r"[a-z]+://[^/?#@]*:[^@]*@|[?&][^=&]*(password|secret|token|key)=", re.IGNORECASE
)
_WEBHOOK = ("infrastructure_services", "monitoring", "alert_webhook_url")


@rule(
    "C342",
    "A token is not sent in clear.",
    "`alert_webhook_token` goes with every alert. Over http:// whoever sees the network has it.",
    waivable=True,
)
def token_in_clear(subject: Subject) -> Iterator[Finding]:
    """Find a webhook without TLS that gets a token."""
    monitoring = subject.environment.infrastructure_services.monitoring
    url = monitoring.alert_webhook_url or ""
    is_clear = url.startswith("http://") and not _LOOPBACK.match(url)
    if monitoring.alert_webhook_token and is_clear:
        yield Finding(_WEBHOOK, "its token would be sent in clear.", "Write an https:// URL.")


@rule(
    "C343",
    "No password stands in a URL.",
    "URLs are shown, logged and stored with revisions; a password in one is in all of them.",
)
def password_in_url(subject: Subject) -> Iterator[Finding]:
    """Find a webhook with an account in its URL, and state with a password in it."""
    url = subject.environment.infrastructure_services.monitoring.alert_webhook_url or ""
    if _WITH_PASSWORD.match(url):
        yield Finding(
            _WEBHOOK,
            "the URL has an account in it.",
            "Take it out, and write a reference under alert_webhook_token.",
        )
    state = subject.environment.state
    for key in ("backend", "secrets_provider"):
        if _WITH_SECRET.search(getattr(state, key) or ""):
            yield Finding(
                ("state", key),
                "the URL has a secret in it.",
                "Take it out; Pulumi reads it from the variables of its vendor, such as "
                "PGPASSWORD or AWS_PROFILE.",
            )


@rule(
    "C344",
    "A secret serves one purpose.",
    "Who gets the one service's secret would have the other's too, and neither could be rotated "
    "alone.",
    severity="warning",
    waivable=True,
)
def one_secret_twice(subject: Subject) -> Iterator[Finding]:
    """Find references that stand at two keys."""
    first: dict[str, str] = {}
    for path, reference in references(subject.environment):
        if reference in first:
            yield Finding(
                path,
                f"{first[reference]} has the same secret.",
                "Write a reference of its own, such as generated:NAME.",
            )
        first.setdefault(reference, dotted(path))


_ROLE_OF: dict[KeyPath, str] = {
    ("infrastructure_services", "api_gateway"): "gateway",
    ("infrastructure_services", "configuration"): "configuration",
    ("integration_services", "database"): "postgres",
    ("integration_services", "cache"): "redis",
}


@rule(
    "C345",
    "An environment whose state is shared has secrets that are shared.",
    "A backend elsewhere is for several people or CI. `generated:` values and the passphrase of "
    "Pulumi lie in one checkout: the next person's `up` would make new ones and put them on the "
    "hosts. Write `vault:`, `aws:`, `kubernetes:`, `env:` or `file:` references, and a key of a "
    "vendor as `secrets_provider`. Waive it where one checkout brings the environment up.",
    severity="warning",
    waivable=True,
)
def secrets_of_one_checkout(subject: Subject) -> Iterator[Finding]:
    """Find secrets of a shared environment that only one checkout has."""
    state = subject.environment.state
    if state.backend is None or state.backend.startswith("file://"):
        return
    if state.secrets_provider == "passphrase":
        yield Finding(
            ("state", "secrets_provider"),
            "the passphrase is made in each checkout, and the state is shared.",
            "Write a key that all have, such as awskms://alias/citadel.",
        )
    for path, reference in references(subject.environment):
        role = next((role for top, role in _ROLE_OF.items() if path[: len(top)] == top), None)
        used = role is None or subject.environment.hosts_with(role)
        if scheme(reference) == "generated" and used:
            yield Finding(
                path,
                "the value is made in each checkout, and the state is shared.",
                "Write a reference that all can read, such as vault:MOUNT/PATH#KEY.",
            )

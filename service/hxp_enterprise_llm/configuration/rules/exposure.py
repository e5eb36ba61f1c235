"""Secrets on their way and in their use: not in clear, and not one for two purposes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hxp_enterprise_llm.configuration.diagnostics import dotted
from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule
from hxp_enterprise_llm.configuration.rules.secrets import references

_LOOPBACK = re.compile(r"http://(localhost|127\.\d+\.\d+\.\d+)([:/]|$)")
_WITH_PASSWORD = re.compile(r"https?://[^/@]*@")
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
    """Find a webhook with an account in its URL."""
    url = subject.environment.infrastructure_services.monitoring.alert_webhook_url or ""
    if _WITH_PASSWORD.match(url):
        yield Finding(
            _WEBHOOK,
            "the URL has an account in it.",
            "Take it out, and write a reference under alert_webhook_token.",
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

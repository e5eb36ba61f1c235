"""Transport security of listeners, until the environment has a CA."""

from __future__ import annotations

from collections.abc import Iterator

from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule
from hxp_enterprise_llm.schemas.listeners import Listeners


@rule(
    "C310",
    "No listener serves TLS before the environment has a CA.",
    "The fields are there from the start; certificates come with the CA. Until then a switched-on "
    "field would be a promise that nobody keeps.",
)
def tls_without_ca(subject: Subject) -> Iterator[Finding]:
    """Find listeners with `tls.enabled`."""
    for name in Listeners.model_fields:
        if getattr(subject.environment.listeners, name).tls.enabled:
            yield Finding(
                ("listeners", name, "tls", "enabled"),
                "TLS is not available yet: the environment has no CA.",
                "Write `enabled: false`, or remove the key.",
            )

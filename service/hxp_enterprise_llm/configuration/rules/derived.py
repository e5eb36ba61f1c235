"""Facts that stand under two keys: one counts, the other must agree."""

from __future__ import annotations

from collections.abc import Iterator

from hxp_enterprise_llm.configuration.derived import derived
from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule


@rule(
    "C321",
    "A derived key says what the key says that it comes from, or is not written.",
    "Some facts have several keys, because older documents name them so. One key counts; "
    "`citadel config explain` names it. Another value under a derived key would have no effect.",
)
def disagrees(subject: Subject) -> Iterator[Finding]:
    """Find derived keys with another value than their source."""
    for item in derived(subject.name, subject.environment):
        written: object = subject.environment
        for part in item.path:
            written = getattr(written, str(part))
        if written is not None and written != item.value:
            says = "says nothing" if item.value is None else f"says {_shown(item.value)}"
            yield Finding(
                item.path,
                f"this key is derived from {item.source}, which {says}.",
                "Remove the key here, and change it there if it is wrong.",
            )


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}".removesuffix(".0")

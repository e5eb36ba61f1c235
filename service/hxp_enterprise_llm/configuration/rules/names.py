"""Names that callers and metrics use."""

from __future__ import annotations

from collections.abc import Iterator

from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule


@rule(
    "C320",
    "Every served name belongs to one model.",
    "A caller names a model by it, and so do metrics. Two models with one name would be mixed up.",
)
def duplicate_names(subject: Subject) -> Iterator[Finding]:
    """Find models whose served name another model has."""
    first: dict[str, str] = {}
    for name, model in subject.served():
        served = model.served_name or name
        if served in first:
            path = ("models", name, "served_name") if model.served_name else ("models", name)
            yield Finding(
                path,
                f"models.{first[served]} has this served name too.",
                "Give each model a served_name of its own.",
            )
        first.setdefault(served, name)

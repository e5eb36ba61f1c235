"""What loading itself finds: the form of files, keys and types."""

from __future__ import annotations

from hxp_enterprise_llm.configuration.diagnostics import Severity
from hxp_enterprise_llm.configuration.rules.registry import Rule, add

_OLDER = "C009"
_ERROR: Severity = "error"
_WARNING: Severity = "warning"

for _identity, _title, _why in (
    (
        "C001",
        "The file is there and is YAML.",
        "Nothing else can be checked before this. Keys are text; `<<` is not known: use `extends`.",
    ),
    (
        "C002",
        "No key stands twice in a map.",
        "YAML readers take one of the two silently; a person sees the other.",
    ),
    (
        "C003",
        "Every key is known.",
        "A mistyped key would leave a default in force without a word.",
    ),
    ("C004", "Every required key is there.", "What has no default must be written."),
    (
        "C005",
        "`extends` names one file, and no circle.",
        "`extends: base` is base.yaml beside the file; a path that ends in .yaml starts there too.",
    ),
    (
        "C006",
        "Every value has the type and the bounds of its key.",
        "Sizes are written as 8GiB, durations as 30s, secrets as references.",
    ),
    (
        "C007",
        "The file's name is a name for hosts.",
        "It is the environment's name, a part of the names of containers, networks and stacks.",
    ),
    (
        "C008",
        "The document is of a version that this citadel knows.",
        "A newer one may say things that this citadel would leave out without a word.",
    ),
    (
        _OLDER,
        "The document is of the newest version.",
        "Older ones are read, and brought up in memory; `citadel config migrate` rewrites files.",
    ),
):
    _severity = _WARNING if _identity == _OLDER else _ERROR
    add(Rule(_identity, _title, _why, _severity, waivable=False, check=None))

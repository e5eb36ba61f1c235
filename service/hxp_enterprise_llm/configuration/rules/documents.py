"""What loading itself finds: the form of files, keys and types."""

from __future__ import annotations

from hxp_enterprise_llm.configuration.rules.registry import Rule, add

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
):
    add(Rule(_identity, _title, _why, "error", waivable=False, check=None))

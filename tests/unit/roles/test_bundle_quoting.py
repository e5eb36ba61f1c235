"""Every value of a bundle's document is quoted: none can add keys to it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hxp_enterprise_llm.orchestration.paths import checkout

FILES = sorted(checkout().glob("roles/*/templates/bundle.yml.j2"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parts[-3])
def test_every_value_is_written_as_json(file: Path) -> None:
    text = file.read_text()
    values = re.findall(r"\{\{ (.*?) \}\}", text)
    literal = re.compile(r'"[^"]*" if \w+')
    assert [
        value
        for value in values
        if not value.endswith(("| tojson", "| to_json")) and not literal.fullmatch(value)
    ] == []

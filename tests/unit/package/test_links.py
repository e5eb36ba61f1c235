"""Links within the documentation lead to files and headings that exist, as GitHub shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hxp_enterprise_llm.orchestration.paths import checkout

ROOT = checkout()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)
_ANCHOR = re.compile(r'<a (?:id|name)="([^"]+)"')
_NAMED = re.compile(r"docs/[a-z-]+/[\w-]+\.\w+")


def anchors(page: str) -> set[str]:
    """Return what `#…` may name on a page: its headings as GitHub writes them, and its anchors."""
    found: set[str] = set(_ANCHOR.findall(page))
    for heading in _HEADING.findall(_FENCE.sub("", page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        number = 0
        while (name := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(name)
    return found


def broken(page: Path, root: Path = ROOT) -> list[str]:
    """Return the links of a page that lead nowhere within a folder."""
    found = []
    for link in _LINK.findall(_FENCE.sub("", page.read_text())):
        file, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        target = (page.parent / file).resolve() if file else page
        there = target.exists() and target.is_relative_to(root)
        if not there or (anchor and anchor not in anchors(target.read_text())):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_a_file_and_a_heading_that_are_not_there_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "[a](none.md) [b](#no) [c](#a-heading--two) [d](https://x)\n# A heading: & two\n"
    )
    assert broken(page, tmp_path) == ["none.md", "#no"]


def test_the_pages_have_links_of_every_kind() -> None:
    links = [link for page in PAGES for link in _LINK.findall(page.read_text())]
    assert len(links) > 100
    assert {"rules.md" in link for link in links} == {True, False}
    assert any(link.startswith("#") for link in links)


def test_every_page_that_the_code_names_exists() -> None:
    texts = [
        path
        for folder in ("service", "stacks", "roles", "playbooks", "templates", "tools")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".j2", ".yml", ".yaml", ".go", "")
        and path.is_file()
        and "__pycache__" not in path.parts
    ]
    named = {
        (name, path) for path in texts for name in _NAMED.findall(path.read_text(errors="replace"))
    }
    assert len({name for name, _ in named}) > 3
    assert [(name, path) for name, path in named if not (ROOT / name).exists()] == []

"""The report as data, as text and as a page."""

from __future__ import annotations

from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hxp_enterprise_llm.configuration.report import Item, Level, Report, Section, html

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
REPORT = Report(
    "demo",
    NOW,
    (
        Section("unused", "Unused keys", (Item(Level.ADVICE, "a.b", "seen.", "Do.", "x.yaml:3"),)),
        Section("drift", "Drift", headings=("key", "demo"), rows=(("a", "1"), ("long", "2"))),
        Section("trends", "Trends", (Item(Level.RISK, "", "no key."),), note="two"),
        Section("practices", "Best practices"),
    ),
)

TEXT = """\
demo, 2026-11-21 12:30 UTC: 1 risk, 1 advice, 0 note

Unused keys
  advice  a.b: seen.  (x.yaml:3)
          Do.

Drift
  key   demo
  a     1
  long  2

Trends
  two
  risk    no key.

Best practices
  nothing"""


class Seen(HTMLParser):
    """What a browser makes of a page: tags and texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.feature("CU-02")
def test_text_has_each_section_with_items_table_note_or_nothing() -> None:
    assert REPORT.text() == TEXT


@pytest.mark.feature("CU-02")
def test_data_has_counts_items_and_tables_by_their_headings() -> None:
    data = REPORT.as_data()
    assert data["environment"] == "demo"
    assert data["made_at"] == "2026-11-21T12:30:00+00:00"
    assert data["counts"] == {"risk": 1, "advice": 1, "note": 0}
    unused, drift, trends, _ = data["sections"]
    assert unused["items"] == [
        {"level": "advice", "path": "a.b", "message": "seen.", "fix": "Do.", "source": "x.yaml:3"}
    ]
    assert drift["table"] == [{"key": "a", "demo": "1"}, {"key": "long", "demo": "2"}]
    assert trends["note"] == "two"


@pytest.mark.feature("CU-02")
def test_the_page_holds_all_of_it_and_loads_nothing() -> None:
    seen = Seen(html(REPORT))
    assert not {"script", "link", "img", "iframe", "form"} & set(seen.tags)
    assert "src" not in seen.attributes
    assert seen.attributes["href"] == ["#unused", "#drift", "#trends", "#practices"]
    assert seen.attributes["id"] == ["unused", "drift", "trends", "practices"]
    assert any("default-src 'none'" in text for text in seen.attributes["content"])
    for text in ("a.b", "seen.", "Do.", "x.yaml:3", "long", "two", "no key.", "nothing"):
        assert text in seen.texts


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_no_text_becomes_markup(text: str) -> None:
    hostile = f'{text}<script>alert(1)</script>"><img src=x onerror=a>'
    section = Section(
        "s", hostile, (Item(Level.RISK, hostile, hostile, hostile, hostile),), (hostile,),
        ((hostile,),), hostile,
    )  # fmt: skip
    harmless = Section("s", "t", (Item(Level.RISK, "t", "t", "t", "t"),), ("t",), (("t",),), "t")
    page, plain = (
        html(Report(name, NOW, (one,))) for name, one in ((hostile, section), ("t", harmless))
    )
    assert Seen(page).tags == Seen(plain).tags
    assert hostile in "".join(Seen(page).texts)


def test_no_text_of_a_file_steers_a_terminal() -> None:
    evil = "a\x1b[2J\rb"
    item = Item(Level.RISK, evil, evil, evil, evil)
    section = Section("x", evil, (item,), ("key", "value"), ((evil, "1"), ("k", "2")), evil)
    text = Report(evil, NOW, (section,)).text()
    assert all(line.isprintable() for line in text.split("\n"))
    lines = text.splitlines()
    assert lines[-2].index(" 1") == lines[-1].index(" 2")
    assert "a\\x1b[2J\\rb" in lines[0]

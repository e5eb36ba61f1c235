"""A report as one HTML page that needs nothing else: no script, no address, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from hxp_enterprise_llm.configuration.report.form import Item, Report, Section

_STYLE = """\
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; \
color: #1b1b1f; background: #fff; }
h2 { margin-top: 2.2rem; border-bottom: 1px solid #d8d8de; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; \
border-bottom: 1px solid #ececf0; overflow-wrap: anywhere; }
code { font-size: .92em; }
.level { font-weight: 600; white-space: nowrap; }
.risk { color: #b3261e; } .advice { color: #8a5a00; } .note { color: #5c5c66; }
.quiet { color: #5c5c66; }
@media (prefers-color-scheme: dark) {
  body { color: #e6e6ea; background: #16161a; }
  h2, th, td { border-color: #33333b; }
  .risk { color: #ff8a80; } .advice { color: #f2b84b; } .note, .quiet { color: #a6a6b2; }
}"""
# Should a text get past the escaping, the page still runs and loads nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html(report: Report) -> str:
    """Return the page."""
    title = escape(f"Configuration of {report.environment}")
    links = " · ".join(
        f'<a href="#{escape(section.id)}">{escape(section.title)}</a>'
        for section in report.sections
    )
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            f"<title>{title}</title>",
            f"<style>\n{_STYLE}\n</style>",
            "</head>",
            "<body>",
            f"<h1>{title}</h1>",
            f"<p>{report.made_at:%Y-%m-%d %H:%M} UTC: {escape(report.summary())}</p>",
            f"<nav>{links}</nav>",
            *(_section(section) for section in report.sections),
            "</body>",
            "</html>",
            "",
        )
    )


def _section(section: Section) -> str:
    parts = [f'<section id="{escape(section.id)}">', f"<h2>{escape(section.title)}</h2>"]
    if section.note:
        parts.append(f'<p class="quiet">{escape(section.note)}</p>')
    if section.items:
        parts.append(_table(("", "key", "what was seen", "what to do"), map(_item, section.items)))
    if section.rows:
        rows = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in section.rows)
        parts.append(_table(section.headings, rows))
    if len(parts) == 2:
        parts.append('<p class="quiet">nothing</p>')
    return "\n".join((*parts, "</section>"))


def _item(item: Item) -> str:
    source = f'<br><span class="quiet">{escape(item.source)}</span>' if item.source else ""
    level = escape(item.level.value)
    return (
        f'<td class="level {level}">{level}</td><td><code>{escape(item.path)}</code>{source}</td>'
        f"<td>{escape(item.message)}</td><td>{escape(item.fix)}</td>"
    )


def _table(headings: tuple[str, ...], rows: Iterable[str]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in headings)
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table>\n<tr>{head}</tr>\n{body}\n</table>"

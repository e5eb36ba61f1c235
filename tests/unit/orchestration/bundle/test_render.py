"""What a role declares is rendered whole, or refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from hxp_enterprise_llm.orchestration.bundle.render import RenderError, render
from hxp_enterprise_llm.orchestration.bundle.spec import RenderedBundle

SPEC = """
service: demo
tree:
  - {src: demo.conf.j2, dest: demo.conf, on_change: reload}
  - {src: plain.txt, dest: sub/plain.txt}
files:
{% for name in loose %}
  - {src: demo.conf.j2, dest: /etc/demo/{{ name }}, mode: "0600"}
{% endfor %}
credentials: {password: "{{ secret }}"}
mask: [demo.service]
validate:
  - [check, "{tree}/demo.conf"]
units:
  - {name: citadel-demo.service, health: {tcp: 80}}
"""
DATA = {"port": 80, "loose": ["a"], "secret": "generated:demo"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    templates = tmp_path / "roles/demo/templates"
    templates.mkdir(parents=True)
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/shared.j2").write_text("{% macro line(x) %}line {{ x }}{% endmacro %}")
    (templates / "bundle.yml.j2").write_text(SPEC)
    (templates / "demo.conf.j2").write_text(
        '{% from "shared.j2" import line %}\nport {{ port }}\nhost {{ host }}\n{{ line(role) }}\n'
    )
    (templates / "plain.txt").write_text("{{ as it is }}\n")
    return tmp_path


def rendered(root: Path, **data: object) -> RenderedBundle:
    return render("demo", DATA | data, "one", "test", root=root)


def test_templates_see_the_data_the_host_and_shared_macros(root: Path) -> None:
    bundle = rendered(root)
    by_place = {file.tree or file.path: file for file in bundle.files}
    assert by_place["demo.conf"].content == "port 80\nhost one\nline demo\n"
    assert by_place["/etc/demo/a"].mode == "0600"
    assert by_place["demo.conf"].source == "roles/demo/templates/demo.conf.j2"


def test_a_source_that_is_no_template_is_copied_as_it_is(root: Path) -> None:
    files = {file.tree: file.content for file in rendered(root).files}
    assert files["sub/plain.txt"] == "{{ as it is }}\n"


def test_a_mask_is_a_link_to_nowhere(root: Path) -> None:
    link = rendered(root).links[0]
    assert (link.path, link.target) == ("/etc/systemd/system/demo.service", "/dev/null")


def test_a_section_whose_loop_yields_nothing_is_empty(root: Path) -> None:
    assert not [file for file in rendered(root, loose=[]).files if file.path]


def test_the_digest_follows_the_content(root: Path) -> None:
    assert rendered(root).digest == rendered(root).digest
    assert rendered(root).digest != rendered(root, port=81).digest


def test_an_unknown_name_is_an_error_with_file_and_line(root: Path) -> None:
    (root / "roles/demo/templates/demo.conf.j2").write_text("a\nb {{ nowhere }}\n")
    with pytest.raises(RenderError, match=r"demo\.conf\.j2:2: 'nowhere' is undefined"):
        rendered(root)


def test_an_error_in_a_shared_macro_names_the_shared_file(root: Path) -> None:
    (root / "templates/shared.j2").write_text("{% macro line(x) %}\n{{ x.no.such }}{% endmacro %}")
    with pytest.raises(RenderError, match=r"templates/shared\.j2:2"):
        rendered(root)


def test_broken_syntax_is_an_error_with_file_and_line(root: Path) -> None:
    (root / "roles/demo/templates/demo.conf.j2").write_text("a\n{% if %}\n")
    with pytest.raises(RenderError, match=r"demo\.conf\.j2:2"):
        rendered(root)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("src: plain.txt", "src: missing.txt", "missing.txt"),
        ("src: demo.conf.j2, dest: demo", "src: no.j2, dest: demo", "no.j2"),
        ("on_change: reload", "on_change: relaod", "tree.0.on_change"),
        ("dest: sub/plain.txt", "dest: ../plain.txt", "leaves the tree"),
        ("dest: sub/plain.txt", "dest: demo.conf", "declared twice: demo.conf"),
        ('"0600"', "600", "mode"),
        ("units:", "unit:", "unit"),
        ("health: {tcp: 80}", "health: {tcp: 80, url: x}", "exactly one of url, tcp and command"),
        ('"{{ secret }}"', "hunter2", "never the secret itself"),
        ("service: demo", "service: [", "bundle.yml.j2"),
    ],
)
def test_a_wrong_declaration_is_refused_by_name(root: Path, old: str, new: str, text: str) -> None:
    spec = root / "roles/demo/templates/bundle.yml.j2"
    assert old in SPEC
    spec.write_text(SPEC.replace(old, new))
    with pytest.raises(RenderError) as caught:
        rendered(root)
    assert text in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "no host was touched" in caught.value.next_step


def test_a_bundle_holds_references_and_no_values(root: Path) -> None:
    assert rendered(root).credentials == {"password": "generated:demo"}

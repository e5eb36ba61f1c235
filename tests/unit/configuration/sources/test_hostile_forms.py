"""No file makes a reader raise: every fault of form is a finding with its place."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.diagnostics import InvalidEnvironmentError
from hxp_enterprise_llm.configuration.document import read_document
from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.configuration.sources.files import MOST_FILES, chain
from hxp_enterprise_llm.configuration.sources.yaml_form import parse_value

Write = Callable[[str, str], Path]
LONG = "1" * 5_000


@pytest.mark.parametrize(
    "value",
    [
        "!!bool foo",
        "!!bool true",
        "!!timestamp foo",
        "!!float ''",
        "!!int ''",
        "!!null x",
        "!!binary aGk=",
        "!!map {b: 1}",
        "!!str {b: 1}",
        "!!seq [1]",
        "!!set {b}",
        "! 5",
        "!secret hunter2",
        "[1, !!bool foo]",
    ],
)
def test_a_written_tag_is_refused_at_its_place(write: Write, value: str) -> None:
    path = write("a.yaml", f"# a word\na: {value}\n")
    with pytest.raises(InvalidEnvironmentError) as caught:
        load(str(path))
    (problem,) = caught.value.diagnostics
    column = f"a: {value}".index("!") + 1
    assert (problem.code, problem.place.line, problem.place.column) == ("C001", 2, column)
    assert "a tag stands here" in problem.message
    assert "secret" not in str(problem)


def test_a_tag_on_the_whole_document_is_refused(write: Write) -> None:
    (problem,) = read_document(write("a.yaml", "!!map\na: 1\n")).problems
    assert (problem.code, problem.place.line) == ("C001", 1)


def test_the_tag_of_a_text_makes_a_text_and_a_mark_inside_one_is_no_tag(write: Write) -> None:
    document = read_document(write("a.yaml", "a: !!str 5\nb: 'x !y'\nc: x!y # !!bool\n"))
    assert (document.data, document.problems) == ({"a": "5", "b": "x !y", "c": "x!y"}, [])


@pytest.mark.parametrize(
    "text", ["!!bool foo", "!!timestamp foo", "!!float ''", "[!!bool foo]", "\udcff", LONG]
)
def test_what_is_no_value_in_variables_and_ini_is_a_text(write: Write, text: str) -> None:
    assert parse_value(text) == text
    if text.isascii():
        document = read_document(write("a.ini", f"a = {text}\n"))
        assert (document.data, document.problems) == ({"a": text}, [])


def test_a_toml_number_of_too_many_digits_is_named_with_its_line(write: Write) -> None:
    write("a.toml", f"schema = 1\nb = {LONG}\n")
    path = write("a.yaml", "extends: a.toml\n")
    with pytest.raises(InvalidEnvironmentError) as caught:
        load(str(path))
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.place.line) == ("C001", 2)
    assert "too many digits" in problem.message


def test_a_toml_text_may_hold_a_line_that_looks_like_a_key(write: Write) -> None:
    document = read_document(write("a.toml", "a = '''\n\"\\q\" = 1\n'''\nb = 2\n"))
    assert (document.data, document.problems) == ({"a": '"\\q" = 1\n', "b": 2}, [])
    assert document.places["b",].line == 4


@pytest.mark.parametrize("name", ["x\\0y", "n" * 5_000, "loop.yaml"], ids=["nul", "long", "loop"])
def test_a_name_that_no_file_can_have_is_refused_where_it_is_extended(
    write: Write, name: str
) -> None:
    path = write("a.yaml", f'schema: 1\nextends: "{name}"\n')
    (path.parent / "loop.yaml").symlink_to("loop.yaml")
    with pytest.raises(InvalidEnvironmentError) as caught:
        load(str(path))
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.place.line, problem.path) == ("C001", 2, ("extends",))


def test_a_chain_of_more_files_than_allowed_is_refused_where_it_goes_on(tmp_path: Path) -> None:
    for number in range(MOST_FILES):
        text = f"extends: f{number + 1}\n" if number < MOST_FILES - 1 else "schema: 1\n"
        (tmp_path / f"f{number}.yaml").write_text(text)
    layer = chain(tmp_path / "f0.yaml")
    assert len(layer.files) == MOST_FILES
    assert [each.problems for each in layer.lower] == [()] * (MOST_FILES - 1)
    last = tmp_path / f"f{MOST_FILES - 1}.yaml"
    last.write_text(f"schema: 1\nextends: f{MOST_FILES}\n")
    (tmp_path / f"f{MOST_FILES}.yaml").write_text("level: 1\n")
    layer = chain(tmp_path / "f0.yaml")
    assert len(layer.files) == MOST_FILES
    (problem,) = layer.lower[0].problems
    assert (problem.code, problem.place.file, problem.place.line) == ("C005", last, 2)
    assert "more than 32 files" in problem.message


def test_whatever_a_parser_trips_over_is_a_finding(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("hunter2")

    monkeypatch.setattr("hxp_enterprise_llm.configuration.document.parser_of", lambda _: broken)
    (problem,) = read_document(write("a.yaml", "a: 1\n")).problems
    assert (problem.code, problem.place.line) == ("C001", 1)
    assert "KeyError" in problem.message
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize("name", ["half.json", "half.json.gz"])
def test_each_beginning_of_a_file_that_has_an_end_is_refused(tmp_path: Path, name: str) -> None:
    whole = b'{"level": 12, "hosts": {"a": {"memory": "1GiB", "roles": ["x", "y"]}}}'
    content = gzip.compress(whole, mtime=0) if name.endswith(".gz") else whole
    path = tmp_path / name
    path.write_bytes(content)
    assert not read_document(path).problems
    for length in range(len(content)):
        path.write_bytes(content[:length])
        assert [item.code for item in read_document(path).problems] == ["C001"], length

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.document import read_document

Write = Callable[[str, str], Path]


def test_every_key_and_list_element_has_its_line_and_column(write: Write) -> None:
    document = read_document(write("a.yaml", "a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n"))
    lines = {path: (place.line, place.column) for path, place in document.places.items()}
    assert lines == {
        ("a",): (1, 1),
        ("a", "b"): (2, 3),
        ("a", "c"): (3, 3),
        ("a", "c", 0): (4, 7),
        ("a", "c", 1): (5, 7),
        ("a", "c", 1, "d"): (5, 8),
    }
    assert document.data == {"a": {"b": 1, "c": ["x", {"d": 2}]}}


def test_a_duplicate_key_is_found_with_both_lines(write: Write) -> None:
    document = read_document(write("a.yaml", "a: 1\nb: 2\na: 3\n"))
    (problem,) = document.problems
    assert (problem.code, problem.place.line) == ("C002", 3)
    assert problem.message == "the key stands twice, first in line 1."


def test_all_duplicate_keys_are_found_at_once(write: Write) -> None:
    document = read_document(write("a.yaml", "a: {x: 1, x: 2}\na: {y: 1, y: 2}\nb: {z: 1, z: 2}\n"))
    assert [problem.path for problem in document.problems] == [("a", "x"), ("a",), ("b", "z")]


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a: 1\nb: [1, 2\n", 3, "this is not YAML"),
        ("a: 1\n\tb: 2\n", 2, "this is not YAML"),
        ("a: !!python/object:os.system x\n", 1, "a tag stands here"),
        ("- a\n- b\n", 1, "the document is not a map"),
        ("1: a\n", 1, "a key is not text"),
        ("a: &x {b: 1}\nc: {<<: *x}\n", 2, "`<<` is not known"),
        ("a: &x [*x]\n", 1, "an alias holds itself"),
        ("a: b\x00c\n", 1, "this is not YAML"),
    ],
)
def test_bad_yaml_is_named_with_its_line(write: Write, text: str, line: int, part: str) -> None:
    (problem,) = read_document(write("a.yaml", text)).problems
    assert problem.code == "C001"
    assert problem.place.line == line
    assert part in problem.message


def test_a_syntax_error_never_quotes_the_line(write: Write) -> None:
    (problem,) = read_document(write("a.yaml", 'password: "hunter2\nb: 1\n')).problems
    assert "hunter2" not in str(problem)


def test_a_missing_file_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    (problem,) = read_document(tmp_path / "none.yaml").problems
    assert problem.message == "No such file or directory."


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a: \xff\xfe\n")
    (problem,) = read_document(path).problems
    assert problem.message == "the file is not UTF-8 text."


def test_an_alias_bomb_is_refused(write: Write) -> None:
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for previous, name in zip("abcdefg", "bcdefgh", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{previous}'] * 10)}]")
    (problem,) = read_document(write("a.yaml", "\n".join(lines))).problems
    assert "too big" in problem.message


def test_an_empty_file_is_an_empty_document(write: Write) -> None:
    document = read_document(write("a.yaml", "# nothing yet\n"))
    assert (document.data, document.problems) == ({}, [])


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.yaml", "a: 1\r\n"), ("a.json", '{"a": 1}'), ("a.toml", "a = 1\r\n"), ("a.ini", "a = 1")],
)
def test_a_byte_order_mark_before_the_text_is_no_part_of_it(
    name: str, text: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    document = read_document(file)
    assert (document.data, document.problems) == ({"a": 1}, [])
    assert document.places["a",].line == 1

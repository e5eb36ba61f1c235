"""JSON, TOML and INI have the same meaning as YAML, and the same kind of errors."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hxp_enterprise_llm.configuration.document import Document, Limits, read_document

Write = Callable[[str, str], Path]

YAML = """\
schema: 1
level: 3
store:
  port: 6000
hosts:
  llm-1:
    memory: 8GiB
    roles: [vllm, gateway]
"""
JSON = """\
{
\t"schema": 1,
  "level": 3,
  "store": {"port": 6000},
  "hosts": {
    "llm-1": {
      "memory": "8GiB",
      "roles": ["vllm",
                "gateway"]
    }
  }
}
"""
TOML = """\
schema = 1
level = 3
store.port = 6000

[hosts.llm-1]
memory = "8GiB"
roles = [
  "vllm", "gateway",
]
"""
INI = """\
schema = 1
level: 3
# a comment
[store]
port = 6000

[hosts.llm-1]
memory = 8GiB
roles = [vllm,
    gateway]
"""


def lines(document: Document) -> dict[str, int]:
    return {".".join(map(str, path)): place.line for path, place in document.places.items()}


@pytest.mark.feature("CL-02")
@pytest.mark.parametrize(
    ("name", "text"),
    [("a.yaml", YAML), ("a.yml", YAML), ("a.json", JSON), ("a.toml", TOML), ("a.ini", INI)],
)
def test_each_form_says_the_same(write: Write, name: str, text: str) -> None:
    document = read_document(write(name, text))
    assert document.problems == []
    assert document.data == {
        "schema": 1,
        "level": 3,
        "store": {"port": 6000},
        "hosts": {"llm-1": {"memory": "8GiB", "roles": ["vllm", "gateway"]}},
    }


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.json", JSON, {"level": 3, "store.port": 4, "hosts.llm-1.roles.1": 9}),
        ("a.toml", TOML, {"level": 2, "store.port": 3, "hosts": 5, "hosts.llm-1.roles.1": 7}),
        ("a.ini", INI, {"level": 2, "store.port": 5, "hosts.llm-1": 7, "hosts.llm-1.roles": 9}),
    ],
)
def test_each_key_has_its_line(
    write: Write, name: str, text: str, expected: dict[str, int]
) -> None:
    found = lines(read_document(write(name, text)))
    assert {key: found[key] for key in expected} == expected


def test_json_has_columns_too(write: Write) -> None:
    document = read_document(write("a.json", '{"a": 1,\n  "b": {"c": [1, 2]}}'))
    columns = {path: (place.line, place.column) for path, place in document.places.items()}
    assert columns[("a",)] == (1, 2)
    assert columns[("b", "c")] == (2, 9)
    assert columns[("b", "c", 1)] == (2, 18)


@pytest.mark.parametrize(
    ("name", "text", "line", "part"),
    [
        ("a.json", '{"a": 1\n "b": 2}', 2, "a comma or `}` is missing"),
        ("a.json", '{"a": [1 2]}', 1, "a comma or `]` is missing"),
        ("a.json", "{a: 1}", 1, "a key in double quotes is missing"),
        ("a.json", '{"a" 1}', 1, "a colon is missing"),
        ("a.json", '{"a": NaN}', 1, "a number that JSON does not have"),
        ("a.json", '{"a": 1} x', 1, "more stands behind the end"),
        ("a.json", '{"a": tru}', 1, "this is not JSON"),
        ("a.json", "[1]", 1, "the document is not a map"),
        ("a.toml", "a = 1\nb = \n", 2, "this is not TOML: invalid value"),
        ("a.toml", "a = 1\na = 2\n", 2, "cannot overwrite a value"),
        ("a.toml", 'a = "open', 1, "this is not TOML"),
        ("a.ini", "a = 1\njust words\n", 2, "neither `[section]` nor `key = value`"),
        ("a.yaml", "", 1, "the file is empty"),
    ],
)
def test_a_fault_of_form_has_its_line(
    write: Write, name: str, text: str, line: int, part: str
) -> None:
    (problem,) = read_document(write(name, text)).problems
    assert (problem.code, problem.place.line) == ("C001", line)
    assert part in problem.message


@pytest.mark.parametrize("name", ["a.json", "a.toml", "a.ini", "a.yaml"])
def test_no_fault_of_form_quotes_a_value(write: Write, name: str) -> None:
    for text in ('password = "hunter2', '{"password": "hunter2', 'password: "hunter2\n x'):
        document = read_document(write(name, text))
        assert "hunter2" not in "".join(map(str, document.problems))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"a": 1,\n"b": 2,\n"a": 3}'),
        ("a.ini", "a = 1\nb = 2\na = 3\n"),
    ],
)
def test_a_key_that_stands_twice_is_named_with_both_lines(
    write: Write, name: str, text: str
) -> None:
    (problem,) = read_document(write(name, text)).problems
    assert (problem.code, problem.place.line) == ("C002", 3)
    assert problem.message == "the key stands twice, first in line 1."


@pytest.mark.parametrize(
    "text",
    [
        "a = 1\n[a]\nb = 2\n",
        "[a]\nb = 2\n[]\n",
        "[a.b]\nc = 1\n",
        "[x.y]\nc = 1\n[x]\ny = 2\n",
    ],
)
def test_ini_tells_a_value_from_a_section(write: Write, text: str) -> None:
    document = read_document(write("a.ini", text))
    wrong = [problem.code for problem in document.problems]
    expected = {"a = 1": ["C002"], "[a]\nb": ["C001"], "[a.b]": [], "[x.y]": ["C002"]}
    assert wrong == expected[text[:5]]


def test_ini_quotes_keep_a_dot_inside_a_key(write: Write) -> None:
    document = read_document(write("a.ini", '[models."qwen2.5"]\nweights = 1GiB\n'))
    assert document.data == {"models": {"qwen2.5": {"weights": "1GiB"}}}


def test_toml_lists_of_tables_have_lines(write: Write) -> None:
    text = '[[w]]\nrule = "C1"\n[[w]]\nrule = "C2"\n[w.more]\nx = 1\n["a.b".\'c d\']\ny = 2\n'
    found = lines(read_document(write("a.toml", text)))
    assert (found["w.0.rule"], found["w.1.rule"], found["w.1.more.x"]) == (2, 4, 6)
    assert found["a.b.c d.y"] == 8


@pytest.mark.feature("CL-05")
@pytest.mark.parametrize("name", ["a.yaml.gz", "a.json.gz", "a.toml.gz", "a.ini.gz"])
def test_a_file_may_be_compressed(tmp_path: Path, name: str) -> None:
    text = {"yaml": YAML, "json": JSON, "toml": TOML, "ini": INI}[name.split(".")[1]]
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()))
    document = read_document(path)
    assert document.problems == []
    assert document.data["hosts"]["llm-1"]["memory"] == "8GiB"


def test_half_a_compressed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml.gz"
    path.write_bytes(gzip.compress(YAML.encode() * 50)[:-20])
    (problem,) = read_document(path).problems
    assert problem.message == "the file is not complete gzip data."


@pytest.mark.feature("CL-07")
def test_a_file_that_is_too_big_is_refused_and_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with path.open("wb") as file:
        file.truncate(2**40)
    (problem,) = read_document(path).problems
    assert problem.message == "the file has more than 1048576 bytes."


@pytest.mark.feature("CL-07")
def test_a_compressed_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml.gz"
    path.write_bytes(gzip.compress(b"a" * 2**25))
    (problem,) = read_document(path).problems
    assert problem.message == "the file has more than 1048576 bytes."


@pytest.mark.feature("CL-07")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "a: [" + ", ".join("1" * 200) + "]"),
        ("a.json", '{"a": [' + ", ".join("1" * 200) + "]}"),
        ("a.toml", "a = [" + ", ".join("1" * 200) + "]"),
        ("a.ini", "\n".join(f"k{n} = 1" for n in range(200))),
    ],
)
def test_too_many_nodes_are_refused(write: Write, name: str, text: str) -> None:
    document = read_document(write(name, text), Limits(nodes=100))
    assert "too big" in document.problems[0].message
    assert document.data == {}


@pytest.mark.feature("CL-07")
@pytest.mark.parametrize("depth", [65, 1_500, 100_000])
@pytest.mark.parametrize(
    ("name", "head", "opening", "closing"),
    [
        ("a.yaml", "a: ", "[", "]"),
        ("a.yaml", "a: ", "{a: ", "}"),
        ("a.yaml", "a:\n ", "- ", "1"),
        ("a.json", '{"a": ', "[", "]"),
        ("a.toml", "a = ", "[", "]"),
    ],
)
def test_deep_nesting_is_refused_and_takes_no_process_down(
    write: Write, name: str, depth: int, head: str, opening: str, closing: str
) -> None:
    text = head + opening * depth + closing * depth + ("}" if name == "a.json" else "\n")
    document = read_document(write(name, text))
    assert document.data == {}
    assert "deep" in document.problems[0].message


@pytest.mark.feature("CL-07")
def test_sixty_levels_are_read(write: Write) -> None:
    assert read_document(write("a.yaml", "a: " + "[" * 60 + "]" * 60)).problems == []


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    (problem,) = read_document(tmp_path / "a.yaml").problems
    assert problem.message == "this is a pipe."


def test_a_document_knows_its_revision_and_who_owns_it(write: Write) -> None:
    document = read_document(write("a.yaml", "a: 1\n"))
    place = document.places[("a",)]
    assert place.revision == hashlib.sha256(b"a: 1\n").hexdigest()[:12]
    assert place.actor == Path(document.path).owner()


@pytest.mark.parametrize("text", [" \n", "{}", '{"a": {}, "b": []}'])
def test_json_without_values_is_read(write: Write, text: str) -> None:
    document = read_document(write("a.json", text))
    assert document.problems == []
    assert not any(document.data.values())


def test_an_owner_without_a_name_is_a_number(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    from hxp_enterprise_llm.configuration.document import _account

    def nobody(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", nobody)
    _account.cache_clear()
    document = read_document(write("a.yaml", "a: 1\n"))
    _account.cache_clear()
    assert document.actor == str(document.path.stat().st_uid)

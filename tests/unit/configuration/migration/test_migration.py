"""Documents of every version: read, brought up and down, rewritten with their comments."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.configuration.sample import Sample

from hxp_enterprise_llm.configuration.diagnostics import Diagnostic, InvalidDocumentError
from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.configuration.manager import ConfigurationManager
from hxp_enterprise_llm.configuration.merge import merge
from hxp_enterprise_llm.configuration.migration import (
    CURRENT,
    ConfigurationMigrator,
    MigrationError,
    Step,
    UnknownVersionError,
    version_of,
)
from hxp_enterprise_llm.configuration.migration.files import FileMigrator
from hxp_enterprise_llm.configuration.migration.migrator import leaves
from hxp_enterprise_llm.configuration.migration.rewrite import rewritten, said
from hxp_enterprise_llm.configuration.migration.steps import STEPS
from hxp_enterprise_llm.configuration.migration.versions import SECTIONS
from hxp_enterprise_llm.configuration.phases import Phase, ReloadError
from hxp_enterprise_llm.configuration.sources.memory import MemorySource
from hxp_enterprise_llm.schemas.environment import Environment

CORPUS = Path(__file__).parents[3] / "corpus"
FILES = sorted(CORPUS.glob("*/*.yaml"))
OLD = [path for path in FILES if path.parent.name != str(CURRENT)]
DOCUMENTS = yaml.safe_load((CORPUS / "0" / "documents.yaml").read_text())
# What version 0 has no key for: sizes, and what SSH needs.
ADDED = {
    "provider": {"user": "citadel", "identity_file": "~/.ssh/id_ed25519"},
    "hosts": {
        "edge-1": {"memory": "8GiB", "host_key": "ssh-ed25519 " + "A" * 68},
        "data-1": {"memory": "32GiB", "host_key": "ssh-ed25519 " + "B" * 68},
    },
}


def name(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


@pytest.fixture
def migrator(tmp_path: Path) -> FileMigrator:
    return FileMigrator(tmp_path / "migrations")


def test_the_corpus_has_files_of_every_version() -> None:
    versions = {int(path.parent.name) for path in FILES}
    assert versions == set(range(CURRENT + 1))


@pytest.mark.feature("CS-06", "CM-01")
def test_the_newest_version_is_the_models_and_has_a_step() -> None:
    schema = Environment.model_json_schema()["properties"]["schema"]
    assert schema["const"] == CURRENT == ConfigurationMigrator().current == len(STEPS)


@pytest.mark.feature("CM-01", "CM-03")
@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_old_file_is_known_and_brought_to_the_newest_version(
    path: Path, migrator: FileMigrator
) -> None:
    plan = migrator.plan(path)
    assert plan.migrated.before == int(path.parent.name)
    assert plan.migrated.version == CURRENT
    assert plan.migrated.lost == ()
    written = said(plan.new.removeprefix("\ufeff"))
    assert written == plan.migrated.data
    assert version_of(written) == CURRENT


@pytest.mark.feature("CM-01")
@pytest.mark.parametrize("path", OLD, ids=name)
def test_up_and_down_gives_an_old_file_back_to_the_byte(
    path: Path, migrator: FileMigrator, tmp_path: Path
) -> None:
    up = migrator.plan(path)
    newer = tmp_path / "newer.yaml"
    newer.write_bytes(up.new.encode())
    down = migrator.plan(newer, int(path.parent.name))
    assert down.new.encode() == path.read_bytes()
    assert down.migrated.lost == ()


@pytest.mark.parametrize("path", FILES, ids=name)
def test_the_newest_version_of_the_corpus_needs_no_rewriting(
    path: Path, migrator: FileMigrator
) -> None:
    if path in OLD:
        assert migrator.plan(path).changed
    else:
        plan = migrator.plan(path)
        assert (plan.changed, plan.new, plan.diff()) == (False, path.read_text(), "")
        assert load(str(path)).environment.schema_version == CURRENT


def subsets(data: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return documents with any of the keys of another, in any order."""
    keys = st.lists(st.sampled_from(sorted(data)), unique=True, min_size=1)

    def below(chosen: list[str]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries(
            {
                key: subsets(data[key]) if isinstance(data[key], dict) else st.just(data[key])
                for key in chosen
            }
        )

    return keys.flatmap(below)


@pytest.mark.feature("CM-01", "CM-03")
@given(subsets(DOCUMENTS))
def test_up_then_down_is_identity_for_any_part_of_the_documents(data: dict[str, Any]) -> None:
    migrator = ConfigurationMigrator()
    before = deepcopy(data)
    up = migrator.migrate(data)
    assert data == before
    down = migrator.migrate(up.data, 0)
    assert down.data == data
    assert list(leaves(down.data)) == list(leaves(data))
    assert down.lost == ()


@settings(max_examples=25)
@given(subsets(DOCUMENTS), st.sets(st.integers(0, 200)))
def test_comments_and_order_survive_up_and_down_in_any_file(
    data: dict[str, Any], commented: set[int]
) -> None:
    lines = [
        f"{line} # behind {number}" if number in commented else line
        for number, line in enumerate(yaml.safe_dump(data, sort_keys=False).splitlines())
    ]
    text = "\n".join(lines) + "\n"
    up = ConfigurationMigrator().migrate(data)
    newer = rewritten(text, data, up.data)
    assert yaml.safe_load(newer) == up.data
    kept = newer.splitlines()
    assert [line for line in lines if "${" not in line] == [
        line for line in kept[kept.index(lines[0]) :] if "env:" not in line
    ]
    assert rewritten(newer, up.data, data) == text


@pytest.mark.feature("CM-01")
@settings(max_examples=25)
@given(
    subsets(DOCUMENTS), st.lists(st.sampled_from(["\n", "\r\n", "\r"]), min_size=1), st.booleans()
)
def test_line_ends_and_a_byte_order_mark_survive_up_and_down_in_any_file(
    data: dict[str, Any], ends: list[str], marked: bool
) -> None:
    lines = yaml.safe_dump(data, sort_keys=False, indent=3).splitlines()
    mark = "\ufeff" if marked else ""
    text = mark + "".join(f"{line}{ends[n % len(ends)]}" for n, line in enumerate(lines))
    up = ConfigurationMigrator().migrate(data)
    newer = rewritten(text, data, up.data)
    assert said(newer.removeprefix(mark)) == up.data
    assert newer.startswith(mark)
    assert set(re.findall(r"\r\n|\r|\n", newer)) == set(re.findall(r"\r\n|\r|\n", text))
    assert rewritten(newer, up.data, data) == text


@pytest.mark.feature("CM-01")
def test_the_corpus_has_what_editors_and_people_do_to_files() -> None:
    windows = (CORPUS / "0" / "windows.yaml").read_bytes()
    assert windows.startswith(b"\xef\xbb\xbf#")
    assert windows.count(b"\r\n") == windows.count(b"\n") > 5
    others = (CORPUS / "0" / "anchors.yaml").read_text()
    assert re.findall(r"[&*]\w+", others) == [
        "&store", "&nobody", "*store", "&patience", "*patience", "&fast", "*fast",
    ]  # fmt: skip
    assert not others.endswith("\n")


@pytest.mark.feature("CM-01")
def test_anchors_aliases_columns_and_wide_indentation_stay(migrator: FileMigrator) -> None:
    plan = migrator.plan(CORPUS / "0" / "anchors.yaml")
    kept = plan.new.splitlines()
    assert [line for line in plan.old.splitlines() if line not in kept] == []


@pytest.mark.parametrize(
    ("text", "new"),
    [
        # A map over several lines is one for the dumper; it stays as it is.
        ("a: {x: 1,\n    y: 2}\nb: 1\n", "a: {x: 1,\n    y: 2}\nb: 2\n"),
        # So do blank lines at the top, and trailing blanks.
        ("\n\na: {x: 1, y: 2}  \nb: 1\n", "\n\na: {x: 1, y: 2}  \nb: 2\n"),
        # Blanks behind the key, the value and the comment of the changed line.
        ("a: {x: 1, y: 2}\nb:    1   # why  \n", "a: {x: 1, y: 2}\nb:    2   # why  \n"),
        ('a: {x: 1, y: 2}\n"b":  1  \n', 'a: {x: 1, y: 2}\n"b": 2  \n'),
        # No line end at the end, before and after.
        ("a: {x: 1, y: 2}\nb: 1", "a: {x: 1, y: 2}\nb: 2"),
    ],
)
def test_only_the_line_that_changes_is_written_anew(text: str, new: str) -> None:
    old = {"a": {"x": 1, "y": 2}, "b": 1}
    assert rewritten(text, old, {**old, "b": 2}) == new


def test_where_two_ways_of_indenting_do_not_go_together_the_text_is_written_anew() -> None:
    old = {"a": {"b": {"c": 1}}}
    new = {"a": {"b": {"c": 1, "d": 2}}}
    text = "a:\r\n    b:\r\n        c: 1 # kept\r\n"
    made = rewritten(text, old, new)
    assert said(made) == new
    assert re.search(r"c: 1 +# kept\r\n", made)
    assert made.count("\n") == made.count("\r\n")


def test_comments_stay_where_keys_are_taken_out_between_them() -> None:
    text = "# Head.\na: 1\nb:\n  - x # of x\n# Of c.\nc: # of c\n  d: 2\n# The end.\n"
    new = rewritten(text, {"a": 1, "b": ["x"], "c": {"d": 2}}, {"a": 1, "c": {"d": 3}})
    assert new == "# Head.\na: 1\n# Of c.\nc: # of c\n  d: 3\n# The end.\n"


def test_a_start_of_a_document_and_nulls_stay() -> None:
    text = "---\na: null\nb:\n- 1\n- 2\n"
    new = rewritten(text, {"a": None, "b": [1, 2]}, {"a": None, "b": [1, 2], "c": None})
    assert new == "---\na: null\nb:\n- 1\n- 2\nc: null\n"


@pytest.mark.feature("CM-01")
def test_the_documents_own_example_gets_hosts_roles_and_references() -> None:
    data = ConfigurationMigrator().migrate(DOCUMENTS).data
    assert list(data)[:3] == ["schema", "provider", "hosts"]
    assert data["hosts"] == {
        "edge-1": {"address": "192.168.10.29", "roles": ["gateway"]},
        "data-1": {"address": "192.168.10.35", "roles": ["postgres", "redis"]},
        "metrics-1": {"address": "192.168.10.37", "roles": ["prometheus"]},
    }
    assert data["integration_services"]["database"]["password"] == "env:DATABASE_PASSWORD"


@pytest.mark.feature("CM-01")
def test_an_old_file_is_valid_once_what_it_had_no_key_for_is_added(
    migrator: FileMigrator, tmp_path: Path
) -> None:
    plan = migrator.plan(CORPUS / "0" / "small.yaml")
    file = tmp_path / "site.yaml"
    file.write_text(yaml.safe_dump(merge(plan.migrated.data, ADDED)))
    environment = load(str(file)).environment
    assert environment.hosts_with("postgres") == ("data-1",)
    assert environment.integration_services.database.password == "env:DB_PASSWORD"
    assert environment.infrastructure_services.api_gateway.rate_limit_rps is None


@pytest.mark.feature("CM-01")
def test_an_old_file_is_read_without_being_rewritten_and_says_what_is_missing() -> None:
    with pytest.raises(InvalidDocumentError) as caught:
        load(str(CORPUS / "0" / "small.yaml"))
    found = {item.code: item for item in caught.value.diagnostics}
    assert found["C009"].severity == "warning"
    assert found["C009"].message == "the document is of version 0, the newest is 1."
    assert found["C009"].fix == "Run: citadel config migrate"
    assert ("hosts", "edge-1", "memory") in [item.path for item in caught.value.diagnostics]
    assert "C008" not in found


@pytest.mark.feature("CM-01")
@pytest.mark.parametrize("version", [2, 99, -1])
def test_an_unknown_version_is_refused_and_names_the_versions_that_are_known(
    version: int, tmp_path: Path
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(f"schema: {version}\nprovider: {{kind: local}}\nmodles: {{}}\n")
    with pytest.raises(InvalidDocumentError) as caught:
        load(str(file))
    found: dict[str, Diagnostic] = {item.code: item for item in caught.value.diagnostics}
    unknown = found["C008"]
    assert (unknown.place.line, unknown.path) == (1, ("schema",))
    assert unknown.message == (
        f"the document is of version {version}; this citadel knows versions 0 to 1."
    )
    assert unknown.fix == "Write schema: 1, or use the citadel that wrote it."
    # The other mistakes are named at the same time.
    assert "C003" in found
    with pytest.raises(UnknownVersionError, match=r"site\.yaml is of version"):
        FileMigrator(tmp_path).plan(file)


def test_a_version_that_is_asked_for_must_be_known() -> None:
    with pytest.raises(UnknownVersionError, match="what is asked for is of version 7"):
        ConfigurationMigrator().migrate(DOCUMENTS, 7)
    with pytest.raises(UnknownVersionError, match="the document says no version"):
        ConfigurationMigrator().migrate({"hosts": {}})


@pytest.mark.parametrize("said", ["1", 1.0, True, None])
def test_a_version_of_another_type_is_left_to_the_model(said: object) -> None:
    assert version_of({"schema": said, "hosts": {}}) is None


def test_a_version_0_that_says_so_is_read_too() -> None:
    data = {"schema": 0, "performance_targets": {"storage": {"cache_hit_rate": 0.9}}}
    assert ConfigurationMigrator().migrate(data).data["schema"] == 1


@pytest.mark.feature("CM-01", "CM-03")
def test_a_password_in_clear_is_never_copied_nor_repeated() -> None:
    data = deepcopy(DOCUMENTS)
    data["integration_services"]["database"]["password"] = "canary-password"
    with pytest.raises(MigrationError) as caught:
        ConfigurationMigrator().migrate(data)
    assert "integration_services.database.password is not a variable" in caught.value.message
    assert "canary" not in str(caught.value)


@pytest.mark.feature("CM-01")
def test_a_downgrade_names_what_the_older_version_has_no_place_for() -> None:
    data = yaml.safe_load((CORPUS / "1" / "site.yaml").read_text())
    down = ConfigurationMigrator().migrate(data, 0)
    assert set(down.data) == {"integration_services", "infrastructure_services"}
    assert down.data["integration_services"]["database"]["password"] == "${DATABASE_PASSWORD}"
    lost = set(down.lost)
    assert ("hosts", "llm-1", "memory") in lost
    assert ("models", "qwen2.5-7b", "source") in lost
    # Only a variable has a form in version 0.
    assert ("integration_services", "cache", "password") in lost
    assert ("integration_services", "database", "password") not in lost


@pytest.mark.feature("CM-03")
def test_a_migration_is_noted_and_the_text_of_before_is_kept(
    migrator: FileMigrator, tmp_path: Path
) -> None:
    file = tmp_path / "site.yaml"
    text = (CORPUS / "0" / "small.yaml").read_text()
    file.write_text(text)
    file.chmod(0o640)
    migrator.apply(migrator.plan(file), actor="ann")
    assert file.stat().st_mode & 0o777 == 0o640
    migrator.apply(migrator.plan(file, 0), actor="bob")
    assert file.read_text() == text
    up, down = migrator.history()
    assert (up.actor, up.file, up.outcome) == ("ann", file, "ok")
    assert (up.before, up.after, down.before, down.after) == (0, 1, 1, 0)
    assert up.old.read_text() == text
    assert up.old.stat().st_mode & 0o777 == 0o600


def test_a_link_stays_and_its_target_is_rewritten(migrator: FileMigrator, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "real.yaml"
    target.parent.mkdir()
    target.write_text((CORPUS / "0" / "small.yaml").read_text())
    file = tmp_path / "site.yaml"
    file.symlink_to("elsewhere/real.yaml")
    migrator.apply(migrator.plan(file), actor="ann")
    assert file.is_symlink()
    assert version_of(yaml.safe_load(target.read_text())) == CURRENT


def test_a_file_that_was_changed_after_the_plan_is_left_alone(
    migrator: FileMigrator, tmp_path: Path
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text((CORPUS / "0" / "small.yaml").read_text())
    plan = migrator.plan(file)
    file.write_text("schema: 1\n")
    with pytest.raises(MigrationError, match="changed in the meantime"):
        migrator.apply(plan, actor="ann")
    assert file.read_text() == "schema: 1\n"
    assert migrator.history() == ()


def test_other_forms_than_yaml_are_read_and_not_rewritten(
    migrator: FileMigrator, tmp_path: Path
) -> None:
    file = tmp_path / "site.json"
    file.write_text('{"performance_targets": {"storage": {"cache_hit_rate": 0.9}}}')
    with pytest.raises(MigrationError, match=r"site\.json is not YAML"):
        migrator.plan(file)


def test_a_file_that_says_no_version_is_left_to_the_one_that_it_extends(
    migrator: FileMigrator, tmp_path: Path
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("extends: base\nhosts: {}\n")
    (tmp_path / "base.yaml").write_text("schema: 1\n")
    plan = migrator.plan(file)
    assert (plan.changed, plan.new) == (False, file.read_text())


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("middle", ["schema: 1\nhosts: {}\n", "extends: low\n"])
def test_an_overlay_of_one_section_is_of_the_version_that_it_extends(
    migrator: FileMigrator, tmp_path: Path, section: str, middle: str
) -> None:
    (tmp_path / "low.yaml").write_text("schema: 1\nhosts: {}\n")
    (tmp_path / "base.yaml").write_text(middle)
    file = tmp_path / "site.yaml"
    file.write_text(f"extends: base\n{section}: {{}}\n")
    plan = migrator.plan(file)
    assert (plan.changed, plan.new) == (False, file.read_text())
    for name_ in ("low", "base"):
        (tmp_path / f"{name_}.yaml").write_text("performance_targets: {}\n")
    assert migrator.plan(file).migrated.before == 0


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("[fd00::5]:8000", "fd00::5"),
        ("[fd00::5]", "fd00::5"),
        ("fd00::5", "fd00::5"),
        ("10.0.0.5:8000", "10.0.0.5"),
        ("edge.example", "edge.example"),
    ],
)
def test_a_host_of_version_0_keeps_its_whole_address(address: str, host: str) -> None:
    old = {"service_network": {"internal_services": {"api_gateway": address}}}
    migrated = ConfigurationMigrator().migrate(old).data
    assert migrated["hosts"] == {"edge-1": {"address": host, "roles": ["gateway"]}}


def test_an_overlay_whose_base_is_not_there_is_not_guessed_at(
    migrator: FileMigrator, tmp_path: Path
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("extends: base\nperformance_targets: {}\n")
    with pytest.raises(InvalidDocumentError, match="C005"):
        migrator.plan(file)


def test_a_file_that_cannot_be_read_is_told_with_its_line(
    migrator: FileMigrator, tmp_path: Path
) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("a: [\n")
    with pytest.raises(InvalidDocumentError, match="C001"):
        migrator.plan(file)


def test_an_alias_that_would_change_another_key_too_is_refused(
    migrator: FileMigrator, tmp_path: Path
) -> None:
    file = tmp_path / "site.yaml"
    shared = "  database: &store {password: '${A}'}\n  vector_database: *store\n"
    file.write_text(f"integration_services:\n{shared}")
    with pytest.raises(MigrationError, match="cannot be rewritten without harm"):
        migrator.plan(file)


def renaming(version: int, old: str, new: str) -> Step:
    """Return a step that renames a key."""

    def renamed(data: dict[str, Any], number: int, was: str, now: str) -> dict[str, Any]:
        items = {now if key == was else key: value for key, value in data.items()}
        return items | {"schema": number}

    return Step(
        version,
        f"{old} is called {new}.",
        lambda data: renamed(data, version, old, new),
        lambda data: renamed(data, version - 1, new, old),
    )


@pytest.mark.feature("CM-01")
def test_several_steps_are_taken_in_order_up_and_in_reverse_down() -> None:
    steps = (renaming(1, "a", "b"), renaming(2, "b", "c"), renaming(3, "c", "d"))
    migrator = ConfigurationMigrator(steps)
    up = migrator.migrate({"schema": 0, "a": 1})
    assert (up.data, up.before, up.version) == ({"schema": 3, "d": 1}, 0, 3)
    assert [step.version for step in up.steps] == [1, 2, 3]
    down = migrator.migrate(up.data, 1)
    assert (down.data, down.lost) == ({"schema": 1, "b": 1}, ())
    assert [step.version for step in down.steps] == [3, 2]
    # An upgrade need not go to the newest.
    assert migrator.migrate({"schema": 0, "a": 1}, 2).data == {"schema": 2, "c": 1}
    # Two keys that an older version has one place for: neither comes back as it was.
    lost = migrator.migrate({"schema": 3, "d": 1, "c": 2}, 2).lost
    assert lost == (("d",), ("c",))


@pytest.mark.feature("CM-01")
def test_the_migrator_stands_where_the_documents_look_for_it() -> None:
    module = importlib.import_module("hxp_enterprise_llm.configuration.migration")
    assert module.ConfigurationMigrator is ConfigurationMigrator


def test_steps_must_be_complete() -> None:
    with pytest.raises(ValueError, match="one step for each version"):
        ConfigurationMigrator((Step(2, "x", dict, dict),))


@pytest.mark.feature("CM-01")
async def test_a_manager_brings_older_documents_up_when_it_reads_them() -> None:
    def up(data: dict[str, Any]) -> dict[str, Any]:
        # A key of version 0 that has another name now.
        return {"schema": 1, "level": data["performance_targets"]}

    source = MemorySource("old", {"performance_targets": 7})
    step = Step(1, "renamed", up, lambda data: {"performance_targets": data["level"]})
    manager = ConfigurationManager(Sample, [source], migrate=ConfigurationMigrator((step,)))
    assert (await manager.load()).config.level == 7
    source.update({"schema": 2, "level": 8})
    with pytest.raises(ReloadError, match="C008") as caught:
        await manager.reload(reason="newer", actor="ann")
    assert caught.value.phase is Phase.VALIDATE
    assert manager.snapshot.config.level == 7

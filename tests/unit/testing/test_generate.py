"""Data of every model of the library: valid, different, the same again."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, model_validator

from hxp_enterprise_llm import schemas
from hxp_enterprise_llm.schemas.api import APIRequest
from hxp_enterprise_llm.schemas.base import CitadelModel
from hxp_enterprise_llm.schemas.health import HealthStatus
from hxp_enterprise_llm.testing.generate import documents, examples, instances

pytestmark = pytest.mark.feature("UT-08")


class Tree(CitadelModel):
    """A model with every kind of field, and one that holds itself."""

    version: Literal[1] = Field(default=1, alias="schema")
    name: str = Field(pattern=r"^[a-z]{2,5}$", max_length=4)
    share: float = Field(gt=0, lt=1)
    step: int = Field(ge=10, lt=100, multiple_of=10)
    pair: tuple[int, bool] = (1, True)
    words: frozenset[str] = frozenset()
    below: tuple[Tree, ...] = Field(default=(), max_length=2)
    anything: Any = None
    least: int = 0
    most: int = 9

    @model_validator(mode="after")
    def _in_order(self) -> Tree:
        if self.least > self.most:
            raise ValueError("least is above most")
        return self


@given(instances(Tree))
def test_an_instance_keeps_every_rule_of_its_model(tree: Tree) -> None:
    assert 2 <= len(tree.name) <= 4
    assert 0 < tree.share < 1
    assert tree.step in range(10, 100, 10)
    assert len(tree.below) <= 2
    assert tree.least <= tree.most


@given(documents(Tree, fields={"name": st.just("ab")}, share=0.5))
def test_a_test_says_what_it_wants_to_have(document: dict[str, Any]) -> None:
    assert document["share"] == 0.5
    assert document["name"] == "ab"
    assert all(one["name"] == "ab" for one in document.get("below", ()))


def test_examples_are_the_same_at_each_call_and_differ_by_seed() -> None:
    assert examples(Tree, 5) == examples(Tree, 5)
    assert examples(Tree, 5)[1:] != examples(Tree, 5, seed=1)[1:]
    assert len(examples(HealthStatus, 5)) == 5


def models() -> Iterator[type[BaseModel]]:
    """Yield the models that services send each other."""
    for name in ("access", "api", "common", "health", "measures", "problem", "waivers"):
        module = importlib.import_module(f"{schemas.__name__}.{name}")
        for found in vars(module).values():
            mine = isinstance(found, type) and found.__module__ == module.__name__
            if mine and issubclass(found, CitadelModel):
                yield found


@pytest.mark.parametrize("model", list(models()), ids=lambda model: model.__name__)
def test_data_of_a_models_own_schema_survives_json(model: type[BaseModel]) -> None:
    for document in examples(model, 3):
        made = model.model_validate(document)
        assert model.model_validate_json(made.model_dump_json(by_alias=True)) == made


def test_there_are_models_to_generate() -> None:
    assert APIRequest in set(models())
    assert {one.name for one in pkgutil.iter_modules(schemas.__path__)} >= {"health", "api"}

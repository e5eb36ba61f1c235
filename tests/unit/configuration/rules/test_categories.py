from __future__ import annotations

import pytest

from hxp_enterprise_llm.configuration.rules import REGISTRY
from hxp_enterprise_llm.configuration.rules.categories import Category, category_of


@pytest.mark.parametrize("rule", REGISTRY)
def test_every_rule_has_a_category(rule: str) -> None:
    assert category_of(rule) in Category


@pytest.mark.feature("CV-01", "CV-02", "CV-03")
@pytest.mark.parametrize("category", Category)
def test_every_category_that_the_documents_ask_for_has_rules(category: Category) -> None:
    assert any(category_of(rule) is category for rule in REGISTRY)


def test_a_rule_of_no_category_is_an_error_of_whoever_adds_it() -> None:
    with pytest.raises(KeyError, match="C599"):
        category_of("C599")

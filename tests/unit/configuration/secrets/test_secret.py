"""The holder shows nothing, whatever is done with it."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, dataclass

import pytest

from hxp_enterprise_llm.configuration.secrets import Secret

CANARY = "canary-3f9a"


@dataclass
class Holder:
    secret: Secret


def test_no_text_shows_the_value() -> None:
    secret = Secret(CANARY)
    texts = [f"{secret} {secret!r} {secret:>30} {[secret]} {Holder(secret)}"]
    texts += [str(asdict(Holder(secret))), str(copy.deepcopy([secret])), str(dir(secret))]
    assert not [text for text in texts if CANARY in text]
    assert secret.reveal() == CANARY


def test_it_is_not_dumped_pickled_or_changed() -> None:
    secret = Secret(CANARY)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps({"secret": secret})
    with pytest.raises(AttributeError, match="cannot be changed"):
        secret.value = "other"
    with pytest.raises(TypeError):
        vars(secret)


def test_two_of_one_value_are_equal() -> None:
    assert Secret(CANARY) == copy.copy(Secret(CANARY))
    assert Secret(CANARY) != Secret("other")
    assert Secret(CANARY) != CANARY
    assert len({Secret(CANARY), Secret(CANARY)}) == 1

"""The real model of `local`, from its GGUF file to what vLLM loads."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from hxp_enterprise_llm.configuration.loader import load
from hxp_enterprise_llm.orchestration.artifacts.collect import verify
from hxp_enterprise_llm.orchestration.artifacts.digests import model_ref
from hxp_enterprise_llm.orchestration.artifacts.fetch import fetch, open_store
from hxp_enterprise_llm.schemas.artifacts import ArtifactRef


@pytest.fixture(scope="module")
def smollm2() -> ArtifactRef:
    """Return the model, fetched and converted when this machine lacks it."""
    loaded = load("local")
    fetch(loaded, lambda _: None)
    return model_ref("smollm2", loaded.environment.models["smollm2"])


def header(ref: ArtifactRef) -> dict[str, Any]:
    """Return the tensors that the safetensors file lists (its format: length, then JSON)."""
    with (open_store().root / ref.view / "model.safetensors").open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        listed: dict[str, Any] = json.loads(file.read(length))
    return {name: entry for name, entry in listed.items() if name != "__metadata__"}


def test_a_gguf_checkpoint_becomes_plain_bfloat16_safetensors(smollm2: ArtifactRef) -> None:
    tensors = header(smollm2)
    assert {entry["dtype"] for entry in tensors.values()} == {"BF16"}
    assert tensors["model.embed_tokens.weight"]["shape"] == [49152, 576]
    config = json.loads((open_store().root / smollm2.view / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert "quantization_config" not in config


def test_a_converted_model_has_what_a_chat_needs_and_no_code(smollm2: ArtifactRef) -> None:
    files = set(open_store().view(smollm2.view).files)
    assert {"config.json", "tokenizer.json", "model.safetensors", "chat_template.jinja"} <= files
    assert not [name for name in files if name.endswith((".py", ".bin", ".gguf"))]


def test_what_was_fetched_is_what_was_hashed(smollm2: ArtifactRef) -> None:
    assert verify(open_store(), [smollm2], lambda _: None) == []

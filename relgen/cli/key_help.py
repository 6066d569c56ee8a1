"""Help of the keys that LightningCLI reads: those of the classes that a configuration names."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonargparse
from lightning.pytorch import Trainer

from relgen.common import find_config, read_merged

_FIRST = {"dpo": "dpo/smollm2", "classifier": "classifier/entity_marker"}


def print_keys(name: str, words: Sequence[str]) -> None:
    """Print every key of the classes that a configuration names, and of Lightning's Trainer.

    Args:
        name: `dpo` or `classifier`.
        words: a command line of `with_presets`; without a configuration, the first preset's.
    """
    given = [Path(value) for option, value in pairwise(words) if option in ("-c", "--config")]
    files = given or [find_config(_FIRST[name], name)]
    print(f"\nClasses that {', '.join(map(str, files))} names, and their keys:")
    for key, kind in [*_classes(read_merged(files)), ("trainer", Trainer)]:
        parser = jsonargparse.ArgumentParser(usage=argparse.SUPPRESS, add_help=False)
        parser.add_class_arguments(kind, key, skip={"params"})
        parser.print_help()


def _classes(values: Any, key: str = "") -> Iterator[tuple[str, type]]:
    """Yield the classes that a configuration names, by the key of their arguments."""
    if isinstance(values, Mapping):
        if isinstance(path := values.get("class_path"), str):
            module, _, kind = path.rpartition(".")
            yield key, getattr(importlib.import_module(module), kind)
            values = values.get("init_args")
        for name, value in (values or {}).items():
            yield from _classes(value, f"{key}.{name}".lstrip("."))

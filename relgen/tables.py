"""Samples as Arrow tables: the `datasets` side of a samples file, under fixed features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from datasets import Dataset, Features, Value, load_dataset

_ENTITY = {"start": Value("int64"), "end": Value("int64"), "type": Value("string")}
PROVENANCE = {
    "model": Value("string"),
    "adapter": Value("string"),
    "mode": Value("string"),
    "chain": Value("int64"),
    "step": Value("int64"),
    "seed": Value("int64"),
    "prompt_hash": Value("string"),
    "mean_token_logprob": Value("float64"),
    "relgen_version": Value("string"),
}
FEATURES = Features(
    {
        "id": Value("string"),
        "text": Value("string"),
        "head": _ENTITY,
        "tail": _ENTITY,
        "relation": Value("string"),
        "source": Value("string"),
        "provenance": PROVENANCE,
    }
)


def load_table(paths: str | Path | Sequence[str | Path]) -> Dataset:
    """One or several samples files as one table, in the order given.

    The Arrow file is kept in the cache of `datasets` and keyed by the files' content and the
    features, so that a second call maps it into memory.
    """
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    return load_dataset(
        "json", data_files=[str(Path(file).resolve()) for file in files], features=FEATURES
    )["train"]

"""Samples files as Arrow tables of the `datasets` library, with fixed features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Value
from datasets.exceptions import DatasetGenerationError

from relgen.common import InputError, content_hash
from relgen.data.samples import iter_samples

# part of the cache's key, which does not depend on the code: increase it when `_rows` changes
_VERSION = 2

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
    "intended": Value("string"),
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
        # pairs: a struct would need a field for each label of each schema
        "scores": [{"relation": Value("string"), "probability": Value("float64")}],
    }
)


def load_table(paths: str | Path | Sequence[str | Path], *, labelled: bool = True) -> Dataset:
    """Load one or several samples files as one table, in the given order.

    The table is cached by `datasets` under a hash of the files' content, and mapped into memory.
    Unknown keys are dropped. `labelled` is that of `iter_samples`.

    Raises:
        InputError: a file is missing, empty or malformed.
    """
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    for file in files:
        if not Path(file).is_file():
            raise InputError("no such file", path=file, remedy="check the path")
    try:
        return Dataset.from_generator(
            _rows,
            features=FEATURES,
            gen_kwargs={
                "files": [str(Path(file).resolve()) for file in files],
                "hashes": [content_hash(file) for file in files],
                "version": _VERSION,
                "labelled": labelled,
            },
        )
    except DatasetGenerationError as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise


def _rows(
    files: list[str], hashes: list[str], version: int, labelled: bool
) -> Iterator[dict[str, Any]]:
    """Yield the rows of files; `hashes` and `version` only change the cache's key."""
    for file in files:
        for sample in iter_samples(file, labelled=labelled):
            row = sample.to_json()
            known = row.get("provenance") or {}
            row["provenance"] = {key: known.get(key) for key in PROVENANCE}
            scores = row.get("scores")
            row["scores"] = scores and [
                {"relation": relation, "probability": value} for relation, value in scores.items()
            ]
            yield row

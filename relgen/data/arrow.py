"""Samples files as Arrow tables of the `datasets` library, with fixed features."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, Value
from datasets.exceptions import DatasetGenerationError

from relgen.common import InputError, content_hash
from relgen.data.parquet import PROVENANCE, REVIEW
from relgen.data.samples import iter_samples

# part of the cache's key, which does not depend on the code: increase it when `_rows` changes
_VERSION = 4

_ENTITY = {"start": Value("int64"), "end": Value("int64"), "type": Value("string")}
FEATURES = Features(
    {
        "id": Value("string"),
        "text": Value("string"),
        "head": _ENTITY,
        "tail": _ENTITY,
        "relation": Value("string"),
        "source": Value("string"),
        "provenance": {key: Value(kind) for key, kind in PROVENANCE.items()},
        # pairs: a struct would need a field for each label of each schema
        "scores": [{"relation": Value("string"), "probability": Value("float64")}],
        "review": {key: Value(kind) for key, kind in REVIEW.items()},
    }
)


def load_table(path: str | Path, *, labelled: bool = True, rejected: bool = False) -> Dataset:
    """Load a samples file as a table, which is mapped into memory.

    It is cached by `datasets` under a hash of the file's content. Unknown keys are dropped. For
    `labelled` and `rejected` see `iter_samples`. Raises InputError if the file is missing, empty or
    malformed.
    """
    key = {"content": content_hash(path), "version": _VERSION}
    key |= {"labelled": labelled, "rejected": rejected}
    source = {"path": str(Path(path).resolve()), "key": key}
    try:
        return Dataset.from_generator(_rows, features=FEATURES, gen_kwargs=source)
    except DatasetGenerationError as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise


def _rows(path: str, key: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file; the cache depends on the whole `key`."""
    for sample in iter_samples(path, labelled=key["labelled"], rejected=key["rejected"]):
        known, scores, review = sample.provenance or {}, sample.scores, sample.review or {}
        row = sample.to_json()
        row.pop("group", None)
        yield row | {
            "relation": sample.relation,
            "provenance": {key: known.get(key) for key in PROVENANCE},
            "scores": scores and [{"relation": x, "probability": p} for x, p in scores.items()],
            "review": {key: review.get(key) for key in REVIEW},
        }

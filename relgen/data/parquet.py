"""Rows of Parquet files, of which a part is in memory at a time, and the columns of samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relgen.common import InputError, no_such_file

if TYPE_CHECKING:
    import pyarrow

_ROWS = 4096
PROVENANCE = {
    "model": "string",
    "adapter": "string",
    "mode": "string",
    "chain": "int64",
    "step": "int64",
    "seed": "int64",
    "prompt_hash": "string",
    "mean_token_logprob": "float64",
    "intended": "string",
    "relgen_version": "string",
}
"""What is kept of a generated sample's origin, and as which type of Arrow."""
REVIEW = {"reviewer": "string", "decision": "string", "comment": "string", "seconds": "float64"}
"""The same of a review."""


def sample_columns(labels: Iterable[str] = ()) -> pyarrow.Schema:
    """Return the columns of a samples file in Parquet; without `labels`, `scores` are a map."""
    import pyarrow as pa

    def struct(kinds: Mapping[str, str]) -> pyarrow.StructType:
        return pa.struct({key: pa.type_for_alias(kind) for key, kind in kinds.items()})

    text, number = pa.string(), pa.float64()
    entity = struct({"start": "int64", "end": "int64", "type": "string"})
    scores = struct(dict.fromkeys(labels, "float64"))
    columns = {"id": text, "text": text, "head": entity, "tail": entity, "relation": text}
    columns |= {"source": text, "provenance": struct(PROVENANCE)}
    columns |= {"scores": scores if scores.num_fields else pa.map_(text, number)}
    return pa.schema(columns | {"group": text, "review": struct(REVIEW)})


def parquet_rows(path: Path) -> tuple[pyarrow.Schema, Iterator[tuple[str, dict[str, Any]]]]:
    """Return the columns of a file, and its rows with their places, such as `[1]`."""
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import ParquetFile

    if not path.is_file():
        raise no_such_file(path)
    try:
        file = ParquetFile(path)
    except ArrowInvalid as error:
        problem, remedy = f"not a Parquet file: {error}", "write it again"
        raise InputError(problem, path=path, remedy=remedy) from error
    rows = chain.from_iterable(batch.to_pylist() for batch in file.iter_batches(_ROWS))
    return file.schema_arrow, ((f"[{number}]", row) for number, row in enumerate(rows, start=1))

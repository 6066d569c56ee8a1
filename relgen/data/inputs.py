"""Types of options that name schemas and files of samples.

`check_inputs` reads what such a file begins with, if it is no pipe.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from relgen.common import InputFile, find_shards
from relgen.data.samples import iter_samples
from relgen.data.schema import load_schema

_FIRST = 100


def is_pipe(path: str | Path) -> bool:
    """Return whether a path is neither a file nor a folder: such a one can be read only once."""
    path = Path(path)
    return path.exists() and not (path.is_file() or path.is_dir())


def _check_labelled(path: str | Path, options: Any) -> None:
    schema = None if options.schema is None else load_schema(options.schema)
    if not is_pipe(path):
        list(islice(iter_samples(path, schema=schema), _FIRST))


def _check_samples(path: str | Path, options: Any) -> None:
    if is_pipe(path):
        return
    given = getattr(options, "samples", None)  # one folder may stand for all files
    if given == [path] and find_shards(path, options.out):
        return
    # an empty one may stand beside others
    if not Path(path).is_file() or Path(path).stat().st_size:
        list(islice(iter_samples(path, labelled=False), _FIRST))


SchemaName = Annotated[str, lambda name, options: load_schema(name)]
"""The name or file of a schema."""
LabelledFile = Annotated[InputFile, _check_labelled]
"""A file of samples with relations of `schema`."""
SamplesFile = Annotated[InputFile, _check_samples]
"""A file of samples that need no relation, or a folder of such files."""

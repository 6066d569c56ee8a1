"""Corpora from the Hub, or from a local folder, through `datasets.load_dataset`.

The columns are mapped as in `relgen.data.corpora.columns`; `SemEvalWorkshop/sem_eval_2010_task_8`
needs no `columns`. A single file is read as its ending says. The network is used only for data that
is neither local nor cached.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from relgen.common import InputError
from relgen.data.corpora.columns import NAME_COLUMNS, RowReader
from relgen.data.corpora.reading import ReadOptions
from relgen.data.corpora.tables import class_labels, read_any
from relgen.data.file_kinds import refuse_export
from relgen.data.samples import Sample
from relgen.data.validation import RecordChecks

KNOWN: dict[str, dict[str, str]] = {
    "SemEvalWorkshop/sem_eval_2010_task_8": {"text": "sentence", "relation": "relation"},
}


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of one split, with the ids of the `id` column or `NAME-train-1` by row.

    The path is a Hub id or a folder that `load_dataset` can read, or a file of `tables`. Messages
    name rows `train[3]`, counted from 1.
    """
    checks.remedy = NAME_COLUMNS
    if path.is_file():
        yield from read_any(path, checks, options)
        return
    name, split = path.as_posix(), options.split_name or "train"
    table = _load(name, split)
    if "head" not in (options.columns or {}):
        refuse_export(path, table.column_names)
    reader = RowReader(table.column_names, checks, options, known=KNOWN.get(name))
    reader.names = class_labels(table.features, reader)
    rows = enumerate(table, start=1)
    yield from reader.samples((f"{split}[{n}]", f"{path.stem}-{split}-{n}", row) for n, row in rows)


def _load(path: str, split: str) -> Any:
    from datasets import load_dataset

    try:
        with suppress(ValueError):  # of a kind of file that takes no such option
            # in a CSV, NA and null are labels and mentions like any other
            return load_dataset(path, split=split, keep_default_na=False)
        return load_dataset(path, split=split)
    except Exception as error:  # `datasets` raises many kinds
        cause: BaseException = error
        while cause.__cause__ is not None:  # what went wrong is said by the first one
            cause = cause.__cause__
        reason = " ".join(f"{type(cause).__name__}: {cause}".split())[:300]
        problem = f"split '{split}' cannot be loaded: {reason}"
        remedy = "check the id, the split and the network, or give a local folder"
        if Path(path).exists():
            remedy = "check the split's name, and that every record has the same keys and types"
        raise InputError(problem, path=path, remedy=remedy) from error

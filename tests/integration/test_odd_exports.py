"""No value of a record ends in a traceback, whatever it is."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.corpora import FORMATS
from relgen.data.samples import Sample
from tests.relgen.data.corpora import (
    test_bioc,
    test_doccano,
    test_label_studio,
    test_prodigy,
    test_spert,
    test_tables,
)
from tests.relgen.data.corpora.readers import reader

RECORDS: dict[str, Any] = {
    "labelstudio": test_label_studio._task(test_label_studio._relation()),
    "prodigy": test_prodigy._record(),
    "doccano": test_doccano.RECORD,
    "spert": test_spert.SPERT,
    "dygie": test_spert.DYGIE,
    "bioc": test_bioc._collection(test_bioc._infons(entity1="672", entity2="580", type="binds")),
    "json": {**test_tables.ROW, "head_start": 0, "tail_start": 18, "head_type": "X", "group": "g"},
    "klue": test_tables.KLUE,
}
ODD = [None, True, 5, -1, 1.5, "x", "", [], [[]], {}, {"a": 1}]


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key in (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    ):
        yield from _places(value[key], (*path, key))


@pytest.mark.parametrize("form", RECORDS)
def test_odd_values_are_read_or_refused(form: str, tmp_path: Path) -> None:
    assert form in FORMATS
    path = tmp_path / "a.json"
    for place in _places(RECORDS[form]):
        for odd in ODD:
            record = copy.deepcopy(RECORDS[form])
            inner = record
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = odd
            path.write_text(json.dumps(record if form == "bioc" else [record]), encoding="utf-8")
            with suppress(InputError):
                for sample in reader(form)(path):
                    assert Sample.from_json(sample.to_json()) == sample

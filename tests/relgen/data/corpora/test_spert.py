"""JSON of SpERT and of DyGIE++."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from tests.relgen.data.corpora.readers import reader

TOKENS = ["Kite", "Press", "was", "founded", "by", "Olu", "Ade", "."]
TEXT = "Kite Press was founded by Olu Ade ."
SPERT = {
    "tokens": TOKENS,
    "entities": [{"type": "Org", "start": 0, "end": 2}, {"type": "Peop", "start": 5, "end": 7}],
    "relations": [{"type": "Founded_By", "head": 0, "tail": 1}],
    "orig_id": 3,
}
DYGIE = {
    "doc_key": "X1",
    "sentences": [["It", "rains", "."], TOKENS],
    "ner": [[], [[3, 4, "Org"], [8, 9, "Peop"]]],
    "relations": [[], [[3, 4, 8, 9, "Founded_By"]]],
    "clusters": [],
}


def test_spert(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps([SPERT]), encoding="utf-8")
    head, tail = Entity(0, 10, "Org"), Entity(26, 33, "Peop")
    assert list(reader("spert")(path)) == [
        Sample("train-1-1", TEXT, head, tail, "Founded_By", group="train-1")
    ]


def test_dygie_counts_tokens_through_the_document_with_inclusive_ends(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps(DYGIE) + "\n", encoding="utf-8")
    head, tail = Entity(0, 10, "Org"), Entity(26, 33, "Peop")
    assert list(reader("dygie")(path)) == [
        Sample("X1-1", TEXT, head, tail, "Founded_By", group="X1")
    ]


@pytest.mark.parametrize(
    ("form", "record", "message"),
    [
        (
            "spert",
            SPERT | {"entities": [{"type": "O", "start": 7, "end": 9}]},
            "token offsets must",
        ),
        ("spert", SPERT | {"relations": [{"type": "r", "head": 0, "tail": 5}]}, "got 5"),
        ("dygie", DYGIE | {"relations": [[[3, 4, 8, "r"]]]}, "must be 4 token numbers and a label"),
        ("dygie", DYGIE | {"sentences": ["a"]}, "must be lists of tokens"),
    ],
)
def test_what_cannot_be_read(form: str, record: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError, match=rf"train.json:1: .*{message}"):
        list(reader(form)(path))

"""spaCy's DocBin with relations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from tests.relgen.data.corpora.readers import reader

spacy: Any = pytest.importorskip("spacy")
READ = reader("docbin")


def _write(path: Path, relations: Any, *, sentences: bool = True) -> Path:
    from spacy.tokens import Doc, DocBin, Span

    if not Doc.has_extension("rel"):
        Doc.set_extension("rel", default={})
    words = ["It", "rains", ".", "Kite", "Press", "was", "founded", "by", "Olu", "Ade", "."]
    starts = [number in (0, 3) for number in range(len(words))] if sentences else None
    doc = Doc(spacy.blank("en").vocab, words=words, sent_starts=starts)
    doc.ents = [Span(doc, 3, 5, label="ORG"), Span(doc, 8, 10, label="PER")]
    doc._.rel = relations
    DocBin(docs=[doc], store_user_data=True).to_disk(path)
    return path


def test_a_bin(tmp_path: Path) -> None:
    path = _write(tmp_path / "train.spacy", {(3, 8): {"founded_by": 1.0, "works_for": 0.0}})
    head, tail = Entity(0, 10, "ORG"), Entity(26, 33, "PER")
    text = "Kite Press was founded by Olu Ade ."
    assert list(READ(path)) == [
        Sample("train-1-1", text, head, tail, "founded_by", group="train-1")
    ]


def test_a_bin_without_sentences_and_labels(tmp_path: Path) -> None:
    relations = {(3, 8): {"founded_by": 0.2}}
    path = _write(tmp_path / "train.spacy", relations, sentences=False)
    (sample,) = READ(path, negative="none")
    assert (sample.text, sample.relation) == ("Kite Press was founded by Olu Ade .", "none")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.spacy").write_bytes(b"x")
    with pytest.raises(InputError, match=r"a\.spacy: not a DocBin"):
        list(READ(tmp_path / "a.spacy"))
    path = _write(tmp_path / "b.spacy", {(3, 9): {"r": 1.0}})
    with pytest.raises(InputError, match=r"record \[1\]: .*no such entity \(got 9\)"):
        list(READ(path))

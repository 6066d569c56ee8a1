"""spaCy's DocBin with relations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks
from tests.relgen.data.corpora.readers import reader, refused_at_the_end

spacy: Any = pytest.importorskip("spacy")
READ = reader("docbin")


def _write(
    path: Path,
    relations: Any,
    *,
    sentences: bool = True,
    name: str = "rel",
    groups: Sequence[Sequence[tuple[int, int, str]]] = (),
) -> Path:
    from spacy.tokens import Doc, DocBin, Span

    if not Doc.has_extension(name):
        Doc.set_extension(name, default={})
    words = ["It", "rains", ".", "Kite", "Press", "was", "founded", "by", "Olu", "Ade", "."]
    starts = [number in (0, 3) for number in range(len(words))] if sentences else None
    doc = Doc(spacy.blank("en").vocab, words=words, sent_starts=starts)
    doc.ents = [Span(doc, 3, 5, label="ORG"), Span(doc, 8, 10, label="PER")]
    for number, group in enumerate(groups):
        doc.spans[f"g{number}"] = [Span(doc, *span) for span in group]
    setattr(doc._, name, relations)
    DocBin(docs=[doc], store_user_data=True).to_disk(path)
    return path


def test_a_bin(tmp_path: Path) -> None:
    path = _write(tmp_path / "train.spacy", {(3, 8): {"founded_by": 1.0, "works_for": 0.0}})
    head, tail = Entity(0, 10, "ORG"), Entity(26, 33, "PER")
    text = "Kite Press was founded by Olu Ade ."
    assert list(READ(path)) == [
        Sample("train-1-1", text, head, tail, "founded_by", group="train-1")
    ]


def test_a_bin_without_sentences(tmp_path: Path) -> None:
    path = _write(tmp_path / "train.spacy", {(3, 8): {"founded_by": 1.0}}, sentences=False)
    (sample,) = READ(path, negative="none")
    assert (sample.text, sample.relation) == ("Kite Press was founded by Olu Ade .", "founded_by")


@pytest.mark.parametrize("negative", [None, "none"])
def test_relations_in_another_attribute(negative: str | None, tmp_path: Path) -> None:
    path = _write(tmp_path / "train.spacy", {(3, 8): {"founded_by": 1.0}}, name="links")
    message = (
        r"train\.spacy: no relations are in this file; they are read from doc\._\.rel, "
        "if of at least 0.5; its attributes are: links; name one with --columns relation=NAME"
    )
    refused_at_the_end(READ(path, negative=negative), message)
    (sample,) = READ(path, negative=negative, columns={"relation": "links"})
    assert (sample.head_text, sample.relation) == ("Kite Press", "founded_by")
    with pytest.raises(InputError, match=r"unknown key \(got 'text'\); this format takes relation"):
        list(READ(path, columns={"text": "links"}))


def test_spans_of_groups_may_overlap(tmp_path: Path) -> None:
    groups = [[(3, 5, "TEAM"), (4, 5, "PRODUCT"), (9, 10, "NAME"), (0, 2, "")], [(4, 5, "PRODUCT")]]
    path = _write(tmp_path / "a.spacy", {(4, 9): {"r": 1.0}, (3, 4): {"s": 1.0}}, groups=groups)
    assert [(s.head_text, s.head.type, s.tail_text, s.relation) for s in READ(path)] == [
        ("Press", "PRODUCT", "Ade", "r"),
        ("Kite Press", "ORG", "Press", "s"),
    ]
    path = _write(tmp_path / "b.spacy", {(4, 9): {"r": 1.0}}, groups=[*groups, [(9, 11, "NAME")]])
    with pytest.raises(InputError, match=r"several spans begin at a token \(got \(4, 9\)\); put"):
        list(READ(path))


def test_a_malformed_relation_costs_no_other(tmp_path: Path) -> None:
    relations = {(3, 9): {"r": 1.0}, (3,): {"r": 1.0}, (8, 3): ["r"], (3, 8): {"s": 1.0}}
    path = _write(tmp_path / "a.spacy", relations)
    checks = RecordChecks(path, skip_bad=True)
    assert [sample.relation for sample in READ(path, checks=checks)] == ["s"]
    assert checks.skipped == 3


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.spacy").write_bytes(b"x")
    with pytest.raises(InputError, match=r"a\.spacy: not a DocBin"):
        list(READ(tmp_path / "a.spacy"))
    path = _write(tmp_path / "b.spacy", {(3, 9): {"r": 1.0}})
    with pytest.raises(InputError, match=r"record \[1\]: .*no such entity \(got 9\)"):
        list(READ(path))

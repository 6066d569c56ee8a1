"""Raw text, with candidates that somebody else finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.data.samples import UNLABELLED, Entity, Sample, read_samples, write_samples
from tests.relgen.data.corpora.readers import reader

READ = reader("unmarked")


def first_two_words(name: str, text: str) -> Iterator[Sample]:
    one, two = text.split()[:2]
    start = len(one) + 1
    yield Sample(
        f"{name}/1", text, Entity(0, len(one)), Entity(start, start + len(two)), UNLABELLED
    )


def test_candidates_have_no_relation(tmp_path: Path) -> None:
    path, out = tmp_path / "notes.txt", tmp_path / "out.jsonl"
    path.write_text("Ann left.\n\n Bo came\n", encoding="utf-8")
    samples = list(READ(path, candidates=first_two_words))
    assert [(s.id, s.text, s.group) for s in samples] == [
        ("notes-1/1", "Ann left.", "notes-1"),
        ("notes-3/1", "Bo came", "notes-3"),
    ]
    write_samples(out, samples)
    assert '"relation"' not in out.read_text()
    with pytest.raises(InputError, match="field 'relation': missing"):
        read_samples(out)


def test_something_must_find_entities(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Ann left.\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"raw text has no entities; say what finds them: --ent"):
        list(READ(path))
    with pytest.raises(InputError, match="no sentence has two entities"):
        list(READ(path, candidates=lambda name, text: []))

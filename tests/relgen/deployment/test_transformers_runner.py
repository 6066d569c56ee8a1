"""The file that exports to transformers carry."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.classifiers.portable import boundaries
from relgen.classifiers.saved import load_classifier
from relgen.deployment import transformers_runner
from relgen.deployment.transformers_export import export_transformers

from .conftest import Save

pytestmark = pytest.mark.compute

TEXT = "ann founded acme ."


@pytest.mark.parametrize("head", [(0, 3), (2, 5), (2, 9), (4, 7), (7, 9)])
@pytest.mark.parametrize("tail", [(0, 3), (2, 5), (2, 9), (4, 7), (7, 9)])
def test_boundaries_are_those_of_the_layouts(head: tuple[int, int], tail: tuple[int, int]) -> None:
    assert transformers_runner._boundaries(head, tail) == boundaries(head, tail)


def test_types_exclude_relations(save: Save, sentences: Path, tmp_path: Path) -> None:
    folder = save("typed")
    export_transformers(folder, tmp_path / "hf", samples=sentences)
    relations = transformers_runner.Relations(tmp_path / "hf")
    free = relations.predict(TEXT, (0, 3), (12, 16))
    expected = load_classifier(folder).predict(TEXT, (0, 3), (12, 16))
    assert free == pytest.approx(dict(expected.scores), abs=1e-4)
    typed = relations.predict(TEXT, (0, 3), (12, 16), ("PERSON", "COUNTRY"))
    assert [name for name, score in typed.items() if not score] == ["founded_by"]

"""The spaCy component: pairs of entities, their relations, and pipelines on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

spacy = pytest.importorskip("spacy", reason="needs the extra spacy")

from relgen.classifiers.saved import load_classifier  # noqa: E402
from relgen.common.errors import InputError  # noqa: E402
from relgen.deployment.spacy_component import export_spacy  # noqa: E402

from .conftest import Save  # noqa: E402

pytestmark = pytest.mark.compute

TEXT = "the storm caused the flood . the wheel is part of the car ."
PATTERNS = [{"label": "THING", "pattern": word} for word in ("storm", "flood", "wheel", "car")]


@pytest.fixture
def folder(save: Save) -> Path:
    """A classifier without a negative relation, so that every pair has a relation."""
    return save("positive")


def pipeline(folder: Path, **config: Any) -> Any:
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("entity_ruler").add_patterns(PATTERNS)
    nlp.add_pipe("relgen", config={"model": str(folder), **config})
    return nlp


def test_relations_of_each_pair_within_a_sentence(folder: Path) -> None:
    doc = pipeline(folder)(TEXT)
    classifier = load_classifier(folder)
    expected = []
    for text, words in ((TEXT[:28], ("storm", "flood")), (TEXT[29:], ("wheel", "car"))):
        both = [(*pair, classifier.predict(text, *pair)) for pair in (words, words[::-1])]
        # of the same relation in both directions, the more probable one
        if both[0][2].relation == both[1][2].relation:
            both = [max(both, key=lambda each: each[2].score)]
        expected += [(head, tail, one.relation, one.score) for head, tail, one in both]
    found = [(head.text, tail.text, name, score) for head, tail, name, score in doc._.relations]
    assert [one[:3] for one in found] == [one[:3] for one in expected]
    assert [one[3] for one in found] == pytest.approx([one[3] for one in expected], abs=1e-4)


def test_documents_in_a_stream_and_in_files_keep_their_relations(folder: Path) -> None:
    nlp = pipeline(folder)
    one = nlp(TEXT)
    docs = list(nlp.pipe([TEXT, "no entities here .", TEXT], batch_size=2))
    assert [len(doc._.relations) for doc in docs] == [len(one._.relations), 0, len(one._.relations)]
    stored = spacy.tokens.DocBin(store_user_data=True, docs=docs).to_bytes()
    (first, *_) = spacy.tokens.DocBin(store_user_data=True).from_bytes(stored).get_docs(nlp.vocab)
    assert [(r.head.text, r.relation) for r in first._.relations] == [
        (r.head.text, r.relation) for r in one._.relations
    ]


def test_a_threshold_and_types_leave_relations_out(save: Save, folder: Path) -> None:
    assert pipeline(folder, threshold=1.0)(TEXT)._.relations == []
    typed = save("typed")
    nlp = pipeline(typed, types={"THING": "PERSON"})
    asked: list[int] = []
    predict = nlp.get_pipe("relgen").classifier.predict_samples
    nlp.get_pipe("relgen").classifier.predict_samples = lambda samples: (
        asked.append(len(samples)) or predict(samples)
    )
    nlp(TEXT)
    # of five relations, only those without types allow two persons
    assert asked == [4]
    assert {r.relation for r in nlp(TEXT)._.relations} <= {
        "Cause-Effect(e1,e2)",
        "Cause-Effect(e2,e1)",
    }


def test_types_that_the_schema_does_not_name_are_warned_of_once(
    save: Save, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    typed = save("typed")
    pipeline(typed)(TEXT)
    (record,) = caplog.records
    assert record.getMessage() == (
        "the schema does not name entities' type THING; rename it with `types`"
    )
    ruler = spacy.blank("en")
    ruler.add_pipe("entity_ruler").add_patterns(PATTERNS)
    ruler.to_disk(tmp_path / "ruler")
    out = tmp_path / "out"
    export_spacy(typed, out, pipeline=str(tmp_path / "ruler"), types={"THING": "PERSON"})
    spacy.load(out)(TEXT)
    assert len(caplog.records) == 1


def test_a_pipeline_on_disk_needs_no_other_folder(folder: Path, tmp_path: Path) -> None:
    nlp = pipeline(folder)
    expected = [tuple(r)[2:] for r in nlp(TEXT)._.relations]
    nlp.to_disk(tmp_path / "one")
    nlp.to_disk(tmp_path / "one")  # again
    folder.rename(tmp_path / "moved")
    again = spacy.load(tmp_path / "one")
    again.to_disk(tmp_path / "one")  # onto itself
    assert [tuple(r)[2:] for r in again(TEXT)._.relations] == expected


def test_bytes_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"nlp\.to_disk"):
        pipeline(folder).to_bytes()
    assert pipeline(folder).to_bytes(exclude=["relgen"])


def test_an_export_takes_a_pipeline_that_finds_entities(folder: Path, tmp_path: Path) -> None:
    ruler = spacy.blank("en")
    ruler.add_pipe("entity_ruler").add_patterns(PATTERNS)
    ruler.to_disk(tmp_path / "ruler")
    export_spacy(folder, tmp_path / "out", pipeline=str(tmp_path / "ruler"))
    nlp = spacy.load(tmp_path / "out")
    assert nlp.pipe_names == ["sentencizer", "entity_ruler", "relgen"]
    assert nlp(TEXT)._.relations
    assert export_spacy(folder, tmp_path / "empty", language="de") == ["sentencizer", "relgen"]
    assert spacy.load(tmp_path / "empty").lang == "de"
    with pytest.raises(InputError, match="--pipeline"):
        export_spacy(folder, tmp_path / "other", pipeline="no_such_pipeline")
    with pytest.raises(InputError, match="--force"):
        export_spacy(folder, tmp_path / "empty")


def test_without_a_classifier_it_says_so() -> None:
    nlp = spacy.blank("en")
    nlp.add_pipe("relgen")
    with pytest.raises(InputError, match="no classifier"):
        nlp.get_pipe("relgen").classifier  # noqa: B018

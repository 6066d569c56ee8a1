"""The comparison with GLiNER, on stand-ins with the methods of gliner 0.2.29 and gliner2 2.1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import zero_shot as benchmark
from relgen.classifiers.entity_marker import EntityMarkerClassifier
from relgen.classifiers.saved import save_classifier
from relgen.data.samples import Entity, Sample, write_samples
from tests.tiny.encoders import SCHEMA, TYPED, save_encoder

pytestmark = [pytest.mark.compute, pytest.mark.processes]
GLINER = """
class GLiNER:
    @classmethod
    def from_pretrained(cls, name):
        assert name == "relex"
        return cls()

    def inference(
        self, texts, labels, relations=[], flat_ner=True, threshold=0.5, adjacency_threshold=None,
        relation_threshold=None, multi_label=False, batch_size=8, packing_config=None,
        input_spans=None, return_relations=True, return_class_probs=False,
    ):
        assert (labels, relations, batch_size) == (["entity"], ["cause", "part"], 2)
        assert threshold < relation_threshold == 0.4
        found = [self.relations(text, *spans) for text, spans in zip(texts, input_spans)]
        return [[] for _ in texts], found

    def relations(self, text, first, second):
        head, tail = (
            {**span, "text": text[span["start"] : span["end"]], "type": "entity", "entity_idx": n}
            for n, span in enumerate((first, second))
        )
        fact = {"head": head, "tail": tail, "relation": "cause", "score": 0.9}
        return [fact] if "caused" in text else []
"""
GLINER2 = """
import re

class AutoExtractor:
    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *model_args, **kwargs):
        assert pretrained_model_name_or_path == "two"
        return cls()

    def batch_extract_relations(
        self, texts, relation_types, batch_size=8, threshold=0.5, format_results=True,
        include_confidence=False, include_spans=False, max_len=None, overlap_policy=None,
    ):
        assert relation_types["part"] == "The head is a part of the tail."
        assert include_confidence and include_spans and threshold == 0.4
        return [
            {"relation_extraction": {name: self.facts(text, name) for name in relation_types}}
            for text in texts
        ]

    def facts(self, text, name):
        def span(found, confidence):
            start, end = found.span()
            return {"text": found[0], "confidence": confidence, "start": start, "end": end}

        heads = list(re.finditer("storm|wheel", text))
        tails = list(re.finditer("the (flood|car)", text))
        confidence = {"cause": 0.5, "part": 0.6}[name]
        return [{"head": span(h, 0.9), "tail": span(t, confidence)} for h in heads for t in tails]
"""


def sample(name: str, text: str, head: str, tail: str, relation: str) -> Sample:
    start, end = text.index(head), text.index(tail)
    ends = Entity(start, start + len(head)), Entity(end, end + len(tail))
    return Sample(name, text, *ends, relation)


SAMPLES = [
    sample("1", "the storm caused the flood .", "storm", "flood", "cause"),
    sample("2", "the wheel is part of the car .", "wheel", "car", "part"),
    sample("3", "a storm and a crane .", "storm", "crane", "none"),
    sample("4", "the rain caused the mud .", "mud", "rain", "none"),
]


def test_three_sides_are_scored_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gliner.py").write_text(GLINER)
    (tmp_path / "gliner2.py").write_text(GLINER2)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    write_samples(tmp_path / "test.jsonl", SAMPLES)
    save_classifier(
        EntityMarkerClassifier(SCHEMA, save_encoder(tmp_path / "encoder")), tmp_path / "clf"
    )
    line = [str(tmp_path / "test.jsonl"), "--classifier", str(tmp_path / "clf"), "--batch", "2"]
    line += ["--gliner", "relex", "--gliner2", "two", "--threshold", "0.4", "--threads", "1"]
    benchmark.main([*line, "--json", str(tmp_path / "out.json")])
    rows: list[dict[str, Any]] = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert [row["name"] for row in rows[1:]] == ["relgen, always a relation", "relex", "two"]
    assert rows[1]["none_recall"] == 0
    assert rows[1]["recall"] >= rows[0]["recall"]
    assert all(row["ms"] > 0 for row in rows)
    # relex: cause, none, none, and of the fourth the relation in the other direction, which is none
    # of SCHEMA's; two: part twice, which it is surer of, and none twice
    names = ("none_precision", "none_recall", "precision", "recall", "f1")
    found = [[round(row[name], 1) for name in names] for row in rows[2:]]
    assert found == [[66.7, 100, 100, 50, 66.7], [100, 100, 50, 50, 50]]


def test_a_relation_with_two_directions_is_asked_for_once() -> None:
    names = benchmark.asked_for(TYPED)
    assert names == {
        "cause effect": "Cause-Effect(e1,e2)",
        "founded by": "founded_by",
        "born in": "born_in",
    }
    one = sample("1", "the storm caused the flood .", "storm", "flood", "x")
    other = sample("1", "the storm caused the flood .", "flood", "storm", "x")
    facts = [["cause effect", [0, 9], [21, 26], 0.6], ["founded by", [4, 9], [21, 26], 0.5]]
    assert benchmark.answer(facts, one, names, TYPED) == "Cause-Effect(e1,e2)"
    assert benchmark.answer(facts, other, names, TYPED) == "Cause-Effect(e2,e1)"
    assert benchmark.answer(facts[1:], other, names, TYPED) == "no_relation"
    assert benchmark.answer([], one, names, TYPED) == "no_relation"

"""Files of annotation tools are named, by whichever reader meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.data.corpora import read_corpus
from relgen.data.samples import read_samples
from relgen.data.validation import RecordChecks

TEXT = "Kite Press was founded by Olu Ade."
SPANS = [{"start": 0, "end": 10, "label": "ORG"}, {"start": 26, "end": 33, "label": "PER"}]
TOKENS = TEXT.replace(".", " .").split()
NAMED = {
    "doccano": {"id": 1, "text": TEXT, "entities": [], "relations": [{"id": 5, "from_id": 1}]},
    "Prodigy": {"text": TEXT, "spans": SPANS, "relations": [{"head": 1, "child": 6}]},
    "SpERT": {"tokens": TOKENS, "entities": [{"start": 0}], "relations": [{"head": 0}]},
    "SciERC": {"sentences": [TOKENS], "ner": [[[0, 1, "O"]]], "relations": [[[0, 1, 5, 6, "f"]]]},
    "Label Studio": {"data": {"text": TEXT}, "annotations": [{"result": [{"id": "a"}]}]},
    "DocRED": {"sents": [TOKENS], "vertexSet": [[{"name": "Kite Press"}]]},
}
FORMS = {
    tool: f"; relgen data convert --format {tool.replace(' ', '').lower()}"
    for tool in ("doccano", "Prodigy", "SpERT", "Label Studio")
} | {"SciERC": "; relgen data convert --format dygie"}
LINES = {
    "WebAnno TSV": "#FORMAT=WebAnno TSV 3.3\n",
    "PubTator": "123|t|A title.\n",
    "standoff file of brat": "T1\tORG 0 10\tKite Press\n",
    "OpenNRE's older table": f"m.0a1\tm.0b2\tkite_press\tolu_ade\tfounded_by\t{TEXT} ###END###\n",
    "KLUE-RE": json.dumps({"sentence": TEXT, "subject_entity": {"start_idx": 0}}) + "\n",
}


def read(path: Path, form: str) -> list[object]:
    return list(read_corpus(form, RecordChecks(path)))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.parametrize("tool", NAMED)
@pytest.mark.parametrize("form", ["jsonl", "opennre", "hub"])
def test_records_of_a_tool_are_one_line_that_names_it(tool: str, form: str, tmp_path: Path) -> None:
    path = tmp_path / ("export.json" if form == "hub" else "export.jsonl")
    path.write_text(json.dumps(NAMED[tool]) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=f"export.jsonl?: this is .*{tool}") as caught:
        read(path, form)
    assert FORMS.get(tool, "<head>…</head>") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tool", LINES)
def test_lines_of_a_tool_are_one_line_that_names_it(tool: str, tmp_path: Path) -> None:
    path = tmp_path / "export.txt"
    path.write_text(LINES[tool] * 3, encoding="utf-8")
    with pytest.raises(InputError, match=f"^{path}: this is .*{tool}") as caught:
        read_samples(path)
    assert "relgen data convert --format" in str(caught.value)
    assert "\n" not in str(caught.value)

"""Hashes that name the folders of stages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from relgen.experiments.config import CorpusFiles, Experiment, Labelling
from relgen.experiments.planner import plan


def test_a_changed_corpus_file_gets_new_folders(
    experiment: Experiment, corpus: CorpusFiles, tmp_path: Path
) -> None:
    before = plan(experiment, tmp_path / "run").stages[0].folder
    Path(corpus.train).write_text("other", encoding="utf-8")
    assert plan(experiment, tmp_path / "run").stages[0].folder != before


def test_another_model_in_the_same_folder_reads_again(
    experiment: Experiment, tmp_path: Path
) -> None:
    reader = tmp_path / "reader"
    reader.mkdir()
    (reader / "weights").write_text("first", encoding="utf-8")
    own = replace(experiment, label=Labelling(model=str(reader)))

    def folders() -> dict[str, Path]:
        return {stage.kind: stage.folder for stage in plan(own, tmp_path / "run").stages}

    before = folders()
    (reader / "weights").write_text("the second", encoding="utf-8")
    after = folders()
    assert before["label"] != after["label"]
    assert before["generate"] == after["generate"]

"""Corpora under $RELGEN_DATA: which files, with which patches."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from relgen.cli.main import main
from relgen.common.errors import InputError
from relgen.common.files import read_json
from relgen.common.presets import find_schema
from relgen.experiments.config import CorpusFiles, Experiment
from relgen.experiments.corpora import ON_DISK, plan_corpus
from relgen.experiments.planner import plan
from relgen.experiments.results import write_report_data
from relgen.experiments.stages import StageFolders

SAMPLE = {
    "id": "1",
    "text": "Ann founded Acme.",
    "head": {"start": 12, "end": 16},
    "tail": {"start": 0, "end": 3},
    "relation": "founded_by",
}


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """Return what gives the message with which a dry run refuses an experiment."""
    monkeypatch.chdir(tmp_path)

    def message(text: str) -> str:
        Path("e.yaml").write_text(text, encoding="utf-8")
        assert main(["run", "e.yaml", "--out", "run", "--dry-run"]) == 2
        return capsys.readouterr().err

    return message


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("tacred/data/json/train.json", "tacred/test.json", "tacrev/test_patch.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    monkeypatch.setenv("RELGEN_DATA", str(tmp_path))
    return tmp_path


def test_every_corpus_has_a_schema() -> None:
    known = get_args(get_args(get_type_hints(Experiment)["corpus"])[0])
    assert set(known) == {"everyday", *ON_DISK}
    for corpus in ON_DISK.values():
        assert find_schema(corpus.schema).is_file()


def test_a_patch_goes_to_the_files_that_it_is_for(root: Path) -> None:
    folders = StageFolders(root / "run")
    corpus = plan_corpus("tacrev", folders)
    train, test, unpatched = folders.stages.values()
    assert corpus.schema == "tacred"
    assert "--labels" not in train.command
    assert train.command[2] == str((root / "tacred/data/json/train.json").resolve())
    patch = (root / "tacrev/test_patch.json").resolve()
    assert test.command[test.command.index("--labels") + 1] == str(patch)
    assert patch in test.inputs  # another patch is another corpus
    assert corpus.test == test.folder / "test.jsonl"
    assert corpus.kept_out == unpatched.folder / "test.jsonl"
    assert "--labels" not in unpatched.command


def test_what_two_corpora_have_in_common_is_made_once(root: Path) -> None:
    plans = {
        corpus: plan(
            Experiment(name="mine", corpus=corpus, arms=("human", "obo_dpo_mix", "direct")),
            root / "run",
        )
        for corpus in ("tacred", "tacrev")
    }
    tacred, tacrev = ({stage.folder for stage in made.stages} for made in plans.values())
    own = [stage for stage in plans["tacrev"].stages if stage.folder not in tacred]
    assert {stage.kind for stage in own} == {"corpus", "direct", "train", "test"}
    theirs = [stage for stage in plans["tacred"].stages if stage.folder not in tacrev]
    assert {stage.kind for stage in theirs} == {"direct", "train", "test"}
    assert plans["tacrev"].test in [f for s in own if s.kind == "test" for f in s.inputs]


def test_the_authors_own_folders_are_looked_into(root: Path) -> None:
    (root / "tacrev" / "patch").mkdir()
    moved = (root / "tacrev/test_patch.json").rename(root / "tacrev/patch/test_patch.json")
    folders = StageFolders(root / "run")
    plan_corpus("tacrev", folders)
    assert moved.resolve() in [*folders.stages.values()][1].inputs


def test_what_is_missing_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"train_id2label\.json: retacred needs this file"):
        plan_corpus("retacred", StageFolders(root / "run"))
    monkeypatch.delenv("RELGEN_DATA")
    with pytest.raises(InputError, match="which is not set"):
        plan_corpus("tacred", StageFolders(root / "run"))


FILES = "corpus:\n  train: {}\n  test: {}\n  schema: {}\narms: [human]\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            FILES.format("trian.jsonl", "train.jsonl", "everyday"),
            "2: field 'corpus.train': no such file (got 'trian.jsonl'); did you mean "
            "'train.jsonl'?",
        ),
        (
            FILES.format("train.jsonl", "none.jsonl", "everyday"),
            "3: field 'corpus.test': no such file (got 'none.jsonl'); check the path",
        ),
        (
            FILES.format("train.jsonl", "train.jsonl", "everyda"),
            "4: field 'corpus.schema': no such file or schema (got 'everyda'); did you mean "
            "'everyday'?",
        ),
        (
            "corpus: everyday\narms: [unlabelled_mix]\nunlabelled: none.jsonl\n",
            "3: field 'unlabelled': no such file (got 'none.jsonl'); check the path",
        ),
        (
            "corpus: everyday\narms: [obo_mix_reviewed]\nreviewed: none.jsonl\n",
            "3: field 'reviewed': no such file (got 'none.jsonl'); check the path",
        ),
    ],
)
def test_a_missing_file_is_named_by_the_experiments_line_and_key(
    text: str, said: str, refused: Callable[[str], str]
) -> None:
    Path("train.jsonl").write_text("", encoding="utf-8")
    assert refused(text) == f"e.yaml:{said}\n"


def test_a_test_on_the_training_samples_is_refused(root: Path, corpus: CorpusFiles) -> None:
    same = replace(corpus, test=corpus.train)
    with pytest.raises(InputError, match=r"'corpus\.test': the same samples as corpus\.train"):
        plan_corpus(same, StageFolders(root / "run"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("not json at all", "reviewed.jsonl:1: not valid JSON"),
        (json.dumps({**SAMPLE, "relation": "foo"}), "reviewed.jsonl:1: field 'relation': "),
    ],
)
def test_reviewed_samples_are_read_before_anything_runs(
    line: str, said: str, refused: Callable[[str], str]
) -> None:
    Path("reviewed.jsonl").write_text(f"{line}\n", encoding="utf-8")
    text = "corpus: everyday\narms: [obo_mix_reviewed]\nreviewed: reviewed.jsonl\n"
    assert refused(text).startswith(said)


@pytest.mark.parametrize(("corpus", "shown"), [("everyday", True), ("tacred", False)])
def test_a_report_shows_no_sentence_of_a_licensed_corpus(
    root: Path, corpus: str, shown: bool
) -> None:
    experiment = Experiment(name="mine", corpus=corpus, arms=("human",))
    planned = plan(experiment, root / "run")
    (root / "run").mkdir()
    write_report_data(experiment, replace(planned, stages=(), arms=()), root / "run")
    assert read_json(root / "run" / "report_data.json")["show_human_sentences"] is shown


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
@pytest.mark.parametrize("name", ["train.jsonl", "test.jsonl"])
def test_wrong_labels_are_found_before_any_stage_runs(
    corpus: CorpusFiles,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    name: str,
) -> None:
    path = tmp_path / name
    content = path.read_text(encoding="utf-8")
    assert content.count('"b"') == 1
    path.write_text(content.replace('"b"', '"c"'), encoding="utf-8")
    files = f"{{train: {corpus.train}, test: {corpus.test}, schema: {corpus.schema}}}"
    experiment = tmp_path / "experiment.yaml"
    experiment.write_text(f"corpus: {files}\narms: [human]\n", encoding="utf-8")
    run = ["run", str(experiment), "--out", str(tmp_path / "run"), *options]
    assert main(run) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"{path}:2: ")
    assert "'c'" in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "run").exists()
    assert not said.out

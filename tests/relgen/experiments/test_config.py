"""Experiments: read, checked, and every mistake named with its remedy."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from relgen.cli import main as cli
from relgen.common.errors import InputError
from relgen.common.presets import list_configs
from relgen.experiments.config import CorpusFiles, Experiment
from relgen.experiments.grid import load_grid
from tests.relgen.cli.failing import failed


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _presets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Configurations that an experiment names by default, whatever the project ships."""
    preset = tmp_path / "preset.yaml"
    preset.write_text("model: {init_args: {classifier: x}}\n", encoding="utf-8")

    def find(name: str, folder: str = "") -> Path:
        return Path(name) if folder == "experiments" else preset

    monkeypatch.setattr("relgen.experiments.grid.find_config", find)


def load_experiment(path: Path) -> Experiment:
    (cell,) = load_grid(path).cells
    return cell.experiment


def test_help_lists_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["run", "--help"])
    said = capsys.readouterr().out.partition("keys of the experiment's file:")[2]
    shown = {key.partition(".")[0] for key in re.findall(r"^  ([a-z_.0-9]+)", said, re.MULTILINE)}
    assert shown == {entry.name for entry in fields(Experiment)} - {"name", "source"}
    assert "One of together, side_by_side, generated_first." in " ".join(said.split())


def test_a_key_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    line = failed(capsys, "run", "everyday", "--out", "x", "--generator.samples", "4")
    said = "is one of the keys of the experiment's file, not an option; set it in the file"
    assert line == f"field '--generator-samples': {said}"


def test_defaults(tmp_path: Path) -> None:
    experiment = load_experiment(written(tmp_path, "corpus: everyday\n"))
    assert experiment == Experiment(name="mine", corpus="everyday")
    assert experiment.shots == 8
    assert experiment.generations == ["obo_dpo", "aao"]


def test_quoted_values_are_read_as_yaml_would(tmp_path: Path) -> None:
    text = "corpus: everyday\nkeep_weights: 'no'\nhalves: 'true'\nseeds: [1, '2']\nshots: '4'\n"
    experiment = load_experiment(written(tmp_path, text))
    assert (experiment.keep_weights, experiment.halves) == (False, True)
    assert (experiment.seeds, experiment.shots) == ((1, 2), 4)
    for wrong in ("keep_weights: 'never'", "keep_weights: 1", "seeds: [1, 'two']"):
        with pytest.raises(InputError, match=r"mine\.yaml:2: field .*: must be"):
            load_experiment(written(tmp_path, f"corpus: everyday\n{wrong}\n"))


def test_everything_said(tmp_path: Path) -> None:
    text = """
corpus: {train: a.jsonl, test: b.jsonl, schema: s.yaml}
shots: 4
seeds: [1, 2]
arms: [human, obo_plain_mix]
generator: {model: m, samples: 3, token_budget: 900}
chains: {per_relation: 2, shares: {wrong_label: 1, near_copy: 0.5}}
halves: false
classifiers: [c/one, c/two]
"""
    experiment = load_experiment(written(tmp_path, text))
    assert experiment.corpus == CorpusFiles("a.jsonl", "b.jsonl", "s.yaml")
    assert experiment.seeds == (1, 2)
    assert experiment.chains.shares == {"wrong_label": 1.0, "near_copy": 0.5}
    assert experiment.corpus_name == "s"
    assert experiment.halves is False
    assert experiment.generator.token_budget == 900


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shots: 8\n", "field 'corpus': missing"),
        ("corpus: everyday\nshotz: 8\n", "did you mean 'shots'?"),
        ("corpus: everyday\ngenerator: {modle: x}\n", "field 'generator.modle': unknown key"),
        ("corpus: everyday\nlabel: {modle: x}\n", "field 'label.modle': unknown key"),
        (
            "corpus: everyday\nlabel: {dtype: float8}\n",
            "must be one of float32, bfloat16, float16, float64, auto, int8 or null (got 'float8')",
        ),
        ("corpus: everyday\nlabel: true\n", "field 'label': must be"),
        ("corpus: everyday\nlabel: {most: 0}\n", "field 'label.most': must be a whole number"),
        ("corpus: everyday\narms: [unlabelled_mix]\n", "`unlabelled: sentences.jsonl`"),
        (
            "corpus: everyday\narms: [obo_unlabelled_mix]\nunlabelled: x\nlabel: null\n",
            "remove `label: null`",
        ),
        ("corpus: everyday\nunlabelled: x\n", "field 'unlabelled': no arm uses"),
        ("corpus: everyday\narms: [obo_mix_reviewed]\n", "`reviewed: reviewed.jsonl`"),
        ("corpus: everyday\nreviewed: x\n", "field 'reviewed': no arm uses"),
        ("corpus: everyday\nlabel: {least_certainty: 1}\n", "field 'label.least_certainty': must"),
        ("corpus: everyday\ndtype: half\n", "field 'dtype': must be one of float32, "),
        (
            "corpus: everyday\ninitialisations: 0\n",
            "field 'initialisations': must be a whole",
        ),
        (
            "corpus: everyday\nshots: many\n",
            "must be a whole number above 0 (got 'many')",
        ),
        (
            "corpus: everyday\ngenerator: {token_budget: 0}\n",
            "'generator.token_budget': must be a whole number above 0 or null (got 0)",
        ),
        (
            "corpus: everyday\ngenerator: {token_budget: x}\n",
            "above 0 or null (got 'x')",
        ),
        (
            "corpus: everyday\ngenerator: {chains: 0}\n",
            "field 'generator.chains': must be a whole",
        ),
        ("corpus: everyday\nshots: 0\n", "field 'shots': must be a whole number above 0 (got 0)"),
        (
            "corpus: everyday\nseeds: 1\n",
            "must be a list of whole numbers (got 1)",
        ),
        ("corpus: everyday\nseeds: [1, 1]\n", "must list different values"),
        ("corpus: everyday\narms: [obo_dpo_mixed]\n", "did you mean 'obo_dpo_mix'?"),
        (
            "corpus: wikipedia\n",
            "must be one of everyday, semeval, tacred, ",
        ),
        ("corpus: {train: a, test: b}\n", "field 'corpus.schema': missing"),
        ("corpus: [\n", "not valid YAML"),
        ("corpus: everyday\nshots: 2\nshots: 3\n", "mine.yaml:3: not valid YAML: the key 'shots'"),
        ("- corpus\n", "an experiment is a mapping"),
        ("corpus: everyday\nhalves: 1\n", "must be true or false"),
        ("corpus: everyday\nshots: true\n", "must be a whole number"),
    ],
)
def test_mistakes_name_the_file_and_the_remedy(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_experiment(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_shipped_experiments_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    names = list_configs("experiments")
    assert {"experiments/everyday", "experiments/semeval"} <= set(names)
    for name in names:
        assert load_grid(name).name == Path(name).name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("corpus: everyday\nclassifiers: [dpo/smollm2]\n", "is not a configuration of `relgen "),
        (
            "corpus: everyday\nchains: {shares: {foo: 1}}\n",
            "'chains.shares.foo': unknown key",
        ),
        ("corpus: everyday\narms: []\n", "field 'arms': must not be empty"),
        ("corpus: everyday\ndirect: {answer: x}\n", "must be one of likelihood, constrained, free"),
        ("corpus: everyday\norder: x\n", "must be one of together, side_by_side, generated_first"),
    ],
)
def test_mistakes_that_a_stage_would_find_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.undo()
    with pytest.raises(InputError, match=message):
        load_experiment(written(tmp_path, text))

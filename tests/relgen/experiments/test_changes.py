"""Keys that an experiment changes in presets: where they end, and every mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.common.errors import InputError
from relgen.experiments.changes import Preset
from relgen.experiments.config import Experiment
from relgen.experiments.grid import load_grid
from relgen.experiments.planner import plan
from tests.relgen.cli.failing import failed

TEXT = """
corpus: everyday
arms: [human, obo_dpo_mix]
halves: false
generator: {temperature: 0.7, top_k: null, grammar: false, samples: 4}
dpo: {preset: dpo/smollm2, model.beta: 0.2, model: {optimizer: {lr: 1.0e-4}}}
classifiers:
  - classifier/entity_marker
  - {preset: classifier/entity_marker, name: larger, encoder: my/encoder, data.exchange: false}
"""


def loaded(tmp_path: Path, text: str) -> Experiment:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    (cell,) = load_grid(path).cells
    return cell.experiment


def test_changes_become_options_of_the_commands(tmp_path: Path) -> None:
    experiment = loaded(tmp_path, TEXT)
    assert experiment.generator.changes == {"temperature": 0.7, "top_k": None, "grammar": False}
    assert experiment.tuning.changes == {"model.beta": 0.2, "model.optimizer.lr": 1e-4}
    assert [one.label for one in experiment.trained] == ["entity_marker", "larger"]
    stages = {stage.name: stage for stage in plan(experiment, tmp_path / "run").stages}

    def following(name: str, *options: str) -> list[str]:
        words = stages[f"seed1/{name}"].command
        return [words[words.index(option) + 1] for option in options]

    generate = "generate-obo_dpo"
    assert following(generate, "--temperature", "--top-k", "--samples") == ["0.7", "null", "4"]
    assert "--no-grammar" in stages[f"seed1/{generate}"].command
    assert following("dpo-all", "--model.beta", "--model.optimizer.lr") == ["0.2", "0.0001"]
    for kind in ("train", "test"):
        options = ("-c", "--model.classifier.model", "--data.exchange")
        assert following(f"{kind}-human-larger", *options) == [
            *("classifier/entity_marker", "my/encoder", "false")
        ]
        plain = stages[f"seed1/{kind}-human-entity_marker"]
        assert "--model.classifier.model" not in plain.command
        assert plain.models == ("all-minilm-l6-v2",)
        assert stages[f"seed1/{kind}-human-larger"].models == ("my/encoder",)


def test_a_server_can_be_named_in_place(tmp_path: Path) -> None:
    server = "{base_url: http://host:1/v1, system_role: false}"
    generator = f"generator: {{model: x, obo: generate/server_obo, server: {server}}}"
    experiment = loaded(tmp_path, f"corpus: everyday\narms: [obo_mix]\n{generator}\n")
    (stage,) = (s for s in plan(experiment, tmp_path / "run").stages if s.kind == "generate")
    assert stage.command[stage.command.index("--server-base-url") + 1] == "http://host:1/v1"
    assert "--no-server-system-role" in stage.command
    assert stage.models == ()


def test_a_change_lies_where_the_file_has_its_key() -> None:
    changed = Preset("classifier/entity_marker", None, {"model.classifier.model": "x"})
    init = changed.settings("classifier")["model"]["init_args"]["classifier"]["init_args"]
    assert (init["model"], init["freeze_embeddings"]) == ("x", True)
    assert changed.encoder == "x"
    assert Preset("classifier/entity_marker").encoder == "all-minilm-l6-v2"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "generator: {temprature: 1}",
            "'generator.temprature': unknown key (got 1); did you ",
        ),
        (
            "generator: {temperature: warm}",
            "'generator.temperature': must be a number of at ",
        ),
        ("generator: {top_p: 2}", "'generator.top_p': must be "),
        (
            "generator: {obo: {preset: my.yaml, top_p: 0.7}}",
            "'generator.obo': must be a preset or a path (got {'preset': 'my.yaml', 'top_p': 0.7});"
            " give other keys beside it, for all ways: generator: {obo: my.yaml, top_p: 0.7}",
        ),
        ("dtype: int8", "'dtype': not for models that are tuned (got 'int8'); give it where a "),
        ("generator: {seed: 2}", "'generator.seed': is set by the arms and seeds; remove it"),
        ("generator: {server: {base_url: x}}", "'generator.server.base_url': is not a server's"),
        (
            "generator: {server: {api_key_variable: X}}",
            "'generator.server.api_key_variable': an ",
        ),
        ("dpo: {model.beta: 0.2}", "'dpo.preset': missing; name one, as in {preset: dpo/smollm2"),
        ("dpo: {preset: dpo/smollm2, beta: 1}", "'dpo.beta': unknown key (got 1); known: model, "),
        (
            "dpo: {preset: dpo/smollm2, data.seed: 1}",
            "'dpo.data.seed': is set by the experiment's",
        ),
        ("dpo: {preset: dpo/smollm2, out: x}", "'dpo.out': unknown key (got 'x')"),
        ("dpo: {preset: dpo/smolm2}", "'dpo': "),
        (
            "classifiers: [{preset: classifier/entity_marker, data.test: x}]",
            "`corpus` (got 'x')",
        ),
        ("classifiers: [{preset: classifier/entity_marker, name: 1}]", "].name': must be a string"),
    ],
)
def test_mistakes_name_line_key_and_remedy(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        loaded(tmp_path, f"corpus: everyday\n{line}\n")
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.yaml'}:2: ")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "dtype: float32\ndpo: {preset: dpo/smollm2, model.dtype: auto}",
            "by `dtype` as well",
        ),
        (
            "classifier_steps: 9\nclassifiers: [{preset: classifier/entity_marker, "
            "trainer: {max_steps: 3}}]",
            "'classifiers[0].trainer.max_steps': is given by `classifier_steps` as well (got 3); ",
        ),
        (
            "shots: 8\nclassifiers: [{preset: classifier/entity_marker}, classifier/entity_marker]",
            "two classifiers must not have the same name (got ['entity_marker', 'entity_marker'])",
        ),
    ],
)
def test_a_value_is_given_once(tmp_path: Path, lines: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        loaded(tmp_path, f"corpus: everyday\n{lines}\n")
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.yaml'}:3: ")


def test_settings_that_do_not_go_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    run = ["run", str(path), "--out", str(tmp_path / "run")]
    text = "corpus: everyday\narms: [aao_mix]\ngenerator: {candidates: 3}\n"
    path.write_text(text, encoding="utf-8")
    assert failed(capsys, *run) == (
        f"{path}:3: field 'generator.candidates': several candidates are for obo only (got 3); "
        "leave it at 1, or use mode: obo"
    )
    cells = "corpus: everyday\ncells:\n- {shots: 1}\n- {shots: 2, generator: {backend: openai}}\n"
    path.write_text(cells, encoding="utf-8")
    assert failed(capsys, *run).startswith(f"{path}: field 'generator.server': must be given with")
    assert not (tmp_path / "run").exists()

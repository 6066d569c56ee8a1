"""What presets' own parsers and the models' names have to say, before any stage runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from relgen.cli import main as cli
from relgen.common.presets import find_config
from tests.relgen.cli.failing import failed

ONE = "classifiers:\n- preset: classifier/entity_marker\n  "


@pytest.mark.parametrize(
    ("arms", "text", "line", "message"),
    [
        (
            "obo_dpo_mix",
            "dpo: {preset: dpo/smollm2, model.beta: -1}",
            3,
            "'dpo.model.beta': must be a number above 0 (got '-1')",
        ),
        (
            "obo_dpo_mix",
            "dpo:\n  preset: dpo/smollm2\n  model.betta: 0.2",
            5,
            "'dpo.model.betta': unknown key (got '0.2'); did you mean 'model.beta'?",
        ),
        (
            "obo_dpo_mix",
            "dpo: {preset: dpo/smollm2, model: {loss: sigmoids}}",
            3,
            "'dpo.model.loss': must be one of sigmoid, ",
        ),
        (
            "obo_dpo_mix",
            "dpo: {preset: dpo/smollm2, trainer.precision: nonsense}",
            3,
            "'dpo.trainer.precision': must be one of ",
        ),
        (
            "human",
            f"{ONE}trainer.max_stepz: 3",
            5,
            "'classifiers[0].trainer.max_stepz': unknown key (got '3'); did you mean 'trainer.max",
        ),
        (
            "human",
            f"{ONE}data: {{batch_size: 0}}",
            5,
            "'classifiers[0].data.batch_size': must be a whole number above 0 (got '0')",
        ),
        (
            "human",
            f"{ONE}encoder: /no/such/folder",
            5,
            "'classifiers[0].encoder': no such folder (got '/no/such/folder'); give a model's ",
        ),
        (
            "obo_mix",
            "generator: {model: my-org/not-fetched}",
            3,
            "'generator.model': no such model: neither embedded, nor a folder, nor in the local "
            "Hub cache (HF_HUB_OFFLINE is set) (got 'my-org/not-fetched'); use "
            "smollm2-135m-instruct (language model) or all-minilm-l6-v2 (encoder), or download it "
            "first: hf download my-org/not-fetched",
        ),
        (
            "obo_mix",
            "generator: {model: weights/none.gguf}",
            3,
            "'generator.model': no such file (got 'weights/none.gguf'); check the path",
        ),
        (
            "obo_mix",
            "label: {model: ./reader}",
            3,
            "'label.model': no such folder (got './reader'); give a model's folder, or use ",
        ),
    ],
)
def test_mistakes_name_line_key_and_remedy(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arms: str,
    text: str,
    line: int,
    message: str,
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"corpus: everyday\narms: [{arms}]\n{text}\n", encoding="utf-8")
    said = failed(capsys, "run", str(path), "--out", str(tmp_path / "run"))
    assert said.startswith(f"{path}:{line}: field {message}")
    assert not (tmp_path / "run").exists()


def test_a_configuration_of_ones_own_is_named_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = find_config("classifier/entity_marker").read_text(encoding="utf-8")
    own = tmp_path / "own.yaml"
    own.write_text(shipped.replace("batch_size: 16", "batch_size: 16\n    shuffle: true"))
    path = tmp_path / "mine.yaml"
    path.write_text(f"corpus: everyday\narms: [human]\nclassifiers: [{own}]\n", encoding="utf-8")
    said = failed(capsys, "run", str(path), "--out", str(tmp_path / "run"), "--dry-run")
    line = own.read_text(encoding="utf-8").splitlines().index("    shuffle: true") + 1
    assert said.startswith(f"{own}:{line}: field 'data.shuffle': unknown key (got True)")


def test_models_that_no_arm_loads_are_not_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    text = "corpus: everyday\narms: [human]\ngenerator: {model: /no/such/folder}\n"
    path.write_text(text, encoding="utf-8")
    assert cli.main(["run", str(path), "--out", str(tmp_path / "run"), "--dry-run"]) == 0
    assert "all stages" not in capsys.readouterr().out

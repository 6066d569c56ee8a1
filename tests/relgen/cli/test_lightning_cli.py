"""Numbers of modules, data modules and classifiers that are out of range, by the command line."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest

from datamodules.preferences import PreferenceDataModule
from datamodules.relations import RelationDataModule
from lightning_modules.dpo import DPOModule
from lightning_modules.relation_classifier import RelationClassifierModule
from relgen.classifiers.entity_marker import EntityMarkerClassifier
from relgen.classifiers.knowprompt import KnowPromptClassifier
from relgen.classifiers.retrieval import RetrievalClassifier
from relgen.cli import main as cli

DATA = {
    "dpo": ["--data.chains", "chains.jsonl", "--data.schema", "everyday"],
    "classifier": ["--data.human", "human.jsonl", "--data.schema", "everyday"],
}
PRESETS = {"dpo": "dpo/smollm2", "classifier": "classifier/entity_marker"}
POSITIVE = "a whole number above 0"
COUNT = "a whole number of at least 0"
BELOW_ONE = "a number of at least 0 and below 1"


@pytest.mark.parametrize(
    ("name", "option", "value", "wanted"),
    [
        ("dpo", "model.lora_rank", "0", POSITIVE),
        ("dpo", "model.lora_dropout", "1", BELOW_ONE),
        ("dpo", "model.branch_tokens", "0", f"{POSITIVE} or null"),
        ("dpo", "model.beta", "nan", "a number above 0"),
        ("dpo", "model.beta", "inf", "a number above 0"),
        ("dpo", "model.beta", "null", "a number above 0"),
        ("dpo", "model.optimizer.lr", "inf", "a number or a Tensor"),
        ("dpo", "model.label_smoothing", "0.5", "a number of at least 0 and below 0.5"),
        ("dpo", "data.token_budget", "0", POSITIVE),
        ("dpo", "data.max_length", "null", POSITIVE),
        ("dpo", "data.validation_share", "1", BELOW_ONE),
        ("classifier", "model.warmup_share", "7", "a number from 0 to 1"),
        ("classifier", "model.warmup_share", "nan", "a number from 0 to 1"),
        ("classifier", "model.head_learning_rate", "inf", "a number above 0"),
        ("classifier", "model.generated_weight", "-0.5", "a number of at least 0"),
        ("classifier", "model.classifier.dropout", "1.5", BELOW_ONE),
        ("classifier", "data.generated_share", "2", "a number from 0 to 1"),
        ("classifier", "data.batch_size", "0", POSITIVE),
        ("classifier", "data.batch_size", "null", POSITIVE),
        ("classifier", "data.workers", "-1", COUNT),
    ],
)
def test_numbers_out_of_range(
    name: str,
    option: str,
    value: str,
    wanted: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = [name, "fit", "-c", PRESETS[name], *DATA[name], "--out", str(tmp_path / "out")]
    assert cli.main([*command, f"--{option}={value}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert option.rpartition(".")[2] in line
    assert f"must be {wanted}" in line
    assert value in line or value == "null"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "kind",
    [
        DPOModule,
        RelationClassifierModule,
        PreferenceDataModule,
        RelationDataModule,
        EntityMarkerClassifier,
        KnowPromptClassifier,
        RetrievalClassifier,
    ],
)
def test_every_number_but_a_seed_has_a_range(kind: type) -> None:
    hints = typing.get_type_hints(kind.__init__)  # type: ignore[misc]
    free = [
        name
        for name, hint in hints.items()
        if any(option in (int, float) for option in (hint, *typing.get_args(hint)))
    ]
    assert [name for name in free if not name.endswith("seed")] == []

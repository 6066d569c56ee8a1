"""What docs/watching.md promises, read back from the files of a training."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import MLFlowLogger, WandbLogger
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_modules.callbacks.loggers import (
    write_figure,
    write_numbers,
    write_settings,
    write_text,
)
from relgen.cli import main as cli
from relgen.data.samples import write_samples
from relgen.dpo.preference_pairs import write_chains
from tests import tiny
from tests.tiny import encoders

QUIET = ["--trainer.accelerator", "cpu", "--trainer.enable_progress_bar", "false"]
PAGE = Path(__file__).parents[3] / "docs/watching.md"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    tiny.save_model(tmp_path / "base")
    write_chains(tmp_path / "chains.jsonl", [tiny.chain(n, name=f"c{n}") for n in (1, 2, 3)])
    tiny.SCHEMA.save(tmp_path / "schema.yaml")
    encoders.save_encoder(tmp_path / "encoder")
    encoders.SCHEMA.save(tmp_path / "labels.yaml")
    for name, skip in (("human", 0), ("test", 48)):
        write_samples(tmp_path / f"{name}.jsonl", encoders.samples(12, skip=skip))
    return tmp_path


def dpo(folder: Path, *options: str) -> list[str]:
    return [
        *("dpo", "fit", "-c", "dpo/smollm2", "--model.model", str(folder / "base")),
        *("--data.chains", str(folder / "chains.jsonl"), "--data.token_budget", "500"),
        *("--data.validation_chains", str(folder / "chains.jsonl")),
        *("--data.schema", str(folder / "schema.yaml"), "--out", str(folder / "dpo")),
        *("--model.sample_every_n_steps", "1", *QUIET, *options),
    ]


def classifier(folder: Path, command: str, *options: str) -> list[str]:
    return [
        *("classifier", command, "-c", "classifier/entity_marker"),
        *("--model.classifier.model", str(folder / "encoder")),
        *("--data.schema", str(folder / "labels.yaml")),
        *(
            f"--data.{name}={folder / f'{file}.jsonl'}"
            for name, file in (("human", "human"), ("validation", "test"), ("test", "test"))
        ),
        *(
            "--data.steps_per_epoch",
            "2",
            "--trainer.max_steps",
            "4",
            "--trainer.log_every_n_steps",
            "1",
        ),
        *("--out", str(folder / "classifier"), *QUIET, *options),
    ]


def events(folder: Path) -> tuple[set[str], EventAccumulator]:
    """All tags, texts under the names that they were given."""
    found = EventAccumulator(str(folder))
    found.Reload()
    tags = found.Tags()
    names = {tag.removesuffix("/text_summary") for tag in tags["tensors"]}
    return names | set(tags["scalars"]) | set(tags["images"]), found


def promised(trained: str) -> Iterator[str]:
    """The names in the table of curves, as patterns, in the row of this command."""
    row = next(x for x in PAGE.read_text().splitlines() if x.startswith(f"| `relgen {trained}"))
    for name in re.findall(r"`([^` ]+)`", row.partition("|")[2].partition("|")[2]):
        yield re.escape(name).replace("…", ".+")


@pytest.mark.parametrize("trained", ["dpo", "classifier"])
def test_tensorboard_has_what_the_documentation_promises(folder: Path, trained: str) -> None:
    board = folder / "board" / trained
    own = ["--tensorboard", str(board)]
    if trained == "dpo":
        cli.run(dpo(folder, *own))
    else:
        cli.run(classifier(folder, "fit", *own))
        cli.run(classifier(folder, "test", *own))
    tags, found = events(board)
    names = list(promised(trained))
    assert len(names) > 8
    missing = [n for n in names if not any(re.fullmatch(n, tag) for tag in tags)]
    # of a GPU, and there is none
    assert missing in ([], [re.escape("memory/peak_gib")])
    assert found.PluginTagToContent("hparams")
    assert not list((folder / trained).rglob("events.*"))


def test_a_run_from_the_beginning_drops_the_old_curves(folder: Path) -> None:
    cli.run(dpo(folder, "--trainer.max_epochs", "1"))
    (first,) = (folder / "dpo/tensorboard").glob("events.*")
    cli.run(dpo(folder, "--trainer.max_epochs", "1", "--force"))
    (second,) = (folder / "dpo/tensorboard").glob("events.*")
    assert first != second
    cli.run(dpo(folder, "--trainer.max_epochs", "2", "--ckpt_path", "last"))
    assert len(list((folder / "dpo/tensorboard").glob("events.*"))) == 2


def test_other_runs_curves_stay(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = folder / "all"
    cli.run(dpo(folder, "--trainer.max_epochs", "1", "--tensorboard", str(shared)))
    kept = {*shared.glob("events.*")}
    cli.run(dpo(folder, "--trainer.max_epochs", "1", "--force", "--tensorboard", str(shared)))
    assert kept < {*shared.glob("events.*")}
    # nor is anything gone when the command cannot be understood
    cli.run(dpo(folder, "--trainer.max_epochs", "1", "--force"))
    own = {*(folder / "dpo/tensorboard").glob("events.*")}
    assert cli.main(dpo(folder, "--force", "--model.betta", "1")) == 2
    assert own == {*(folder / "dpo/tensorboard").glob("events.*")}


def test_another_logger_by_yaml(folder: Path) -> None:
    (folder / "csv.yaml").write_text(
        "trainer:\n  logger:\n    class_path: lightning.pytorch.loggers.CSVLogger\n"
        f"    init_args: {{save_dir: {folder / 'csv'}}}\n"
    )
    cli.run(classifier(folder, "fit", "-c", str(folder / "csv.yaml")))
    written = folder / "csv/lightning_logs/version_0"
    curves = (written / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"train/loss", "val/micro_f1", "speed/tokens_per_second", "hp/micro_f1"} <= {*curves}
    assert "head_learning_rate" in (written / "hparams.yaml").read_text()
    cli.run(dpo(folder, "-c", str(folder / "csv.yaml")))
    assert not list(folder.rglob("events.*"))
    # speeds differ from run to run; the history is for comparing runs
    assert "speed/" not in (folder / "dpo/history.jsonl").read_text()


class Calls:
    """Remembers each call as its name and arguments."""

    def __init__(self) -> None:
        self.made: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **named: self.made.append((name, *args, *named.values()))


class MLFlow(MLFlowLogger):
    """Lightning's class without the package, which is not among ours."""

    def __init__(self) -> None:
        self.client = Calls()

    experiment = property(lambda self: self.client)  # type: ignore[assignment]
    run_id = "run"  # type: ignore[assignment]

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self.client.made.append(("metrics", metrics, step))

    def log_hyperparams(self, params: Any) -> None:
        self.client.made.append(("settings", params))


class Wandb(WandbLogger):
    """The same of Weights & Biases."""

    def __init__(self) -> None:
        self.client = Calls()

    def log_text(self, key: str, **rest: Any) -> None:  # type: ignore[override]
        self.client.made.append((key, rest["columns"], rest["data"]))

    def log_image(self, key: str, images: list[Any], **rest: Any) -> None:  # type: ignore[override]
        self.client.made.append((key, images))

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self.client.made.append(("metrics", metrics, step))

    def log_hyperparams(self, params: Any) -> None:
        self.client.made.append(("settings", params))


def test_texts_and_pictures_in_the_loggers_that_take_them() -> None:
    mlflow, wandb, figure = MLFlow(), Wandb(), Figure()
    trainer = Trainer(accelerator="cpu", logger=[mlflow, wandb], enable_checkpointing=False)
    write_text(trainer, "samples/0", "a text")
    write_figure(trainer, "test/confusion", figure)
    write_numbers(trainer, {"speed": 2.0})
    write_settings(trainer, {"beta": 0.1}, {"hp/f1": 0.5})
    rest = [("metrics", {"speed": 2.0}, 0), ("settings", {"beta": 0.1})]
    rest += [("metrics", {"hp/f1": 0.5}, 0)]
    assert mlflow.client.made == [
        ("log_text", "run", "a text", "samples/0/0.md"),
        ("log_figure", "run", figure, "test/confusion/0.png"),
        *rest,
    ]
    assert wandb.client.made == [
        ("samples/0", ["step", "text"], [["0", "a text"]]),
        ("test/confusion", [figure]),
        *rest,
    ]

"""Training a classifier: what it learns, what it leaves in its folder, and that it repeats."""

import json
import os
import shutil
import signal
import sys
from functools import partial

import pytest
import torch
from lightning import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

import relgen
from datamodules.relations import RelationDataModule
from lightning_modules.callbacks.after_training import BestWeights
from lightning_modules.relation_classifier import RelationClassifierModule
from relgen.classifiers.base import collate
from relgen.classifiers.entity_marker import EntityMarkerClassifier
from relgen.common.errors import InputError
from relgen.data.samples import read_samples, write_samples
from tests.lightning_modules.classifier_command import assert_same_predictions, classifier_command
from tests.lightning_modules.two_processes import run_command
from tests.tiny.encoders import SCHEMA, samples, save_encoder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def files(tmp_path):
    SCHEMA.save(tmp_path / "schema.yaml")
    write_samples(tmp_path / "human.jsonl", samples(33))
    write_samples(tmp_path / "generated.jsonl", samples(15, source="generated", skip=33))
    write_samples(tmp_path / "test.jsonl", samples(10, source="test", skip=48))
    return tmp_path


@pytest.fixture
def encoder(tmp_path):
    return save_encoder(tmp_path / "encoder")


def module(encoder, **options):
    return RelationClassifierModule(
        partial(EntityMarkerClassifier, model=encoder, dropout=0.0, max_length=48),
        partial(torch.optim.AdamW, lr=3e-3, weight_decay=0.01),
        **options,
    )


def data(files, **options):
    settings = {"human": str(files / "human.jsonl"), "steps_per_epoch": 20, **options}
    return RelationDataModule(str(files / "schema.yaml"), **settings)


def trainer(folder, steps, **options):
    return Trainer(
        accelerator="cpu",
        devices=1,
        max_steps=steps,
        num_sanity_val_steps=0,
        log_every_n_steps=5,
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **{"logger": False, "enable_checkpointing": False, **options},
    )


def with_model(encoder, files, **options):
    """A module whose classifier is built, without a training."""
    built = module(encoder, **options)
    built.trainer = trainer(files, 1)
    built.trainer.datamodule = data(files)
    built.configure_model()
    return built


def batch_of(built, chosen, generated):
    encoding = built.classifier.encoding
    return collate(
        encoding.encode(chosen),
        pad_id=encoding.pad_id,
        labels=[SCHEMA.labels.index(sample.relation) for sample in chosen],
        generated=generated,
    )


def gradients(built, batch):
    built.zero_grad()
    built.model_step(batch)[0].backward()
    return [parameter.grad.clone() for parameter in built.parameters()]


def test_it_learns_33_sentences_by_heart(files, encoder):
    seed_everything(1)
    built = module(encoder)
    trainer(files / "out", 120).fit(built, data(files))
    loaded = relgen.load_classifier(files / "out" / "model")
    chosen = read_samples(files / "human.jsonl")
    predicted = [prediction.relation for prediction in loaded.predict_samples(chosen)]
    assert predicted == [sample.relation for sample in chosen]
    assert built.scores["train"].micro_f1 > 0.95


class Norms(Callback):
    """The gradient's norm as each optimiser step left it."""

    def __init__(self):
        self.seen = []

    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        norms = [p.grad.norm() for p in pl_module.parameters() if p.grad is not None]
        if norms:
            self.seen.append(torch.stack(norms).norm().item())


@pytest.mark.parametrize(("clip", "clipped"), [(1e-3, True), (None, False)])
def test_half_precision_clips_the_gradients_of_a_fused_optimiser(files, encoder, clip, clipped):
    built, norms = module(encoder), Norms()
    built.build_optimizer = partial(torch.optim.AdamW, lr=1e-4, fused=True)
    options = {"gradient_clip_val": clip, "precision": "bf16-mixed", "callbacks": [norms]}
    trainer(files, 3, **options).fit(built, datamodule=data(files))
    assert len(norms.seen) == 2
    assert all(norm == pytest.approx(1e-3, rel=1e-2) for norm in norms.seen) == clipped
    assert all(parameter.dtype == torch.float32 for parameter in built.parameters())


def test_generated_samples_of_weight_0_change_no_gradient(files, encoder):
    built = with_model(encoder, files, generated_weight=0.0)
    chosen = samples(8)
    mixed = gradients(built, batch_of(built, chosen, [False, True] * 4))
    human = gradients(built, batch_of(built, chosen[::2], [False] * 4))
    for one, other in zip(mixed, human, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


def test_uncertain_labels_are_trained_towards_their_probabilities(files, encoder):
    built = with_model(encoder, files)
    batch = batch_of(built, samples(2), [False, True])
    size = len(SCHEMA)
    targets = torch.zeros(2, size)
    targets[1] = torch.arange(1.0, size + 1) / sum(range(1, size + 1))
    loss, logits = built.model_step(batch._replace(targets=targets))
    logs = logits.log_softmax(dim=-1)
    expected = -logs[0, batch.labels[0]] - (targets[1] * logs[1]).sum()
    torch.testing.assert_close(loss, expected / 2)


def test_what_decays_and_what_learns_faster(files, encoder):
    built = with_model(encoder, files, head_learning_rate=0.5)
    optimizer = built.build_optimizer(built.parameter_groups())
    found = [(g["lr"], g["weight_decay"], g["params"][0].ndim) for g in optimizer.param_groups]
    assert found == [(3e-3, 0.01, 2), (3e-3, 0.0, 1), (0.5, 0.01, 2), (0.5, 0.0, 1)]
    counted = sum(p.numel() for g in optimizer.param_groups for p in g["params"])
    assert counted == sum(p.numel() for p in built.parameters())


def test_two_fits_with_one_seed_give_the_same_weights(files, encoder, tmp_path):
    both = []
    encoder = save_encoder(tmp_path / "dropping", dropout=0.1)
    for name in ("one", "two"):
        seed_everything(3)
        built = module(encoder)
        mixed = data(files, generated=str(files / "generated.jsonl"))
        trainer(files / name, 12).fit(built, mixed)
        both.append(built.state_dict())
    assert all(torch.equal(both[0][name], both[1][name]) for name in both[0])


class _Stop(Callback):
    """A signal in the middle of a step."""

    def __init__(self, told, step):
        self.told, self.step = told, step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), self.told)


@pytest.mark.usefixtures("obeys_ctrl_c")
@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_fit_that_is_told_to_stop_goes_on_in_the_middle_of_its_epoch(files, encoder, told, capfd):
    def fit(folder, callbacks=(), path=None):
        seed_everything(1)
        built = module(encoder)
        trainer(folder, 30, callbacks=list(callbacks)).fit(built, data(files), ckpt_path=path)
        return built.classifier.state_dict()

    whole = fit(files / "whole")
    with pytest.raises(SystemExit):
        fit(files / "stopped", [_Stop(told, 7)])
    assert ("Ctrl-C again" in capfd.readouterr().err) == (told == signal.SIGINT)
    saved = files / "stopped/checkpoints/last.ckpt"
    assert torch.load(saved, weights_only=False)["global_step"] == 8
    resumed = fit(files / "stopped", path=saved)
    assert all(torch.equal(resumed[name], values) for name, values in whole.items())


@pytest.mark.usefixtures("obeys_ctrl_c")
def test_ctrl_c_in_the_last_step_keeps_what_follows_from_beginning(files, encoder):
    with pytest.raises(SystemExit) as found:
        trainer(files / "out", 8, callbacks=[_Stop(signal.SIGINT, 7)]).fit(
            module(encoder), data(files)
        )
    assert isinstance(found.value.__context__, KeyboardInterrupt)
    saved = files / "out/checkpoints/last.ckpt"
    assert torch.load(saved, weights_only=False)["global_step"] == 8


@pytest.mark.usefixtures("obeys_ctrl_c")
def test_a_second_ctrl_c_does_not_wait_for_the_step(files, encoder):
    class Impatient(_Stop):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
            super().on_train_batch_start(trainer, pl_module, batch, batch_idx)

    with pytest.raises(SystemExit) as found:
        trainer(files / "out", 8, callbacks=[Impatient(signal.SIGINT, 3)]).fit(
            module(encoder), data(files)
        )
    assert isinstance(found.value.__context__, KeyboardInterrupt)
    assert not (files / "out/checkpoints/last.ckpt").exists()


def test_best_weights_are_the_ones_saved_and_checkpointed(files, encoder):
    seed_everything(1)
    built = module(encoder, select="best")
    checkpoint = ModelCheckpoint(files / "checkpoints", save_last=True)
    fit = trainer(
        files / "out", 60, enable_checkpointing=True, callbacks=[checkpoint], gradient_clip_val=1.0
    )
    validated = data(files, validation=str(files / "test.jsonl"))
    fit.fit(built, validated)
    history = [json.loads(line) for line in (files / "out" / "history.jsonl").open()]
    values = [row["metrics"]["val/micro_f1"] for row in history if "val/micro_f1" in row["metrics"]]
    assert len(values) == 3
    again = trainer(files / "out", 1).validate(
        built, validated, ckpt_path=str(files / "checkpoints" / "last.ckpt"), weights_only=False
    )
    assert again[0]["val/micro_f1"] == pytest.approx(max(values))


def fit_best(files, encoder, folder, steps=60, path=None, callbacks=()):
    seed_everything(1)
    built = module(encoder, select="best")
    checkpoint = ModelCheckpoint(
        folder / "checkpoints", save_top_k=0, save_last=True, enable_version_counter=False
    )
    fit = trainer(folder, steps, enable_checkpointing=True, callbacks=[checkpoint, *callbacks])
    validated = data(files, validation=str(files / "test.jsonl"), steps_per_epoch=10)
    fit.fit(built, validated, ckpt_path=path, weights_only=False)
    return built.classifier.state_dict()


def test_a_resumed_fit_keeps_the_same_best_weights(files, encoder, capfd):
    whole = fit_best(files, encoder, files / "whole")
    with pytest.raises(SystemExit):
        fit_best(files, encoder, files / "stopped", callbacks=[_Stop(signal.SIGTERM, 35)])
    last = files / "stopped/checkpoints/last.ckpt"
    resumed = fit_best(files, encoder, files / "stopped", path=last)
    assert all(torch.equal(resumed[name], values) for name, values in whole.items())


def test_a_copied_run_is_resumed_with_its_own_best_weights(files, encoder):
    whole = fit_best(files, encoder, files / "whole")
    with pytest.raises(SystemExit):
        fit_best(files, encoder, files / "first", callbacks=[_Stop(signal.SIGTERM, 35)])
    shutil.copytree(files / "first", files / "copy")
    shutil.rmtree(files / "first")
    resumed = fit_best(files, encoder, files / "copy", path=files / "copy/checkpoints/last.ckpt")
    assert all(torch.equal(resumed[name], values) for name, values in whole.items())


def test_best_weights_keep_their_score_in_another_folder(files):
    saved = BestWeights(files / "a")
    saved.best_model_score = torch.tensor(0.9)
    saved.best_model_path = saved.kth_best_model_path = str(files / "a/checkpoints/best.ckpt")
    saved.best_k_models = {saved.best_model_path: saved.best_model_score}
    loaded = BestWeights(files / "b")
    loaded.load_state_dict(saved.state_dict())
    assert float(loaded.best_model_score) == pytest.approx(0.9)
    assert loaded.path == files / "b/checkpoints/best.ckpt"


def test_a_resumed_fit_whose_best_weights_are_damaged_is_refused(files, encoder):
    fit_best(files, encoder, files / "out", 10)
    best = files / "out/checkpoints/best.ckpt"
    best.write_bytes(best.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"best\.ckpt.*missing or damaged.*--force"):
        fit_best(files, encoder, files / "out", 20, files / "out/checkpoints/last.ckpt")


@pytest.mark.parametrize(("score", "better"), [(0.4, False), (0.5, True), (0.6, True)])
def test_of_equally_good_weights_the_latest_are_kept(files, score, better):
    checkpoint = BestWeights(files)
    checkpoint.best_model_score = torch.tensor(0.5)
    checkpoint.best_k_models = {"a": torch.tensor(0.5)}
    checkpoint.kth_best_model_path = "a"
    assert checkpoint.check_monitor_top_k(trainer(files, 1), torch.tensor(score)) == better


def test_best_without_a_validation_file_is_refused(files, encoder):
    with pytest.raises(InputError, match="needs a validation file"):
        trainer(files / "out", 1).fit(module(encoder, select="best"), data(files))


def test_a_checkpoint_of_other_relations_is_refused(files, encoder):
    built = with_model(encoder, files)
    first, *others = SCHEMA.labels
    with pytest.raises(
        InputError, match=f"trained for other relations: with x, y, without {first}"
    ):
        built.on_load_checkpoint({"labels": [*others, "x", "y"]})
    with pytest.raises(InputError, match="trained for the same relations in another order"):
        built.on_load_checkpoint({"labels": [*others, first]})
    checkpoint = {}
    built.on_save_checkpoint(checkpoint)
    built.on_load_checkpoint(checkpoint)


def test_a_checkpoint_of_another_classifier_is_refused(files, encoder):
    built = with_model(encoder, files)
    checkpoint = {}
    built.on_save_checkpoint(checkpoint)
    checkpoint["classifier"]["markers"] = "punctuation"
    with pytest.raises(InputError, match="trained with markers = 'punctuation'"):
        built.on_load_checkpoint(checkpoint)
    weights = built.state_dict()
    weights.pop(next(iter(weights)))
    with pytest.raises(InputError, match="the checkpoint's weights do not fit: Missing key"):
        built.load_state_dict(weights)


def test_what_tensorboard_gets(files, encoder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = TensorBoardLogger(files, name="board", version="", default_hp_metric=False)
    fit = trainer(files / "out", 20, logger=board)
    fit.fit(module(encoder), data(files, validation=str(files / "test.jsonl")))
    events = EventAccumulator(str(files / "board"))
    events.Reload()
    tags = events.Tags()
    assert {"train/loss", "lr/encoder", "lr/head", "val/micro_f1", "hp/micro_f1"} <= set(
        tags["scalars"]
    )
    assert {"val_f1/cause", "val_f1/none"} <= set(tags["scalars"])
    assert tags["images"] == ["val/confusion"]
    assert "val/mistakes/text_summary" in tags["tensors"]


def test_fit_test_and_predict_by_command_line(files, encoder):
    out = files / "out"
    # as saved classifiers compute, so that predictions can be compared exactly
    command = classifier_command(
        "classifier/entity_marker", files, encoder, "--model.classifier.attention=sdpa"
    )
    command(
        "fit",
        "--trainer.max_steps=100",
        f"--data.human={files / 'human.jsonl'}",
        f"--data.generated={files / 'generated.jsonl'}",
        "--data.order=generated_first",
    )
    checkpoint = f"--ckpt_path={out / 'checkpoints' / 'last.ckpt'}"
    command("test", checkpoint)
    scores = json.loads((out / "scores.json").read_text())
    tested = [json.loads(line) for line in (out / "predictions.jsonl").open()]
    command("predict", checkpoint)
    predicted = [json.loads(line) for line in (out / "predictions.jsonl").open()]
    others = f"--data.predict={files / 'human.jsonl'}"
    with pytest.raises(InputError, match="the predictions behind"):
        command("predict", checkpoint, others)
    assert [json.loads(line) for line in (out / "predictions.jsonl").open()] == predicted
    command("predict", checkpoint, others, f"--trainer.default_root_dir={files / 'other'}")
    assert len((files / "other" / "predictions.jsonl").read_text().splitlines()) == 33

    loaded = relgen.load_classifier(out / "model")
    held_out = read_samples(files / "test.jsonl")
    expected = [prediction.to_json() for prediction in loaded.predict_samples(held_out)]
    assert_same_predictions(tested, expected, predicted)
    assert [row["id"] for row in tested] == [sample.id for sample in held_out]
    gold = [sample.relation for sample in held_out]
    hits = sum(row["relation"] == label for row, label in zip(tested, gold, strict=True))
    assert sum(scores["confusion"][n][n] for n in range(3)) == hits
    assert hits >= 7
    card = (out / "model" / "README.md").read_text()
    assert f"| micro-F1 without the negative label | {100 * scores['micro_f1']:.2f} |" in card
    assert "| generated | generated.jsonl | 15 |" in card


@pytest.mark.processes
@pytest.mark.slow
def test_two_processes_score_every_sample_once(files, encoder):
    # an odd number of test samples: a padding sampler would count one of them twice
    write_samples(files / "test.jsonl", samples(9, source="test", skip=48))
    script = (sys.executable, "-m", "tests.lightning_modules.fit_on_two_processes")
    run_command(files, *script, str(files))
    scores = json.loads((files / "out" / "scores.json").read_text())
    assert sum(sum(row) for row in scores["confusion"]) == 9
    tested = [json.loads(line) for line in (files / "out" / "predictions.jsonl").open()]
    loaded = relgen.load_classifier(files / "out" / "model")
    expected = loaded.predict_samples(read_samples(files / "test.jsonl"))
    assert [(row["id"], row["relation"]) for row in tested] == [
        (prediction.id, prediction.relation) for prediction in expected
    ]

"""The best weights, kept, resumed and loaded at the end of training."""

import json
import shutil
import signal

import pytest
import torch
from lightning import seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint

from lightning_modules.callbacks.after_training import BestWeights
from relgen.cli.trained_options import is_foreign
from relgen.common.errors import InputError
from tests.lightning_modules.classifier_runs import Stop, data, module, trainer


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
        fit_best(files, encoder, files / "stopped", callbacks=[Stop(signal.SIGTERM, 35)])
    last = files / "stopped/checkpoints/last.ckpt"
    assert not is_foreign(last.with_name("best.ckpt"))  # of weights only
    resumed = fit_best(files, encoder, files / "stopped", path=last)
    assert all(torch.equal(resumed[name], values) for name, values in whole.items())


def test_a_copied_run_is_resumed_with_its_own_best_weights(files, encoder):
    whole = fit_best(files, encoder, files / "whole")
    with pytest.raises(SystemExit):
        fit_best(files, encoder, files / "first", callbacks=[Stop(signal.SIGTERM, 35)])
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

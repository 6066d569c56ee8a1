"""Trainings that a signal ends between two steps, and that go on from there."""

from __future__ import annotations

import json
import os
import signal
from datetime import timedelta
from types import SimpleNamespace

import pytest
import torch
from lightning import seed_everything
from lightning.pytorch.callbacks import Callback, EarlyStopping, Timer

from lightning_modules.callbacks.last_checkpoint import LastCheckpoint
from relgen.common.errors import InputError
from tests.lightning_modules.classifier_runs import Stop, data, module, trainer
from tests.tiny.encoders import save_encoder

pytestmark = pytest.mark.usefixtures("obeys_ctrl_c")


def fit(files, folder, *callbacks, steps=12, resume=False, **options):
    """Fit three epochs of four steps, with dropout; return the best weights and the history."""
    seed_everything(1)
    encoder = files / "dropout"
    if not encoder.is_dir():
        save_encoder(encoder, dropout=0.3)
    built = module(str(encoder), select="best")
    validated = data(files, validation=str(files / "test.jsonl"), steps_per_epoch=4, **options)
    saves = [LastCheckpoint(regularly=True), *callbacks]
    run = trainer(folder, steps, callbacks=saves, enable_checkpointing=True)
    path = folder / "checkpoints/last.ckpt" if resume else None
    run.fit(built, validated, ckpt_path=path, weights_only=True)
    rows = [json.loads(line) for line in (folder / "history.jsonl").open(encoding="utf-8")]
    return built.classifier.state_dict(), rows


class During(Callback):
    """Sends signals at a hook of the trainer, once, when so many steps are done."""

    def __init__(self, hook, step, *told):
        self.step, self.told = step, told
        setattr(self, hook, self.send)

    def send(self, trainer, *_):
        if trainer.global_step == self.step:
            for signum in self.told:
                os.kill(os.getpid(), signum)
            self.told = ()


MOMENTS = {
    "before the first step": ("on_train_start", 0, None),
    "in the first step": ("on_before_backward", 0, 1),
    "between two steps": ("on_train_batch_start", 5, 5),
    "within an epoch": ("on_before_backward", 5, 6),
    "in the last step of an epoch": ("on_before_optimizer_step", 7, 8),
    "in validation": ("on_validation_batch_start", 8, 8),
    "in the last step": ("on_before_optimizer_step", 11, 12),
    "after the last step": ("on_train_end", 12, 12),
}


def test_a_fit_that_is_told_to_stop_goes_on_as_if_it_had_not_been(files, capfd):
    whole, rows = fit(files, files / "whole")
    for number, (moment, (hook, step, kept)) in enumerate(MOMENTS.items()):
        told, out = (signal.SIGTERM, signal.SIGINT)[number % 2], files / moment
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with pytest.raises(SystemExit) as found:
            fit(files, out, During(hook, step, told))
        interrupted = isinstance(found.value.__context__, KeyboardInterrupt)
        assert interrupted == (told == signal.SIGINT), moment
        said = capfd.readouterr().err
        assert ("Ctrl-C again" in said) == interrupted
        saved = out / "checkpoints/last.ckpt"
        assert saved.is_file() == (kept is not None), moment
        if kept is not None:
            assert f"stopped by a signal after step {kept}: saved {saved}" in said, moment
            assert torch.load(saved, weights_only=True)["global_step"] == kept
        resumed, again = fit(files, out, resume=kept is not None)
        assert all(torch.equal(resumed[name], values) for name, values in whole.items()), moment
        assert again == rows, moment


def test_another_number_of_processes_goes_on_from_the_end_of_an_epoch_only(files):
    path = files / "out" / "checkpoints/last.ckpt"
    other = SimpleNamespace(training=True, world_size=2, should_stop=False)
    with pytest.raises(SystemExit):
        fit(files, files / "out", During("on_before_backward", 5, signal.SIGTERM))
    within = torch.load(path, weights_only=True)
    with pytest.raises(InputError, match=r"middle of an epoch, divided among 1 processes \(got 2"):
        LastCheckpoint().on_load_checkpoint(other, None, within)
    alike = SimpleNamespace(training=True, world_size=1, should_stop=False)
    LastCheckpoint().on_load_checkpoint(alike, None, within)
    LastCheckpoint().on_load_checkpoint(
        SimpleNamespace(training=False, world_size=2, should_stop=False), None, within
    )
    fit(files, files / "out", resume=True)
    LastCheckpoint().on_load_checkpoint(other, None, torch.load(path, weights_only=True))


def test_a_second_ctrl_c_does_not_wait_for_the_step(files, capfd):
    out = files / "out"
    with pytest.raises(SystemExit) as found:
        fit(files, out, During("on_train_batch_start", 5, signal.SIGINT, signal.SIGINT))
    assert isinstance(found.value.__context__, KeyboardInterrupt)
    assert "stopped after step 5, which is not saved" in capfd.readouterr().err
    # the end of the epoch before
    assert torch.load(out / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 4


def test_with_workers_the_order_is_that_of_the_epoch(files):
    whole, _ = fit(files, files / "whole", workers=1)
    with pytest.raises(SystemExit):
        fit(files, files / "out", During("on_train_batch_start", 5, signal.SIGTERM), workers=1)
    resumed, _ = fit(files, files / "out", resume=True, workers=1)
    assert all(torch.equal(resumed[name], values) for name, values in whole.items())


def test_a_training_that_has_stopped_early_is_over(files):
    def early():
        return EarlyStopping("val/micro_f1", mode="max", patience=1, min_delta=1.0)

    whole, rows = fit(files, files / "out", early(), steps=60)
    assert rows[-1]["step"] == 7
    resumed, again = fit(files, files / "out", early(), steps=60, resume=True)
    assert again == rows
    assert all(torch.equal(resumed[name], values) for name, values in whole.items())


def test_a_training_whose_time_is_up_is_not_over(files):
    """Resumed with more time, it goes on."""
    timer = Timer(timedelta(hours=1))

    class Late(Callback):
        def on_before_backward(self, trainer, *_):
            if trainer.global_step == 2:
                timer._offset = 7200

    _, rows = fit(files, files / "out", timer, Late())
    assert rows[-1]["step"] == 2
    saved = torch.load(files / "out/checkpoints/last.ckpt", weights_only=True)
    assert (saved["global_step"], saved["relgen_run"]["ends"]) == (3, False)


def test_without_being_asked_nothing_is_saved_but_on_a_signal(files, encoder):
    trainer(files / "whole", 8).fit(module(encoder), data(files))
    assert not (files / "whole/checkpoints").exists()
    with pytest.raises(SystemExit):
        trainer(files / "out", 8, callbacks=[Stop(signal.SIGTERM, 3)]).fit(
            module(encoder), data(files)
        )
    saved = torch.load(files / "out/checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == 3


def test_gradients_that_are_being_accumulated_are_not_cut(files, encoder):
    told = During("on_before_backward", 3, signal.SIGTERM)
    run = trainer(files / "out", 8, callbacks=[told], accumulate_grad_batches=2)
    with pytest.raises(SystemExit):
        run.fit(module(encoder), data(files))
    saved = torch.load(files / "out/checkpoints/last.ckpt", weights_only=True)
    batches = saved["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]
    assert (saved["global_step"], batches["completed"]) == (4, 8)

"""Trainings that a signal ends after a step, and that go on from there."""

import signal

import pytest
import torch
from lightning import seed_everything

from tests.lightning_modules.classifier_runs import Stop, data, module, trainer


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
        fit(files / "stopped", [Stop(told, 7)])
    assert ("Ctrl-C again" in capfd.readouterr().err) == (told == signal.SIGINT)
    saved = files / "stopped/checkpoints/last.ckpt"
    assert torch.load(saved, weights_only=False)["global_step"] == 8
    resumed = fit(files / "stopped", path=saved)
    assert all(torch.equal(resumed[name], values) for name, values in whole.items())


@pytest.mark.usefixtures("obeys_ctrl_c")
def test_ctrl_c_in_the_last_step_keeps_what_follows_from_beginning(files, encoder):
    with pytest.raises(SystemExit) as found:
        trainer(files / "out", 8, callbacks=[Stop(signal.SIGINT, 7)]).fit(
            module(encoder), data(files)
        )
    assert isinstance(found.value.__context__, KeyboardInterrupt)
    saved = files / "out/checkpoints/last.ckpt"
    assert torch.load(saved, weights_only=False)["global_step"] == 8


@pytest.mark.usefixtures("obeys_ctrl_c")
def test_a_second_ctrl_c_does_not_wait_for_the_step(files, encoder):
    class Impatient(Stop):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
            super().on_train_batch_start(trainer, pl_module, batch, batch_idx)

    with pytest.raises(SystemExit) as found:
        trainer(files / "out", 8, callbacks=[Impatient(signal.SIGINT, 3)]).fit(
            module(encoder), data(files)
        )
    assert isinstance(found.value.__context__, KeyboardInterrupt)
    assert not (files / "out/checkpoints/last.ckpt").exists()

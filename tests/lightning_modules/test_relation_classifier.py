"""Training a classifier: what it learns, what it leaves in its folder, and that it repeats."""

import json
import sys
from functools import partial

import pytest
import torch
from lightning import seed_everything
from lightning.pytorch.callbacks import Callback

import relgen
from relgen.classifiers.base import collate
from relgen.common.errors import InputError
from relgen.data.samples import read_samples, write_samples
from tests.lightning_modules.classifier_runs import data, module, trainer
from tests.lightning_modules.two_processes import run_command
from tests.tiny.encoders import SCHEMA, samples, save_encoder


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


def test_a_checkpoint_of_other_relations_is_refused(files, encoder):
    built = with_model(encoder, files)
    first, *others = SCHEMA.labels
    with pytest.raises(
        InputError, match=f"trained for other relations: with x, y, without {first}"
    ):
        built.on_load_checkpoint({"relgen_classifier": {"labels": [*others, "x", "y"]}})
    with pytest.raises(InputError, match="trained for the same relations in another order"):
        built.on_load_checkpoint({"relgen_classifier": {"labels": [*others, first]}})
    checkpoint = {}
    built.on_save_checkpoint(checkpoint)
    built.on_load_checkpoint(checkpoint)


def test_a_checkpoint_of_another_classifier_is_refused(files, encoder):
    built = with_model(encoder, files)
    checkpoint = {}
    built.on_save_checkpoint(checkpoint)
    checkpoint["relgen_classifier"]["settings"]["markers"] = "punctuation"
    with pytest.raises(InputError, match="trained with markers = 'punctuation'"):
        built.on_load_checkpoint(checkpoint)
    weights = built.state_dict()
    weights.pop(next(iter(weights)))
    with pytest.raises(InputError, match="the checkpoint's weights do not fit: Missing key"):
        built.load_state_dict(weights)


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

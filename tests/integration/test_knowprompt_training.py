"""KnowPrompt through the module, the data module and the command line of all classifiers."""

import json
from dataclasses import asdict
from functools import partial

import pytest
import torch
from lightning import seed_everything

import relgen
from datamodules.relations import RelationDataModule
from lightning_modules.relation_classifier import RelationClassifierModule
from relgen.classifiers.base import collate
from relgen.classifiers.knowprompt import KnowPromptClassifier
from relgen.data.samples import read_samples
from tests.lightning_modules.classifier_command import assert_same_predictions, classifier_command
from tests.lightning_modules.classifier_runs import trainer
from tests.tiny.encoders import SCHEMA, samples, save_encoder


def module(model, **options):
    return RelationClassifierModule(
        partial(KnowPromptClassifier, model=model, max_length=48, **options),
        partial(torch.optim.AdamW, lr=3e-3, weight_decay=0.01),
        generated_weight=0.5,
    )


def data(files, **options):
    return RelationDataModule(str(files / "schema.yaml"), steps_per_epoch=20, **options)


def test_both_losses_add_up_sample_by_sample(files, model):
    built = module(model, structured_weight=0.25)
    built.trainer = trainer(files, 1)
    built.trainer.datamodule = data(files)
    built.configure_model()
    built.eval()
    encoding, chosen = built.classifier.encoding, samples(4)
    batch = collate(
        encoding.encode(chosen),
        pad_id=encoding.pad_id,
        labels=[SCHEMA.labels.index(sample.relation) for sample in chosen],
        generated=[False, False, True, True],
        targets=[[], [], [], [0.2, 0.3, 0.5]],
    )
    loss, logits = built.model_step(batch)
    targets = torch.eye(3)[[0, 1, 2, 0]]
    targets[3] = torch.tensor([0.2, 0.3, 0.5])
    _, extra = built.classifier.with_extra_loss(batch, targets)
    losses = -(targets * logits.log_softmax(dim=-1)).sum(dim=-1) + extra
    expected = (losses * torch.tensor([1.0, 1.0, 0.5, 0.5])).sum() / 3
    torch.testing.assert_close(loss, expected)
    assert (extra > 0.01).all()


@pytest.mark.parametrize("mix", ["human", "pure", "mix"])
def test_it_trains_on_every_mix(files, model, mix):
    seed_everything(1)
    built = module(model)
    given = data(
        files,
        human=str(files / "human.jsonl"),
        generated=str(files / "generated.jsonl"),
        mix=mix,
    )
    trainer(files / "out", 120).fit(built, given)
    loaded = relgen.load_classifier(files / "out" / "model")
    name = "generated.jsonl" if mix == "pure" else "human.jsonl"
    chosen = read_samples(files / name)
    predicted = loaded.predict_samples(chosen)
    assert [one.relation for one in predicted] == [sample.relation for sample in chosen]


def test_a_missing_head_is_told_by_trainings_alone(files, tmp_path, caplog):
    given = data(files, human=str(files / "human.jsonl"), test=str(files / "test.jsonl"))
    headless = save_encoder(tmp_path / "headless")
    trainer(files / "out", 1).fit(module(headless), given)
    assert "without a pre-trained masked-language-model head" in caplog.text
    caplog.clear()
    trainer(files / "out", 1).test(module(headless), given)
    assert "head" not in caplog.text


def test_two_fits_with_one_seed_give_the_same_weights(files, model):
    both = []
    for name in ("one", "two"):
        seed_everything(3)
        built = module(model)
        trainer(files / name, 8).fit(built, data(files, human=str(files / "human.jsonl")))
        both.append(built.state_dict())
    assert all(torch.equal(both[0][name], both[1][name]) for name in both[0])


def test_fit_test_and_predict_by_command_line(files, model):
    out = files / "out"
    command = classifier_command("classifier/knowprompt", files, model)
    command(
        "fit",
        "--trainer.max_steps=100",
        f"--data.human={files / 'human.jsonl'}",
        f"--data.generated={files / 'generated.jsonl'}",
        "--data.order=side_by_side",
    )
    checkpoint = f"--ckpt_path={out / 'checkpoints' / 'last.ckpt'}"
    command("test", checkpoint)
    tested = [json.loads(line) for line in (out / "predictions.jsonl").open()]
    command("predict", checkpoint)
    predicted = [json.loads(line) for line in (out / "predictions.jsonl").open()]

    loaded = relgen.load_classifier(out / "model")
    held_out = read_samples(files / "test.jsonl")
    expected = [asdict(prediction) for prediction in loaded.predict_samples(held_out)]
    assert_same_predictions(tested, expected, predicted)
    gold = [sample.relation for sample in held_out]
    assert sum(row["relation"] == label for row, label in zip(tested, gold, strict=True)) >= 7
    assert "Architecture: `knowprompt`" in (out / "model" / "README.md").read_text()

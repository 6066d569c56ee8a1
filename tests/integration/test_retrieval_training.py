"""RetrievalRE through the module, the data module and the command line of all classifiers."""

import json
from dataclasses import asdict
from functools import partial

import pytest
import torch
from lightning import seed_everything
from lightning.pytorch.callbacks import Callback

import relgen
from datamodules.relations import RelationDataModule
from lightning_modules.callbacks.last_checkpoint import LastCheckpoint
from lightning_modules.relation_classifier import RelationClassifierModule
from relgen.classifiers.knowprompt import KnowPromptClassifier
from relgen.classifiers.retrieval import RetrievalClassifier
from relgen.common.errors import InputError
from relgen.data.samples import read_samples
from relgen.data.schema import Relation, RelationSchema
from tests.lightning_modules.classifier_command import assert_same_predictions, classifier_command
from tests.lightning_modules.classifier_runs import trainer
from tests.tiny.encoders import SCHEMA


def module(model, **options):
    return RelationClassifierModule(
        partial(RetrievalClassifier, model=model, max_length=48),
        partial(torch.optim.AdamW, lr=3e-3, weight_decay=0.01),
        **options,
    )


def data(files, *names, **options):
    given = {name: str(files / f"{name}.jsonl") for name in names if name != "dev"}
    if "dev" in names:
        given["validation"] = str(files / "dev.jsonl")
    return RelationDataModule(
        str(files / "schema.yaml"), **{"steps_per_epoch": 20, **given, **options}
    )


@pytest.mark.parametrize(
    ("mix", "names", "stored"),
    [
        ("human", ("human",), 33),
        ("pure", ("generated",), 15),
        ("mix", ("human", "generated"), 48),
    ],
)
def test_it_trains_on_every_mix(files, model, mix, names, stored):
    seed_everything(1)
    built = module(model)
    order = {"order": "side_by_side"} if mix == "mix" else {}
    given = data(files, *names, mix=mix, **order)
    trainer(files / "out", 120).fit(built, given)
    assert len(built.classifier.datastore) == stored
    uncertain = (built.classifier.datastore.values.max(dim=1).values < 0.99).sum()
    assert uncertain == (0 if mix == "human" else 8)
    loaded = relgen.load_classifier(files / "out" / "model")
    chosen = read_samples(files / f"{names[0]}.jsonl")
    predicted = loaded.predict_samples(chosen)
    assert [one.relation for one in predicted] == [sample.relation for sample in chosen]


def test_exchanged_copies_are_stored_as_well(files, model):
    relations = (
        Relation("cause", "x", undirected="cause"),
        Relation("part", "x", undirected="cause"),
        Relation("none", "x"),
    )
    RelationSchema("tiny", relations, "none").save(files / "schema.yaml")
    built = module(model)
    trainer(files / "out", 1).fit(built, data(files, "human", exchange=True))
    assert len(built.classifier.datastore) == 2 * 33


def test_settings_come_from_the_validation_file_and_never_from_the_test_file(files, model):
    seen = []
    for names in (("human",), ("human", "test"), ("human", "dev"), ("human", "dev", "test")):
        seed_everything(1)
        built = module(model)
        trainer(files / "out", 3).fit(built, data(files, *names))
        seen.append((built.classifier.datastore.retrieval, built.classifier.source))
    published = ((0.2, 64, 10.0), "the published values")
    assert seen[0] == seen[1] == published
    assert seen[2] == seen[3]
    assert seen[2][1] == "chosen on 9 development samples"


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize(
    ("name", "others"),
    [("test", "test"), ("copy", "test"), ("part", "test"), ("human", "training")],
)
def test_settings_are_not_chosen_on_test_or_training_sentences(files, model, name, others, steps):
    test = files / "test.jsonl"
    lines = test.read_text().splitlines(keepends=True)
    (files / "copy.jsonl").write_text("".join(lines))
    (files / "part.jsonl").write_text("".join(lines[:1]).replace('"id": "', '"id": "other-'))
    with pytest.raises(InputError, match=f"holds {others} sentences, and this classifier chooses"):
        trainer(files / "out", steps).fit(
            module(model),
            data(files, "human", validation=str(files / f"{name}.jsonl"), test=str(test)),
        )


def test_fit_validate_test_and_predict_by_command_line(files, model):
    out = files / "out"
    command = classifier_command(
        "classifier/retrieval", files, model, f"--data.validation={files / 'dev.jsonl'}"
    )
    command(
        "fit",
        "--trainer.max_steps=100",
        "--data.steps_per_epoch=40",
        f"--data.human={files / 'human.jsonl'}",
        f"--data.generated={files / 'generated.jsonl'}",
        "--model.select=best",
        "--trainer.limit_val_batches=1.0",
    )
    checkpoint = f"--ckpt_path={out / 'checkpoints' / 'last.ckpt'}"
    command("test", checkpoint)
    tested = [json.loads(line) for line in (out / "predictions.jsonl").open()]
    command("validate", checkpoint)
    command("predict", checkpoint)
    predicted = [json.loads(line) for line in (out / "predictions.jsonl").open()]

    loaded = relgen.load_classifier(out / "model")
    assert len(loaded.classifier.datastore) == 48
    held_out = read_samples(files / "test.jsonl")
    expected = [asdict(prediction) for prediction in loaded.predict_samples(held_out)]
    assert_same_predictions(tested, expected, predicted)
    gold = [sample.relation for sample in held_out]
    assert sum(row["relation"] == label for row, label in zip(tested, gold, strict=True)) >= 7
    card = (out / "model" / "README.md").read_text()
    assert "Architecture: `retrieval`" in card
    assert "chosen on 9 development samples" in card
    assert "micro-F1 without the negative label" in card


def knowprompt(model, out, given):
    seed_everything(1)
    built = RelationClassifierModule(
        partial(KnowPromptClassifier, model=model, max_length=48),
        partial(torch.optim.AdamW, lr=3e-3, weight_decay=0.01),
    )
    trainer(out, 12).fit(built, given)
    return str(out / "model")


def test_the_datastore_of_a_trained_knowprompt_is_that_of_training_with_it(files, model):
    given = data(files, "human", "dev", "test", steps_per_epoch=4)
    seed_everything(1)
    whole = module(model)
    trainer(files / "whole", 12).fit(whole, given)
    trained = knowprompt(model, files / "knowprompt", given)

    out, checkpoints = files / "out", files / "out" / "checkpoints"
    part = RelationClassifierModule(partial(RetrievalClassifier, trained=trained))
    untrained = trainer(out, 0)
    untrained.callbacks.append(LastCheckpoint(regularly=True))
    untrained.fit(part, given)
    found, expected = part.classifier.state_dict(), whole.classifier.state_dict()
    assert found.keys() == expected.keys()
    for name in expected:
        assert torch.equal(found[name], expected[name]), name
    assert part.classifier.source == whole.classifier.source == "chosen on 9 development samples"
    card = (out / "model" / "README.md").read_text()
    assert f"weights of the KnowPrompt in `{trained}`" in card
    assert relgen.load_classifier(out / "model").classifier.trained == trained

    # the checkpoint is one that is tested like any other, without that folder
    trainer(files / "whole", 0).test(whole, given)
    tested = checkpoints / "last.ckpt"
    trainer(out, 0).test(module(model), given, ckpt_path=str(tested), weights_only=False)
    assert same_file(out / "predictions.jsonl", files / "whole" / "predictions.jsonl")


def same_file(one, other):
    return one.read_bytes() == other.read_bytes()


def test_only_a_knowprompt_of_the_same_relations_is_taken(files, model):
    given = data(files, "human")
    folder = knowprompt(model, files / "knowprompt", given)
    schema = RelationSchema(SCHEMA.name, (*list(SCHEMA)[::-1],), SCHEMA.negative)
    with pytest.raises(InputError, match=r"other relations, or in another order.*knowprompt"):
        RetrievalClassifier(schema, trained=folder)
    trainer(files / "out", 1).fit(module(model), given)
    with pytest.raises(InputError, match="another kind of classifier"):
        RetrievalClassifier(SCHEMA, trained=str(files / "out" / "model"))
    with pytest.raises(InputError, match="no classifier in this folder"):
        RetrievalClassifier(SCHEMA, trained=str(files / "nowhere"))


def test_a_checkpoint_of_an_unfinished_training_is_refused(files, model):
    fit = trainer(files / "out", 2)
    given = data(files, "human", "dev", "test")
    built = module(model)
    fit.fit(built, given)
    fit.save_checkpoint(files / "whole.ckpt")
    built.classifier.restart()
    fit.save_checkpoint(files / "part.ckpt")
    for run in ("validate", "test", "predict"):
        with pytest.raises(InputError, match=r"datastore is missing.*--resume"):
            getattr(trainer(files / "out", 2), run)(
                module(model), given, ckpt_path=str(files / "part.ckpt"), weights_only=False
            )
    trainer(files / "out", 2).test(
        module(model), given, ckpt_path=str(files / "whole.ckpt"), weights_only=False
    )


class Seen(Callback):
    """Whether the datastore was there while the classifier was watched."""

    def __init__(self):
        self.finished = []

    def on_validation_start(self, trainer, pl_module):
        self.finished.append(pl_module.classifier.finished)


def test_a_training_that_goes_on_forgets_its_datastore_and_fills_it_again(files, model):
    fit = trainer(files / "out", 2)
    built = module(model)
    fit.fit(built, data(files, "human"))
    before = built.classifier.datastore.keys.clone()
    fit.save_checkpoint(files / "whole.ckpt")
    again = module(model)
    given = data(files, "human", "dev", steps_per_epoch=2)
    longer, seen = trainer(files / "out", 6), Seen()
    longer.callbacks.append(seen)
    longer.fit(again, given, ckpt_path=str(files / "whole.ckpt"), weights_only=False)
    assert seen.finished == [False, False]
    after = again.classifier.datastore.keys
    assert after.shape == before.shape
    assert not torch.allclose(after, before, atol=1e-3)
    fresh = relgen.load_classifier(files / "out" / "model").classifier
    torch.testing.assert_close(fresh.datastore.keys, after)

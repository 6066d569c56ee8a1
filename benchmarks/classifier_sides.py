"""The sides of `benchmarks.classifier`: relgen and transformers' Trainer, training and test pass.

    train-relgen          relgen's module and data in Lightning's Trainer
    train-trainer         the same weights, optimiser and schedule in transformers' Trainer
    test-relgen           relgen's own pass, in float32
    test-relgen-bfloat16  in bfloat16, with close decisions computed again; only where the
                          processor has instructions for it, or with --bfloat16
    test-trainer          the same classifier in transformers' Trainer

The command line's docstring says what is the same for all of them.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import lightning
import torch
import torch.nn.functional as F
import transformers
from datasets import Dataset
from torch import Tensor, nn
from transformers import get_linear_schedule_with_warmup

from benchmarks import harness
from benchmarks.harness import Row
from datamodules.relations import RelationDataModule
from lightning_modules.relation_classifier import RelationClassifierModule
from relgen.classifiers import (
    Batch,
    Classifier,
    EntityMarkerClassifier,
    MarkerEncoding,
    NetworkClassifier,
    Precision,
    load_network,
)
from relgen.common import find_config, read_yaml
from relgen.data import Sample, load_schema, read_samples
from relgen.evaluation import score_labels

TRAIN_SIDES = ("train-relgen", "train-trainer")
TEST_SIDES = ("test-relgen", "test-trainer")
BFLOAT16_SIDE = "test-relgen-bfloat16"
_PRESET = "classifier/entity_marker"
_WARM_UP = 64
_CLIP = 1.0


def predicting_sides(args: argparse.Namespace) -> tuple[str, ...]:
    """Return the sides of the test pass to measure."""
    return (TEST_SIDES[0], BFLOAT16_SIDE, TEST_SIDES[1]) if args.bfloat16 else TEST_SIDES


def measure_side(args: argparse.Namespace) -> Row:
    """Measure seconds, tokens read, peak memory, and the score of the result."""
    work = Path(args.work)
    test = read_samples(work / "test.jsonl")
    if args.side in TRAIN_SIDES:
        samples = read_samples(work / "train.jsonl")
        torch.manual_seed(args.seed)
        classifier: Classifier = untrained(args)
        tokens = _count_tokens(classifier)
        train = _train_relgen if args.side == TRAIN_SIDES[0] else _train_trainer
        seconds = train(args, classifier, samples)
        memory = harness.peak_memory_mb()
        read = sum(tokens) // args.epochs
        found = [p.relation for p in NetworkClassifier(classifier).predict_samples(test)]
    else:
        samples = test
        classifier = load_network(args.trained).classifier
        tokens = _count_tokens(classifier)
        predict = predictor(args, classifier)
        predict(test[:_WARM_UP])
        tokens.clear()
        seconds, found = harness.timed(lambda: predict(test))
        memory, read = harness.peak_memory_mb(), sum(tokens)
    gold = [sample.relation for sample in test]
    return {
        "seconds": seconds,
        "samples": len(samples),
        "tokens": read,
        "peak_mb": memory,
        "micro_f1": score_labels(found, gold, classifier.schema).micro_f1,
    }


def untrained(args: argparse.Namespace) -> EntityMarkerClassifier:
    """Return the classifier that both sides start from: the preset's, with torch's seed."""
    schema = load_schema(Path(args.work, "schema").read_text())
    settings = preset()["classifier"]["init_args"]
    return EntityMarkerClassifier(schema, **{**settings, "model": args.model})


def preset() -> dict[str, Any]:
    """Return the module's settings in the entity-marker preset."""
    content: dict[str, Any] = read_yaml(find_config(_PRESET))["model"]["init_args"]
    return content


def _count_tokens(classifier: nn.Module) -> list[int]:
    """Return a list that collects the number of tokens of each batch the classifier reads."""
    counts: list[int] = []
    classifier.register_forward_pre_hook(lambda _, given: counts.append(given[0].input_ids.numel()))
    return counts


def training_module(classifier: Classifier) -> RelationClassifierModule:
    """Return the module with the preset's settings."""
    given = preset()
    optimizer = partial(torch.optim.AdamW, **given["optimizer"]["init_args"])
    rate = given["head_learning_rate"]
    return RelationClassifierModule(lambda schema: classifier, optimizer, head_learning_rate=rate)


def _train_relgen(args: argparse.Namespace, classifier: Classifier, samples: list[Sample]) -> float:
    """Return seconds per epoch in Lightning's Trainer; save the classifier to `relgen/model`."""
    lightning.seed_everything(args.seed)
    clock = _LightningClock()
    data = RelationDataModule(
        Path(args.work, "schema").read_text(),
        human=str(Path(args.work, "train.jsonl")),
        balanced=False,
        batch_size=args.batch_size,
        steps_per_epoch=len(samples) // args.batch_size,
        seed=args.seed,
    )
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=args.epochs,
        gradient_clip_val=_CLIP,
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=Path(args.work, "relgen"),
    )
    trainer.fit(training_module(classifier), data)
    return statistics.median(clock.seconds)


def _train_trainer(
    args: argparse.Namespace, classifier: Classifier, samples: list[Sample]
) -> float:
    """Return seconds per epoch in transformers' Trainer."""
    steps = len(samples) // args.batch_size * args.epochs
    module = training_module(classifier)
    module.classifier = classifier
    optimizer = module.build_optimizer(module.parameter_groups())
    warmup = round(module.warmup_share * steps)
    clock = _TrainerClock()
    trainer = build_trainer(
        args,
        classifier,
        train_dataset=trainer_table(classifier, samples),
        optimizers=(optimizer, get_linear_schedule_with_warmup(optimizer, warmup, steps)),
        callbacks=[clock],
    )
    trainer.train()
    return statistics.median(clock.seconds)


def build_trainer(
    args: argparse.Namespace, classifier: Classifier, **options: Any
) -> transformers.Trainer:
    """Return transformers' Trainer with the settings that both of its sides use."""
    settings = transformers.TrainingArguments(
        output_dir=str(Path(args.work, "trainer")),
        per_device_train_batch_size=args.batch_size,
        per_device_eval_batch_size=args.test_batch_size,
        num_train_epochs=args.epochs,
        max_grad_norm=_CLIP,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
        use_cpu=True,
        seed=args.seed,
    )
    # a tokenizer makes DataCollatorWithPadding the default
    encoding = cast(MarkerEncoding, classifier.encoding)
    return transformers.Trainer(
        ForTrainer(classifier), settings, processing_class=encoding.tokenizer, **options
    )


class ForTrainer(nn.Module):
    """The classifier in the form that Trainer calls: columns in, loss and logits out.

    Its encoder is transformers' own, whose last layer computes every token.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier
        encoder = cast(EntityMarkerClassifier, classifier).encoder
        layers = encoder.encoder.layer
        if type(layers[-1]) is not type(layers[0]):
            whole = type(layers[0])(encoder.config)
            for name, part in layers[-1].named_children():
                setattr(whole, name, part)
            layers[-1] = whole

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, positions: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        human = torch.zeros_like(labels, dtype=torch.bool)
        certain = labels.new_zeros(len(labels), 0)
        batch = Batch(input_ids, attention_mask, positions, labels, human, (), certain)
        logits = self.classifier(batch)
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


def trainer_table(classifier: Classifier, samples: Sequence[Sample]) -> Dataset:
    """Return Trainer's input: the columns of relgen's own encoding."""
    encoded = classifier.encoding.encode(samples)
    return Dataset.from_dict(
        {
            "input_ids": [one.input_ids for one in encoded],
            "attention_mask": [[1] * len(one.input_ids) for one in encoded],
            "positions": [one.positions for one in encoded],
            "label": [classifier.schema.labels.index(sample.relation) for sample in samples],
        }
    )


def trainer_logits(trainer: transformers.Trainer, table: Dataset) -> Tensor:
    """Return Trainer's logits (N, R) of a table."""
    return torch.from_numpy(trainer.predict(table).predictions)


def predictor(
    args: argparse.Namespace, classifier: Classifier
) -> Callable[[Sequence[Sample]], list[str]]:
    """Return a side's function from samples to labels."""
    if args.side != "test-trainer":
        precision: Precision = "bfloat16" if args.side.endswith("bfloat16") else "float32"
        saved = NetworkClassifier(classifier, precision=precision)
        return lambda samples: [p.relation for p in saved.predict_samples(samples)]
    trainer, saved = build_trainer(args, classifier), NetworkClassifier(classifier)

    def predict(samples: Sequence[Sample]) -> list[str]:
        logits = trainer_logits(trainer, trainer_table(classifier, samples))
        # the types exclude the same relations
        return [p.relation for p in saved.predictions(samples, logits)]

    return predict


class _LightningClock(lightning.Callback):
    """Times epochs in Lightning's Trainer."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._began = 0.0

    def on_train_epoch_start(self, *_: Any) -> None:
        self._began = harness.clock()

    def on_train_epoch_end(self, *_: Any) -> None:
        self.seconds.append(harness.clock() - self._began)


class _TrainerClock(transformers.TrainerCallback):
    """Times epochs in transformers' Trainer."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._began = 0.0

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self._began = harness.clock()

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        self.seconds.append(harness.clock() - self._began)

"""Checks of `benchmarks.classifier`, before it measures, that its sides compute the same."""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks import harness
from benchmarks.classifier_sides import (
    TEST_SIDES,
    ForTrainer,
    build_trainer,
    predicting_sides,
    predictor,
    trainer_logits,
    trainer_table,
    training_module,
    untrained,
)
from benchmarks.harness import Row
from relgen.classifiers import collate, load_network
from relgen.classifiers.network import compute_logits
from relgen.data import read_samples

_CHECKED_BATCHES = 4


def check_step(args: argparse.Namespace, tolerance: Row) -> Row:
    """Return the differences of logits, loss and gradient of a training step from the same weights.

    Without dropout, which draws other numbers for other shapes; the gradient's is relative.

    Raises:
        RuntimeError: one of them is beyond its `tolerance`.
    """
    samples = read_samples(Path(args.work, "train.jsonl"))[: _CHECKED_BATCHES * args.batch_size]
    classifier = untrained(args).eval()
    module = training_module(classifier)
    module.classifier = classifier
    table, trainer = (
        trainer_table(classifier, samples),
        build_trainer(args, copy.deepcopy(classifier)),
    )
    encoded, pad_id = classifier.encoding.encode(samples), classifier.encoding.pad_id
    theirs = trainer_logits(trainer, table)
    with torch.inference_mode():
        ours = compute_logits(classifier, encoded, 1024)
    first = range(args.batch_size)
    labels = table["label"][: args.batch_size]
    batch = collate([encoded[row] for row in first], pad_id=pad_id, labels=labels)
    loss, gradient = _backward(classifier, module.model_step(batch)[0])
    inputs = trainer.data_collator([table[row] for row in first])
    other = copy.deepcopy(classifier)
    other_loss, other_gradient = _backward(other, ForTrainer(other)(**inputs)["loss"])
    found = {
        "logits": float((ours - theirs).abs().max()),
        "loss": abs(loss - other_loss),
        "gradient": float((gradient - other_gradient).norm() / other_gradient.norm()),
    }
    harness.require_within("the sides do not compute the same", found, tolerance)
    return found


def _backward(classifier: nn.Module, loss: Tensor) -> tuple[float, Tensor]:
    classifier.zero_grad()
    loss.backward()
    gradients = [p.grad.flatten() for p in classifier.parameters() if p.grad is not None]
    return loss.item(), torch.cat(gradients)


def check_labels(args: argparse.Namespace, least: float) -> Row:
    """Return the share of test samples with the same label as by Trainer, for relgen's sides.

    Raises:
        RuntimeError: a share is below `least`.
    """
    test = read_samples(Path(args.work, "test.jsonl"))
    found = {}
    for side in predicting_sides(args):
        classifier = load_network(args.trained).classifier
        predict = predictor(argparse.Namespace(**{**vars(args), "side": side}), classifier)
        found[side] = predict(test)
    expected = found.pop(TEST_SIDES[1])
    shares = {
        side: sum(a == b for a, b in zip(labels, expected, strict=True)) / len(test)
        for side, labels in found.items()
    }
    if min(shares.values()) < least:
        raise RuntimeError(f"the sides give other labels; equal: {shares}")
    return shares

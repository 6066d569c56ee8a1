"""Predicts with the network of a trained classifier, in float32 or in bfloat16."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from copy import deepcopy
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from relgen.classifiers.base import Batch, Classifier, collate
from relgen.classifiers.calibration import Calibration
from relgen.classifiers.pipeline import SavedClassifier
from relgen.classifiers.portable import Encoded
from relgen.common import checked, multiplies_bfloat16
from relgen.data import Prediction, Sample
from relgen.models import length_batches

_LOG = logging.getLogger(__name__)
Precision = Literal["float32", "bfloat16"]
# measured: rounding changed no difference of two of MiniLM's logits by more than 0.07
_CLOSE = 0.1
# relative to a number's size: bfloat16 keeps 8 bits
_ROUNDING = 2.0**-8


class NetworkClassifier(SavedClassifier):
    """A trained network, ready to predict.

    With a `precision` of `bfloat16`, prediction is about one and a half times as fast on processors
    with instructions for it, and keeps a second copy of the weights. Sentences whose two best
    relations are close are computed again in `float32`, so that labels hardly ever differ from
    those of `float32`; probabilities differ in the second or third digit.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        precision: Precision = "float32",
        calibration: Calibration | None = None,
    ) -> None:
        checked(Precision, precision, "precision")
        on_cpu = next(classifier.parameters()).device.type == "cpu"
        if precision == "bfloat16" and on_cpu and not multiplies_bfloat16():
            _LOG.warning(
                "this processor has no instructions for bfloat16; float32 is many times faster"
            )
        self.classifier, self.schema = classifier.eval(), classifier.schema
        self.calibration = calibration
        self.rounded = _in_bfloat16(classifier) if precision == "bfloat16" else None

    @torch.inference_mode()
    def predict_samples(
        self, samples: Sequence[Sample], *, token_budget: int = 2048
    ) -> list[Prediction]:
        encoded = self.classifier.encoding.encode(samples)
        logits = compute_logits(self.rounded or self.classifier, encoded, token_budget)  # (N, R)
        if self.rounded is not None:
            allowed = self.allowed(samples, logits)
            close = close_calls(allowed * float(self.classifier.temperature))
            again = [encoded[row] for row in close]
            logits[close] = compute_logits(self.classifier, again, token_budget)
        return self.predictions(samples, logits)


def compute_logits(classifier: Classifier, encoded: Sequence[Encoded], token_budget: int) -> Tensor:
    """Return the logits of N encoded samples, (N, R) in float32 on the CPU.

    Batches have similar lengths, and up to `token_budget` tokens with padding.
    """
    device, pad_id = next(classifier.parameters()).device, classifier.encoding.pad_id
    logits = torch.empty(len(encoded), len(classifier.schema))
    for rows in length_batches([len(one.input_ids) for one in encoded], token_budget):
        batch = collate([encoded[row] for row in rows], pad_id=pad_id)
        moved = Batch._make(part.to(device) if isinstance(part, Tensor) else part for part in batch)
        logits[rows] = classifier(moved).float().cpu()
    return logits


def close_calls(logits: Tensor) -> list[int]:
    """Return the rows of logits (N, R) whose two best are too close to trust bfloat16."""
    best = logits.topk(min(2, logits.shape[1])).values  # (N, 2)
    # each of the two has an error from its own rounding and from that of earlier layers
    least = (4 * _ROUNDING * best[:, 0].abs()).clamp(min=_CLOSE)  # (N,)
    return (best[:, 0] - best[:, -1] < least).nonzero().flatten().tolist()


def _in_bfloat16(classifier: Classifier) -> Classifier:
    """Return a copy with rounded weights, which shares the encoding."""
    rounded = deepcopy(classifier, {id(classifier.encoding): classifier.encoding})
    for module in rounded.modules():
        if isinstance(module, PreTrainedModel) and module.device.type == "cpu":
            # measured: for single sentences sdpa makes the forward pass 1.4 times slower
            module.set_attn_implementation("eager")
    return rounded.to(torch.bfloat16)

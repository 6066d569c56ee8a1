"""Predicts with a trained classifier, from strings or samples."""

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
from relgen.classifiers.portable import Encoded
from relgen.common import InputError, checked, multiplies_bfloat16
from relgen.data import Entity, Prediction, RelationSchema, Sample, find_mentions
from relgen.evaluation import samples_for
from relgen.models import length_batches

_LOG = logging.getLogger(__name__)
Mention = str | tuple[int, int]
Precision = Literal["float32", "bfloat16"]
# measured: rounding changed no difference of two of MiniLM's logits by more than 0.07
_CLOSE = 0.1
# relative to a number's size: bfloat16 keeps 8 bits
_ROUNDING = 2.0**-8


class SavedClassifier:
    """A trained classifier, ready to predict.

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
        self.classifier = classifier.eval()
        self.calibration = calibration
        self.rounded = _in_bfloat16(classifier) if precision == "bfloat16" else None

    @property
    def schema(self) -> RelationSchema:
        return self.classifier.schema

    def predict(self, text: str, head: Mention, tail: Mention) -> Prediction:
        """Predict the relation between two mentions of a sentence.

        A mention is given as written in the text, or as its (start, end) offsets.

        Raises:
            InputError: (a ValueError) a mention is not in the text, or more than once.
        """
        return self.predict_many([(text, head, tail)])[0]

    def predict_many(self, inputs: Sequence[tuple[str, Mention, Mention]]) -> list[Prediction]:
        """Predict for many (text, head, tail); the predictions' ids count from 0."""
        samples = [
            Sample(
                str(number),
                text,
                Entity(*find_mention(text, head, "head")),
                Entity(*find_mention(text, tail, "tail")),
                "unknown",
            )
            for number, (text, head, tail) in enumerate(inputs)
        ]
        return self.predict_samples(samples)

    @torch.inference_mode()
    def predict_samples(
        self, samples: Sequence[Sample], *, token_budget: int = 2048
    ) -> list[Prediction]:
        """Predict the relations of samples, in order; their own relations are ignored.

        Relations whose types exclude an entity's type have the probability 0, unless that would
        leave none. A batch has up to `token_budget` tokens, padding included.
        """
        encoded = self.classifier.encoding.encode(samples)
        logits = compute_logits(self.rounded or self.classifier, encoded, token_budget)  # (N, R)
        if self.rounded is not None:
            allowed = self._allowed(samples, logits)
            close = close_calls(allowed * float(self.classifier.temperature))
            again = [encoded[row] for row in close]
            logits[close] = compute_logits(self.classifier, again, token_budget)
        return self.predictions(samples, logits)

    def predictions(self, samples: Sequence[Sample], logits: Tensor) -> list[Prediction]:
        """Return the predictions of samples with logits (N, R), of what their types allow."""
        probabilities = self._allowed(samples, logits).softmax(dim=-1).tolist()
        return [
            Prediction.from_probabilities(sample.id, self.schema.labels, row)
            for sample, row in zip(samples, probabilities, strict=True)
        ]

    def _allowed(self, samples: Sequence[Sample], logits: Tensor) -> Tensor:
        excluded = excluded_relations(self.schema, samples)
        return logits if excluded is None else logits.masked_fill(excluded, -torch.inf)

    def answer(
        self,
        prediction: Prediction,
        *,
        threshold: float | None = None,
        abstain: bool = False,
    ) -> str | None:
        """Return the predicted relation if its probability reaches the threshold.

        Otherwise return the negative relation; or None, no answer, with `abstain` and for schemas
        without a negative relation.

        Args:
            threshold: the least probability; None takes each relation's own (`calibration`), which
                is 0 for a classifier that was not calibrated.
        """
        own = self.calibration.thresholds if self.calibration else {}
        least = own.get(prediction.relation, 0.0) if threshold is None else threshold
        if prediction.score >= least:
            return prediction.relation
        return None if abstain else self.schema.negative

    def relations_set(self, prediction: Prediction, coverage: str) -> list[str]:
        """Return the relations of a conformal set, the most probable first; never an empty one."""
        least = self.least_in_set(coverage)
        order = sorted(prediction.scores.items(), key=lambda each: -each[1])
        return [label for n, (label, p) in enumerate(order) if n == 0 or p >= least]

    def least_in_set(self, coverage: str) -> float:
        """Return the least probability of the relations in a conformal set.

        `coverage` is a key of `calibration.sets`. Raises InputError without such a one.
        """
        sets = self.calibration.sets if self.calibration else {}
        if coverage not in sets:
            count = self.calibration.samples if self.calibration else 0
            raise InputError(
                f"conformal sets of this coverage need {samples_for(float(coverage))} samples that "
                f"calibrate, and this classifier has {count}",
                field="coverage",
                value=coverage,
                remedy=f"ask for one of {', '.join(sets)}" if sets else "calibrate it",
            )
        return sets[coverage]


def excluded_relations(schema: RelationSchema, samples: Sequence[Sample]) -> Tensor | None:
    """Return which relations the entities' types exclude, (N, R); None if they exclude nothing.

    A sample whose types exclude every relation keeps all.
    """
    pairs = [(sample.head.type, sample.tail.type) for sample in samples]
    rows = {pair: schema.allowed(*pair) for pair in set(pairs)}
    if all(all(row) or not any(row) for row in rows.values()):
        return None
    return ~torch.tensor(
        [rows[pair] if any(rows[pair]) else (True,) * len(schema) for pair in pairs]
    )


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


def find_mention(text: str, mention: Mention, role: str) -> tuple[int, int]:
    """Return a mention's offsets in a text; whole words are preferred to parts of words.

    Offsets are returned unchanged. `role` is for the message. Raises InputError if the mention is
    not in the text, or more than once.
    """
    if not isinstance(mention, str):
        return mention
    if not mention.strip():
        raise InputError("the mention is empty", field=role, value=mention)
    spans = find_mentions(text, mention)
    if len(spans) == 1:
        return spans[0]
    if not spans:
        raise InputError(
            f"the mention is not in the text {text!r}",
            field=role,
            value=mention,
            remedy="copy it exactly from the text, or give (start, end) offsets",
        )
    raise InputError(
        f"the mention is in the text {len(spans)} times, at {[start for start, _ in spans]}",
        field=role,
        value=mention,
        remedy=f"give the offsets of the one you mean, such as {role}={spans[0]}",
    )

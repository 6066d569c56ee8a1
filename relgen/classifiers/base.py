"""Defines the interface of relation classifiers, and their batches.

An architecture is an `nn.Module` from batches to logits, with the encoding that makes its batches.
Training, data modules and saving rely on this interface only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from relgen.classifiers.encoding import Encoding
from relgen.classifiers.portable import Encoded
from relgen.data import RelationSchema

# settings in `Classifier.config` that the weights depend on
_IDENTITY = ("types", "markers")


class Batch(NamedTuple):
    """B samples, padded to T tokens.

    Shapes: `input_ids` and `attention_mask` (B, T), `positions` (B, P), `labels` and `generated`
    (B,); `ids` are the samples' B ids. A label of -1 is unknown (prediction only). `targets` (B, R)
    holds the probability of each relation for samples with uncertain labels, and rows of zeros for
    the others; (B, 0) if all labels are certain.
    """

    input_ids: Tensor
    attention_mask: Tensor
    positions: Tensor
    labels: Tensor
    generated: Tensor
    ids: tuple[str, ...]
    targets: Tensor


class Classifier(nn.Module, ABC):
    """Base class of the architectures: from batches to logits over the schema's labels.

    `kind` is the name in a saved classifier's `config.json`; `relgen.classifiers.saved` maps it to
    the class. `temperature` (1,) divides the logits; it is 1 until the classifier is calibrated.
    `start_notice` is a warning to log before training, if not empty. `learns_after_training` is
    True for classifiers with a part that is learnt after the weights, from all samples at once.
    """

    kind: ClassVar[str]
    learns_after_training: ClassVar[bool] = False
    finished: bool = True
    schema: RelationSchema
    encoding: Encoding
    temperature: Tensor
    start_notice: str = ""

    def __init__(self) -> None:
        super().__init__()
        # part of the weights: checkpoints, exports and saved folders are calibrated alike
        self.register_buffer("temperature", torch.ones(1))

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """Return calibrated logits (B, R) in the order of the schema's labels."""

    def with_extra_loss(self, batch: Batch, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, R), and a loss (B,) to add to their cross-entropy, by default 0.

        `targets` (B, R) are the target probabilities.
        """
        logits = self(batch)
        return logits, logits.new_zeros(len(logits))

    @abstractmethod
    def fresh_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters without pre-training, which learn at a higher rate."""

    def restart(self) -> None:
        """Discard the part that is learnt after training, before the weights change."""
        self.temperature.fill_(1.0)

    def finish(self, training: Iterable[Batch], development: Iterable[Batch] | None) -> None:
        """Learn the part that is learnt after training, and set `finished`.

        `training` yields every training sample once, and `development` every sample of the
        validation file, if there is one; only the latter may be used to choose settings.
        """

    def identity(self) -> dict[str, Any]:
        """Return the kind and the input settings that a checkpoint's weights depend on."""
        config = self.config()
        return {"kind": self.kind, **{name: config[name] for name in _IDENTITY if name in config}}

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return the JSON that `from_saved` needs besides weights, schema and tokenizer."""

    @classmethod
    @abstractmethod
    def from_saved(cls, schema: RelationSchema, config: dict[str, Any], tokenizer: Path) -> Self:
        """Build the module with untrained weights; the caller loads the saved ones."""


ClassifierCallable = Callable[[RelationSchema], Classifier]


def collate(
    encoded: Sequence[Encoded],
    *,
    pad_id: int,
    labels: Sequence[int] | None = None,
    generated: Sequence[bool] | None = None,
    ids: Sequence[str] = (),
    targets: Sequence[Sequence[float]] | None = None,
) -> Batch:
    """Pad B encoded samples on the right to the length of the longest.

        >>> collate([Encoded([5, 6, 7], [1, 2], False), Encoded([5, 6], [0, 1], False)], pad_id=0)
        input_ids [[5, 6, 7], [5, 6, 0]], attention_mask [[1, 1, 1], [1, 1, 0]],
        positions [[1, 2], [0, 1]], labels [-1, -1], generated [False, False], ids (),
        targets of shape (2, 0)

    Labels are unknown (-1) by default. `targets` has R probabilities for each sample, or none if
    its label is certain.
    """
    length = max(len(sample.input_ids) for sample in encoded)
    rows = [sample.input_ids + [pad_id] * (length - len(sample.input_ids)) for sample in encoded]
    sizes = torch.tensor([len(sample.input_ids) for sample in encoded])
    count = len(encoded)
    size = max(map(len, targets or [[]]))
    known = [list(row) or [0.0] * size for row in targets or [[]] * count]
    return Batch(
        input_ids=torch.tensor(rows),
        attention_mask=(torch.arange(length)[None, :] < sizes[:, None]).long(),  # (B, T)
        positions=torch.tensor([sample.positions for sample in encoded]),
        labels=torch.tensor([-1] * count if labels is None else list(labels)),
        generated=torch.tensor([False] * count if generated is None else list(generated)),
        ids=tuple(ids),
        targets=torch.tensor(known).view(count, size),
    )

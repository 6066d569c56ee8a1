"""What every classifier shares: `Classifier`, how it encodes samples, and the batches it reads.

An architecture is an `nn.Module` from batches to logits, with the encoding that makes its batches.
Training (`lightning_modules.relation_classifier`), data (`datamodules.relations`) and saving
(`relgen.classifiers.saved`) know nothing else about it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import torch
from torch import Tensor, nn

from relgen.data import RelationSchema, Sample

# settings of `Classifier.config` that change what the same weights mean
_IDENTITY = ("types", "markers", "mode")


class Encoded(NamedTuple):
    """One sample as token ids.

    `positions` are indices into `input_ids` whose states the classifier reads; every sample of an
    encoding has the same number P of them. `truncated`: the text did not fit and was cut.
    """

    input_ids: list[int]
    positions: list[int]
    truncated: bool


class Batch(NamedTuple):
    """B samples, padded to T tokens.

    Shapes: `input_ids` and `attention_mask` (B, T), `positions` (B, P), `labels` and `generated`
    (B,); `ids` are the samples' B ids. A label of -1 is unknown (prediction only). `targets` (B, R)
    holds the probability of each relation where a sample's label is not certain, and rows of zeros
    for the others; (B, 0) where all are certain.
    """

    input_ids: Tensor
    attention_mask: Tensor
    positions: Tensor
    labels: Tensor
    generated: Tensor
    ids: tuple[str, ...]
    targets: Tensor


class Encoding(ABC):
    """How samples become token ids. Knows the tokenizer, and no weights."""

    pad_id: int

    @property
    @abstractmethod
    def key(self) -> str:
        """Differs between encodings that would encode some sample differently; keys the cache."""

    @abstractmethod
    def encode(self, samples: Sequence[Sample]) -> list[Encoded]:
        """Encodes samples, in order."""

    @abstractmethod
    def decode(self, input_ids: Sequence[int]) -> str:
        """Token ids as readable text."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes the tokenizer's files into a folder."""


class Classifier(nn.Module, ABC):
    """From batches to logits over the schema's labels.

    `kind` is the name that a saved classifier's `config.json` carries; `relgen.classifiers.saved`
    maps it to the class. `start_notice` is what a training should be told about what it starts
    from; empty: nothing.
    """

    kind: ClassVar[str]
    schema: RelationSchema
    encoding: Encoding
    start_notice: str = ""

    @abstractmethod
    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, R) in the order of the schema's labels."""

    def with_extra_loss(self, batch: Batch, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and what each sample costs beside the cross-entropy of its logits.

        The second is zero unless an architecture has a loss of its own.

        Args:
            batch: B samples.
            targets: (B, R) the probabilities that they are trained towards.

        Returns:
            Logits (B, R) and losses (B,).
        """
        logits = self(batch)
        return logits, logits.new_zeros(len(logits))

    @abstractmethod
    def fresh_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters that no pre-training has seen: they learn at a higher rate."""

    def identity(self) -> dict[str, Any]:
        """What weights must agree in to mean the same: the kind, and the settings of the input."""
        config = self.config()
        return {"kind": self.kind, **{name: config[name] for name in _IDENTITY if name in config}}

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What `from_saved` needs beside the weights, the schema and the tokenizer, as JSON."""

    @classmethod
    @abstractmethod
    def from_saved(cls, schema: RelationSchema, config: dict[str, Any], tokenizer: Path) -> Self:
        """Builds the module with untrained weights; the caller loads the saved ones."""


class LearnsAfterTraining(ABC):
    """A classifier with a part that is learnt once its weights are, from all samples at once."""

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether that part is there. Until then the classifier does without it."""

    @abstractmethod
    def restart(self) -> None:
        """Forgets that part: the weights are going to change."""

    @abstractmethod
    def finish(self, training: Iterable[Batch], development: Iterable[Batch] | None) -> None:
        """Learns that part.

        Args:
            training: every training sample once.
            development: every sample of the validation file, where there is one. Settings are
                chosen on these alone.
        """


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
    """Pads B encoded samples on the right, to the longest of them.

        >>> collate([Encoded([5, 6, 7], [1, 2], False), Encoded([5, 6], [0, 1], False)], pad_id=0)
        input_ids [[5, 6, 7], [5, 6, 0]], attention_mask [[1, 1, 1], [1, 1, 0]],
        positions [[1, 2], [0, 1]], labels [-1, -1], generated [False, False], ids (),
        targets of shape (2, 0)

    Args:
        encoded: B samples.
        pad_id: the token that pads.
        labels: B indices into the schema's labels; unknown (-1) when left out.
        generated: B flags; all human when left out.
        ids: the samples' ids.
        targets: for each sample R probabilities, or none where its label is certain.
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

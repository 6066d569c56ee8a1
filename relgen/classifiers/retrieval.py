"""RetrievalRE: KnowPrompt, mixed with the relations of the nearest training samples.

Chen et al., *Relation Extraction as Open-book Examination: Retrieval-enhanced Prompt Tuning* (SIGIR
2022, arXiv 2205.02355). KnowPrompt is trained as usual. Then the state at the mask of every
training sample becomes a key of a datastore, and predictions are mixed with the relations of the
nearest keys (`relgen.classifiers.datastore`). The authors' scripts train without the structured
loss (as does `structured_weight: 0`) and without virtual type words, which is not offered here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel

from relgen.classifiers.base import Batch
from relgen.classifiers.datastore import (
    Datastore,
    Retrieval,
    candidates,
    choose,
    nearest,
    published,
)
from relgen.classifiers.knowprompt import KnowPromptClassifier
from relgen.classifiers.knowprompt_encoding import PromptEncoding
from relgen.classifiers.losses import target_probabilities
from relgen.classifiers.saved import load_network
from relgen.common import (
    BelowOne,
    ClosedUnitInterval,
    InputError,
    InputLength,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    checks_numbers,
)
from relgen.data import RelationSchema


class RetrievalClassifier(KnowPromptClassifier):
    """KnowPrompt, with predictions mixed with those of the nearest training samples.

    During training and validation it is KnowPrompt alone.

    Args:
        schema: the relations; R labels.
        model: the masked language model, as for `KnowPromptClassifier`.
        max_length: longest input in tokens; longer sentences are cut around both entities.
        structured_weight: λ, the weight of the structured loss.
        margin: margin γ of the structured loss.
        encoder_dropout: dropout in the encoder's layers; null keeps the value from pre-training.
        attention: the encoder's implementation of attention.
        interpolation: λ, the neighbours' share; null chooses it, like `neighbours` and
            `temperature`, on the validation file at the end of training, or takes the published
            value if there is no such file. The test file has no influence.
        neighbours: number k of nearest neighbours.
        temperature: temperature T of the neighbours' distances.
        trained: the folder `model` of a trained KnowPrompt of the same relations. Its weights and
            settings replace `model` and all other settings of KnowPrompt. With `trainer.max_steps`
            0 only the datastore is learnt.

    Raises:
        InputError: see `KnowPromptClassifier`; or `trained` is not a KnowPrompt of these relations.
    """

    kind: ClassVar[str] = "retrieval"
    learns_after_training: ClassVar[bool] = True
    given: dict[str, float]
    trained: str | None

    @checks_numbers
    def __init__(
        self,
        schema: RelationSchema,
        model: str = "roberta-large",
        max_length: InputLength = 256,
        structured_weight: NonNegativeFloat = 0.001,
        margin: NonNegativeFloat = 0.3,
        interpolation: ClosedUnitInterval | None = None,
        neighbours: PositiveInt | None = None,
        temperature: PositiveFloat | None = None,
        encoder_dropout: BelowOne | None = None,
        attention: Literal["sdpa", "eager"] = "sdpa",
        trained: str | None = None,
    ) -> None:
        settings = zip(Retrieval._fields, (interpolation, neighbours, temperature), strict=True)
        if trained is None:
            super().__init__(
                schema, model, max_length, structured_weight, margin, encoder_dropout, attention
            )
        else:
            start = _load_knowprompt(trained, schema)
            self._assemble(schema, start.language_model, start.encoding, start.settings)
        self.given = {name: value for name, value in settings if value is not None}
        self.trained = trained

    def _assemble(
        self,
        schema: RelationSchema,
        language_model: PreTrainedModel,
        encoding: PromptEncoding,
        settings: dict[str, Any],
    ) -> None:
        super()._assemble(schema, language_model, encoding, settings)
        self.datastore = Datastore(language_model.config.hidden_size, len(schema))
        self.given = {}
        self.source = ""
        self.trained = None

    @property
    def finished(self) -> bool:  # type: ignore[override]
        return len(self.datastore) > 0

    def restart(self) -> None:
        super().restart()
        self.datastore.clear()

    @torch.no_grad()
    def finish(self, training: Iterable[Batch], development: Iterable[Batch] | None) -> None:
        """Fill the datastore, and choose λ, k and T."""
        was_training = self.training
        self.eval()
        keys, values, _ = self._read(training)
        retrieval, self.source = published(self.given, self.schema.name), "the published values"
        if development is not None:
            queries, targets, logits = self._read(development)
            options = candidates(self.given)
            most = max(option.neighbours for option in options)
            found = nearest(queries, keys, values, most)
            retrieval = choose(options, logits, found, targets.argmax(dim=-1), self.schema)
            self.source = f"chosen on {len(queries)} development samples"
        if len(self.given) == len(retrieval):
            self.source = "as configured"
        self.datastore.fill(keys, values, retrieval)
        self.train(was_training)

    def config(self) -> dict[str, Any]:
        """Return KnowPrompt's config and the retrieval settings."""
        used = {**self.datastore.retrieval._asdict(), "samples": len(self.datastore)}
        used |= {"source": self.source, "trained": self.trained}
        return {**super().config(), "retrieval": used}

    @classmethod
    def from_saved(cls, schema: RelationSchema, config: dict[str, Any], tokenizer: Path) -> Self:
        built = super().from_saved(schema, config, tokenizer)
        built.source = config["retrieval"]["source"]
        built.trained = config["retrieval"]["trained"]
        return built

    def _scores(self, states: Tensor, answers: Tensor) -> Tensor:
        """Return logits (B, R) at the masks' states (B, H): the language model's, or mixed."""
        logits = super()._scores(states, answers)
        return logits if self.training or not self.finished else self.datastore.mix(logits, states)

    def _read(self, batches: Iterable[Batch]) -> tuple[Tensor, Tensor, Tensor]:
        """Return mask states (N, H), targets and logits (N, R) of N samples; float32."""
        parts, answers = [], self._answer_words()
        for batch in batches:
            states = self._states(batch, 1)[:, 0]
            targets = target_probabilities(batch.labels, batch.targets, len(self.schema))
            parts.append((states.float(), targets, super()._scores(states, answers).float()))
        keys, values, logits = (torch.cat(part) for part in zip(*parts, strict=True))
        return keys, values, logits


def _load_knowprompt(folder: str, schema: RelationSchema) -> KnowPromptClassifier:
    found = load_network(folder).classifier
    if found.kind != KnowPromptClassifier.kind:
        problem, value = "is another kind of classifier", found.kind
    elif found.schema.labels != schema.labels:
        problem, value = "was trained for other relations, or in another order", found.schema.name
    else:
        return cast(KnowPromptClassifier, found)
    raise InputError(
        f"{problem}: {folder}",
        field="model.classifier.trained",
        value=value,
        remedy=f"give the folder `model` of a KnowPrompt trained with the schema '{schema.name}'",
    )

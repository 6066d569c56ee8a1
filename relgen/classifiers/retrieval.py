"""RetrievalRE: KnowPrompt, and an open book of the training samples.

Chen et al., *Relation Extraction as Open-book Examination: Retrieval-enhanced Prompt Tuning* (SIGIR
2022, arXiv 2205.02355). KnowPrompt is trained as ever. Then the state at the mask of every training
sample becomes a key of a datastore, and predictions are mixed with the relations of the nearest
keys. Leaves out: approximate search, which the authors leave out as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel

from relgen.classifiers.base import Batch, LearnsAfterTraining
from relgen.classifiers.datastore import Datastore
from relgen.classifiers.knowprompt import KnowPromptClassifier, Mode
from relgen.classifiers.knowprompt_encoding import PromptEncoding
from relgen.classifiers.losses import target_probabilities
from relgen.classifiers.retrieval_choice import COMBINATIONS, Given, choose
from relgen.classifiers.retrieval_scores import nearest
from relgen.classifiers.saved import load_classifier
from relgen.common import InputError
from relgen.data import RelationSchema


class RetrievalClassifier(KnowPromptClassifier, LearnsAfterTraining):
    """KnowPrompt, whose predictions are mixed with those of the nearest training samples.

    While it trains, and is watched on the validation file, it is KnowPrompt alone.

    Args:
        schema: the relations; R labels.
        model: see `KnowPromptClassifier`, like `max_length`, `structured_weight`, `margin`,
            `encoder_dropout` and `attention`.
        mode: `fixed` does what both papers say. `faithful` does what the released code does where
            the two differ: in KnowPrompt (see there), in the neighbours' probabilities
            (`released_neighbour_probabilities`: a relation's nearest neighbour alone counts) and in
            the mixture (`released_interpolated`: probabilities take logarithms' place). The
            authors' scripts for RetrievalRE train without the structured loss and without virtual
            type words in the prompt; for the former set `structured_weight` to 0, the latter is
            left out.
        interpolation: λ, the neighbours' share; null chooses it, like `neighbours` and
            `temperature`, on the validation file at the end of training. Without such a file the
            published values are taken. The test file has no say in it.
        neighbours: k.
        temperature: T.
        trained: the folder `model` of a trained KnowPrompt of the same relations. Its weights and
            its settings count in place of `model` and all others that KnowPrompt has; `mode` must
            be its own. With
            `trainer.max_steps` 0 nothing is trained again: what is learnt is the datastore.

    Raises:
        InputError: see `KnowPromptClassifier`; λ, k or T is out of its range; or `trained` is no
            KnowPrompt, or one of other relations or of another mode.
    """

    kind: ClassVar[str] = "retrieval"
    trained: str | None

    def __init__(
        self,
        schema: RelationSchema,
        model: str = "roberta-large",
        mode: Mode = "fixed",
        max_length: int = 256,
        structured_weight: float = 0.001,
        margin: float = 0.3,
        interpolation: float | None = None,
        neighbours: int | None = None,
        temperature: float | None = None,
        encoder_dropout: float | None = None,
        attention: Literal["sdpa", "eager"] = "sdpa",
        trained: str | None = None,
    ) -> None:
        given = Given(interpolation, neighbours, temperature)
        _check(given)
        if trained is None:
            super().__init__(
                schema,
                model,
                mode,
                max_length,
                structured_weight,
                margin,
                encoder_dropout,
                attention,
            )
        else:
            start = _knowprompt(trained, schema)
            if mode != start.settings["mode"]:
                raise InputError(
                    f"the KnowPrompt in {trained} was trained with mode {start.settings['mode']!r}",
                    field="model.classifier.mode",
                    value=mode,
                    remedy="give the same mode",
                )
            network, weight = start.language_model, start.structured_weight
            self._assemble(schema, network, start.encoding, weight, start.settings)
        self.given = given
        self.trained = trained

    def _assemble(
        self,
        schema: RelationSchema,
        language_model: PreTrainedModel,
        encoding: PromptEncoding,
        structured_weight: float,
        settings: dict[str, Any],
    ) -> None:
        super()._assemble(schema, language_model, encoding, structured_weight, settings)
        self.combination = COMBINATIONS[cast(Mode, settings["mode"])]
        self.datastore = Datastore(language_model.config.hidden_size, len(schema))
        self.given = Given()
        self.source = ""
        self.trained = None

    @property
    def finished(self) -> bool:
        """Whether the datastore is filled."""
        return len(self.datastore) > 0

    def restart(self) -> None:
        """Empties the datastore."""
        self.datastore.clear()

    @torch.no_grad()
    def finish(self, training: Iterable[Batch], development: Iterable[Batch] | None) -> None:
        """Fills the datastore, and chooses λ, k and T. See `LearnsAfterTraining`."""
        was_training = self.training
        self.eval()
        keys, values, _ = self._read(training)
        retrieval, self.source = self.given.or_published(self.schema.name), "the published values"
        if development is not None:
            queries, targets, logits = self._read(development)
            candidates = list(self.given.candidates())
            retrieval = choose(
                candidates,
                self.combination,
                logits,
                nearest(queries, keys, values, max(one.neighbours for one in candidates)),
                targets.argmax(dim=-1),
                self.schema,
            )
            self.source = f"chosen on {len(queries)} development samples"
        if None not in (self.given.interpolation, self.given.neighbours, self.given.temperature):
            self.source = "as configured"
        self.datastore.fill(keys, values, retrieval)
        self.train(was_training)

    def config(self) -> dict[str, Any]:
        """KnowPrompt's; and, for a reader, how the datastore is used: the weights hold it."""
        used = {**self.datastore.retrieval._asdict(), "samples": len(self.datastore)}
        used |= {"source": self.source, "trained": self.trained}
        return {**super().config(), "retrieval": used}

    @classmethod
    def from_saved(cls, schema: RelationSchema, config: dict[str, Any], tokenizer: Path) -> Self:
        """Builds the module with untrained weights; the caller loads the saved ones."""
        built = super().from_saved(schema, config, tokenizer)
        built.source = config["retrieval"]["source"]
        built.trained = config["retrieval"].get("trained")
        return built

    def _scores(self, states: Tensor, answers: Tensor) -> Tensor:
        """From the masks' states (B, H) the language model's logits, or the mixture: (B, R)."""
        logits = super()._scores(states, answers)
        if self.training or not self.finished:
            return logits
        store = self.datastore
        found = nearest(
            states.float(),
            store.keys.float(),
            store.values.float(),
            store.retrieval.neighbours,
        )
        return self.combination(logits.float(), found, store.retrieval)

    def _read(self, batches: Iterable[Batch]) -> tuple[Tensor, Tensor, Tensor]:
        """Of N samples the states at the mask (N, H), targets and logits (N, R); float32."""
        parts, answers = [], self._answer_words()
        for batch in batches:
            states = self._mask_states(batch)
            targets = target_probabilities(batch.labels, batch.targets, len(self.schema))
            parts.append((states.float(), targets, super()._scores(states, answers).float()))
        keys, values, logits = (torch.cat(part) for part in zip(*parts, strict=True))
        return keys, values, logits


def _knowprompt(folder: str, schema: RelationSchema) -> KnowPromptClassifier:
    """A trained KnowPrompt of these relations."""
    found = load_classifier(folder).classifier
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


def _check(given: Given) -> None:
    ranges = (
        ("interpolation", given.interpolation, 0, 1),
        ("neighbours", given.neighbours, 1, None),
        ("temperature", given.temperature, 1e-6, None),
    )
    for name, value, least, most in ranges:
        if value is not None and (value < least or (most is not None and value > most)):
            raise InputError(
                f"must be at least {least}" + ("" if most is None else f" and at most {most}"),
                field=name,
                value=value,
                remedy="null chooses it on the validation file",
            )

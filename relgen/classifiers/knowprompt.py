"""KnowPrompt: relation classification as a masked language model's answer to a prompt.

Chen et al., *KnowPrompt: Knowledge-aware Prompt-tuning with Synergistic Optimization for Relation
Extraction* (WWW 2022, arXiv 2104.07650). Every relation has a virtual answer word; its score is the
masked language model's logit for that word at the prompt's mask. As in the released scripts, all
weights are trained at once; the paper first trains the virtual words alone, at a higher rate.

These deviations of the released code (github.com/zjunlp/KnowPrompt) from the paper are not
reproduced. Answer words: padding with id 0 is averaged in; both directions of a relation start
alike; `per` and `org` are replaced inside of words. Type words: both start as the mean of the first
tokens of five types. Structured loss: a distance is the norm of the whole batch's matrix, divided
by its rows; entities are the mean of their own tokens; corrupted entities are any one to five
tokens of the input, padding included.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast

from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer, PreTrainedModel

from relgen.classifiers.base import Batch, Classifier
from relgen.classifiers.knowprompt_encoding import PromptEncoding, add_virtual_words
from relgen.classifiers.losses import impossible_roles, structured_loss
from relgen.classifiers.pretrained import (
    load_masked_language_model,
    set_dropout,
    word_logits,
)
from relgen.common import BelowOne, InputLength, NonNegativeFloat, checks_numbers
from relgen.data import RelationSchema
from relgen.kernels import accelerate, read_states
from relgen.models import load_tokenizer, longest_input


class KnowPromptClassifier(Classifier):
    """A masked language model that fills in a relation's virtual answer word.

    Args:
        schema: the relations; R labels.
        model: the masked language model: a local folder or a Hub id, of the BERT or RoBERTa family
            or similar. If its files contain no head, `start_as_identity` initialises one.
        max_length: longest input in tokens, limited by the encoder's positions; longer sentences
            are cut around both entities.
        structured_weight: λ, the weight of the structured loss.
        margin: margin γ of the structured loss; the default is the released code's.
        encoder_dropout: dropout in the encoder's layers; null keeps the value from pre-training.
        attention: the encoder's implementation of attention.

    Raises:
        InputError: the model cannot be found or is not supported, or `max_length` is too small.
    """

    kind: ClassVar[str] = "knowprompt"

    @checks_numbers
    def __init__(
        self,
        schema: RelationSchema,
        model: str = "roberta-large",
        max_length: InputLength = 256,
        structured_weight: NonNegativeFloat = 0.001,
        margin: NonNegativeFloat = 0.3,
        encoder_dropout: BelowOne | None = None,
        attention: Literal["sdpa", "eager"] = "sdpa",
    ) -> None:
        tokenizer = load_tokenizer(model)
        language_model, missing = load_masked_language_model(model, attention)
        if encoder_dropout is not None:
            set_dropout(language_model, encoder_dropout)
        length = min(max_length, longest_input(cast(PreTrainedModel, language_model.base_model)))
        encoding = PromptEncoding(tokenizer, relations=len(schema), max_length=length)
        add_virtual_words(language_model, encoding, schema)
        settings = {"model": model, "missing": missing, "margin": margin}
        settings["structured_weight"] = structured_weight
        self._assemble(schema, language_model, encoding, settings)
        if missing:
            self.start_notice = (
                f"{model} comes without a pre-trained masked-language-model head: training starts "
                "from a head that returns the normalised state"
            )

    def _assemble(
        self,
        schema: RelationSchema,
        language_model: PreTrainedModel,
        encoding: PromptEncoding,
        settings: dict[str, Any],
    ) -> None:
        super().__init__()
        self.schema = schema
        self.encoding: PromptEncoding = encoding
        self.settings = settings
        accelerate(language_model, for_="classifier")
        self.language_model = language_model.train()
        self.register_buffer("impossible", impossible_roles(schema), persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """Return logits (B, R): the language model's at the mask, for the answer words."""
        return self._scores(self._states(batch, 1)[:, 0], self._answer_words()) / self.temperature

    def with_extra_loss(self, batch: Batch, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, R), and λ times the structured loss (B,)."""
        states = self._states(batch, 5)  # (B, 5, H)
        answers = self._answer_words()
        impossible = cast(Tensor, self.impossible)
        margin, weight = self.settings["margin"], self.settings["structured_weight"]
        extra = structured_loss(states.float(), targets, answers, impossible, margin)
        return self._scores(states[:, 0], answers) / self.temperature, weight * extra

    def fresh_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the language model's head, if the pre-trained model came without one.

        The virtual words are rows of the embeddings, and learn at the pre-trained weights' rate.
        """
        missing = set(self.settings["missing"])
        return (p for name, p in self.language_model.named_parameters() if name in missing)

    def config(self) -> dict[str, Any]:
        return {
            **self.settings,
            "language_model": self.language_model.config.to_dict(),
            "max_length": self.encoding.max_length,
        }

    @classmethod
    def from_saved(cls, schema: RelationSchema, config: dict[str, Any], tokenizer: Path) -> Self:
        encoding = PromptEncoding(
            AutoTokenizer.from_pretrained(str(tokenizer), trust_remote_code=False),
            relations=len(schema),
            max_length=config["max_length"],
        )
        architecture = AutoConfig.for_model(**config["language_model"])
        language_model = AutoModelForMaskedLM.from_config(architecture)
        names = ("model", "missing", "margin", "structured_weight")
        built = cls.__new__(cls)
        built._assemble(schema, language_model, encoding, {name: config[name] for name in names})
        return built

    def _states(self, batch: Batch, count: int) -> Tensor:
        """Return the last layer's states at the first of the batch's positions, (B, count, H)."""
        places = batch.positions[:, :count]
        encoder = self.language_model.base_model
        return read_states(encoder, batch.input_ids, batch.attention_mask, places)

    def _answer_words(self) -> Tensor:
        """Return the answer words' embeddings (R, H), which are also those of the output.

        Looked up once per step, since the gradient of each look-up has the vocabulary's size.
        """
        weight = cast(nn.Embedding, self.language_model.get_input_embeddings()).weight  # (V, H)
        return weight[self.encoding.answer_ids]

    def _scores(self, states: Tensor, answers: Tensor) -> Tensor:
        """Return the head's logits (B, R) for answer words (R, H) at the masks' states (B, H)."""
        return word_logits(self.language_model, states, self.encoding.answer_ids, answers)

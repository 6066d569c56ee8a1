"""KnowPrompt: relation classification as a masked language model's answer to a prompt.

Chen et al., *KnowPrompt: Knowledge-aware Prompt-tuning with Synergistic Optimization for Relation
Extraction* (WWW 2022, arXiv 2104.07650). Every relation has a virtual answer word; its score is the
masked language model's logit for that word at the prompt's mask. Leaves out: the paper's first
stage, in which the virtual words alone learn at a higher rate; its released scripts train all
weights at once, and so does this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from relgen.classifiers.base import Batch, Classifier
from relgen.classifiers.knowprompt_encoding import PromptEncoding
from relgen.classifiers.knowprompt_losses import (
    impossible_roles,
    released_structured_loss,
    structured_loss,
)
from relgen.classifiers.knowprompt_words import (
    Part,
    Role,
    answer_parts,
    mixture,
    released_answer_parts,
    released_type_parts,
    type_parts,
)
from relgen.classifiers.masked_models import load_masked_language_model, word_logits
from relgen.classifiers.pretrained import longest_input, set_dropout
from relgen.data import RelationSchema
from relgen.kernels import accelerate, read_states, select_tokens
from relgen.models import load_tokenizer

Mode = Literal["fixed", "faithful"]


@dataclass(frozen=True)
class Variant:
    """The three places where the paper and its released code part ways.

    `reads_all`: the structured loss reads states of any tokens, and not only `Batch.positions`.
    """

    answer_parts: Callable[[PreTrainedTokenizerBase, RelationSchema], list[list[Part]]]
    type_parts: Callable[[PreTrainedTokenizerBase, RelationSchema, Role], list[Part]]
    structured_loss: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, float], Tensor]
    reads_all: bool


VARIANTS: dict[Mode, Variant] = {
    "fixed": Variant(answer_parts, type_parts, structured_loss, False),
    "faithful": Variant(released_answer_parts, released_type_parts, released_structured_loss, True),
}


class KnowPromptClassifier(Classifier):
    """A masked language model that fills in a relation's virtual answer word.

    Args:
        schema: the relations; R labels.
        model: the masked language model: a local folder or a Hub id, of the BERT or RoBERTa family
            or one like them. Where its files hold no head, one starts as `start_as_identity` says.
        mode: `fixed` does what the paper says; `faithful` does what its released code does where
            the two differ. Answer words (`released_answer_parts`): padding is averaged in, the
            direction is lost. Type words (`released_type_parts`): both start alike. Structured loss
            (`batch_distance_loss`): the norm of the batch's matrix, the entities' own tokens,
            corrupted entities that are any tokens.
        max_length: longest input in tokens, at most what the encoder has positions for; the
            sentence of longer ones is cut around both entities, the prompt stays.
        structured_weight: λ, of the structured loss.
        margin: γ of the structured loss; the released code's default.
        encoder_dropout: in the encoder's layers; null leaves what it was pre-trained with.
        attention: how the encoder computes it.

    Raises:
        InputError: the model cannot be found, is no masked language model that this class can
            read, or `max_length` is too small.
    """

    kind: ClassVar[str] = "knowprompt"

    def __init__(
        self,
        schema: RelationSchema,
        model: str = "roberta-large",
        mode: Mode = "fixed",
        max_length: int = 256,
        structured_weight: float = 0.001,
        margin: float = 0.3,
        encoder_dropout: float | None = None,
        attention: Literal["sdpa", "eager"] = "sdpa",
    ) -> None:
        tokenizer = load_tokenizer(model)
        language_model, missing = load_masked_language_model(model, attention)
        if encoder_dropout is not None:
            set_dropout(language_model, encoder_dropout)
        length = min(max_length, longest_input(cast(PreTrainedModel, language_model.base_model)))
        encoding = PromptEncoding(tokenizer, relations=len(schema), max_length=length)
        add_virtual_words(language_model, encoding, schema, VARIANTS[mode])
        settings = {"model": model, "mode": mode, "missing": missing, "margin": margin}
        self._assemble(schema, language_model, encoding, structured_weight, settings)
        if missing:
            self.start_notice = (
                f"{model} comes without a pre-trained masked-language-model head: in its place a "
                "head that passes the normalised state on, and learns"
            )

    def _assemble(
        self,
        schema: RelationSchema,
        language_model: PreTrainedModel,
        encoding: PromptEncoding,
        structured_weight: float,
        settings: dict[str, Any],
    ) -> None:
        super().__init__()
        self.schema = schema
        self.encoding: PromptEncoding = encoding
        self.structured_weight = structured_weight
        self.settings = settings
        self.variant = VARIANTS[cast(Mode, settings["mode"])]
        accelerate(language_model, for_="classifier")
        self.language_model = language_model.train()
        self.register_buffer("impossible", impossible_roles(schema), persistent=False)

    def forward(self, batch: Batch) -> Tensor:
        """Logits (B, R): the language model's at the mask, for the answer words."""
        return self._scores(self._mask_states(batch), self._answer_words())

    def with_extra_loss(self, batch: Batch, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, R), and λ times the structured loss (B,)."""
        if self.variant.reads_all:
            states, places = self._states(batch), batch.positions  # (B, T, H), (B, 5)
        else:
            count = batch.positions.shape[1]
            places = torch.arange(count, device=batch.positions.device).expand_as(batch.positions)
            states = self._read_states(batch, batch.positions)  # (B, 5, H)
        answers = self._answer_words()
        extra = self.variant.structured_loss(
            states.float(),
            places,
            targets,
            answers,
            cast(Tensor, self.impossible),
            self.settings["margin"],
        )
        masks = select_tokens(states, places[:, :1])[:, 0]  # (B, H)
        return self._scores(masks, answers), self.structured_weight * extra

    def fresh_parameters(self) -> Iterator[nn.Parameter]:
        """The language model's head, where the pre-trained model came without one.

        The virtual words are rows of the embeddings, and learn at the pre-trained weights' rate.
        """
        missing = set(self.settings["missing"])
        return (p for name, p in self.language_model.named_parameters() if name in missing)

    def config(self) -> dict[str, Any]:
        """The language model's architecture and all settings."""
        return {
            **self.settings,
            "language_model": self.language_model.config.to_dict(),
            "structured_weight": self.structured_weight,
            "max_length": self.encoding.max_length,
        }

    @classmethod
    def from_saved(cls, schema: RelationSchema, config: dict[str, Any], tokenizer: Path) -> Self:
        """Builds the module with untrained weights; the caller loads the saved ones."""
        encoding = PromptEncoding(
            AutoTokenizer.from_pretrained(str(tokenizer)),
            relations=len(schema),
            max_length=config["max_length"],
        )
        architecture = AutoConfig.for_model(**config["language_model"])
        language_model = AutoModelForMaskedLM.from_config(architecture)
        settings = {name: config[name] for name in ("model", "mode", "missing", "margin")}
        built = cls.__new__(cls)
        built._assemble(schema, language_model, encoding, config["structured_weight"], settings)
        return built

    def _states(self, batch: Batch) -> Tensor:
        """The encoder's last layer, (B, T, H)."""
        encoder = self.language_model.base_model
        found = encoder(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
        return cast(Tensor, found.last_hidden_state)

    def _mask_states(self, batch: Batch) -> Tensor:
        """The last layer's states at the masks, (B, H)."""
        return self._read_states(batch, batch.positions[:, :1])[:, 0]

    def _read_states(self, batch: Batch, places: Tensor) -> Tensor:
        """The last layer's states at (B, P) places, (B, P, H)."""
        encoder = self.language_model.base_model
        return read_states(encoder, batch.input_ids, batch.attention_mask, places)

    def _answer_words(self) -> Tensor:
        """Their embeddings (R, H), which are those of the output as well.

        Looked up once for all that reads them: each look-up has a gradient of the vocabulary's
        size.
        """
        weight = cast(nn.Embedding, self.language_model.get_input_embeddings()).weight  # (V, H)
        return weight[self.encoding.answer_ids]

    def _scores(self, states: Tensor, answers: Tensor) -> Tensor:
        """The head's logits for the answer words (R, H) at the masks' states (B, H): (B, R)."""
        return word_logits(self.language_model, states, self.encoding.answer_ids, answers)


@torch.no_grad()
def add_virtual_words(
    model: PreTrainedModel, encoding: PromptEncoding, schema: RelationSchema, variant: Variant
) -> None:
    """Gives each virtual word an embedding made of real words', and an output bias of zero."""
    tokenizer = encoding.tokenizer
    model.resize_token_embeddings(max(len(tokenizer), model.config.vocab_size), mean_resizing=False)
    weight = cast(nn.Embedding, model.get_input_embeddings()).weight  # (V, H)
    parts = dict(zip(encoding.answer_ids, variant.answer_parts(tokenizer, schema), strict=True))
    for role, row in encoding.type_ids.items():
        parts[row] = variant.type_parts(tokenizer, schema, cast(Role, role))
    for row, mixed in parts.items():
        weight[row] = mixture(weight, mixed)
    bias = cast(nn.Linear, model.get_output_embeddings()).bias
    if bias is not None:
        bias[list(parts)] = 0.0

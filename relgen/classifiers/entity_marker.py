"""Classifies relations from the states of both entities' opening markers, with a linear layer.

Entity start of Baldini Soares et al., *Matching the Blanks* (ACL 2019, figure 3f); typed markers,
as special tokens and as punctuation, after Zhou and Chen (2022, arXiv 2102.01373).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel

from relgen.classifiers.base import Batch, Classifier
from relgen.classifiers.encoding import MarkerEncoding, Markers
from relgen.classifiers.pretrained import set_dropout
from relgen.common import BelowOne, InputLength, checks_numbers
from relgen.data import RelationSchema
from relgen.kernels import accelerate, read_states
from relgen.models import (
    EMBEDDED_ENCODER,
    load_encoder,
    load_tokenizer,
    longest_input,
)


class EntityMarkerClassifier(Classifier):
    """An encoder and a linear layer over the states of the two opening markers.

    Args:
        schema: the relations; R labels.
        model: the pre-trained encoder: an embedded name, a local folder or a Hub id.
        typed_markers: use `[HEAD:PERSON]` instead of `[HEAD]`, `@ * person *` instead of `@`, for
            the types that the schema names. Only for data in which all sources give types:
            otherwise markers reveal who wrote a sentence.
        markers: `special` tokens such as `[HEAD]`, or `punctuation`: `@ … @` and `# … #`.
        max_length: longest input in tokens, limited by the encoder's positions; longer texts are
            cut around both entities.
        dropout: dropout on the states that the linear layer reads.
        encoder_dropout: dropout in the encoder's layers; null keeps the value from pre-training.
        freeze_embeddings: do not train the input embeddings: a few samples use few of them, but the
            optimiser would update all.
        attention: the encoder's implementation of attention. On a CPU in bfloat16 a training step
            with `eager` takes half the time for single sentences.

    Raises:
        InputError: the encoder cannot be found, or `max_length` is too small.
    """

    kind: ClassVar[str] = "entity_marker"

    @checks_numbers
    def __init__(
        self,
        schema: RelationSchema,
        model: str = EMBEDDED_ENCODER,
        typed_markers: bool = False,
        markers: Markers = "special",
        max_length: InputLength = 192,
        dropout: BelowOne = 0.1,
        encoder_dropout: BelowOne | None = None,
        freeze_embeddings: bool = False,
        attention: Literal["sdpa", "eager"] = "sdpa",
    ) -> None:
        tokenizer = load_tokenizer(model)
        encoder = load_encoder(model, attention)
        if encoder_dropout is not None:
            set_dropout(encoder, encoder_dropout)
        length = min(max_length, longest_input(encoder))
        encoding = MarkerEncoding(
            tokenizer,
            types=schema.types if typed_markers else (),
            markers=markers,
            max_length=length,
        )
        add_marker_embeddings(encoder, encoding)
        encoder.get_input_embeddings().requires_grad_(not freeze_embeddings)
        self._assemble(schema, encoder, encoding, dropout, model)

    def _assemble(
        self,
        schema: RelationSchema,
        encoder: Any,
        encoding: MarkerEncoding,
        dropout: float,
        model: str,
    ) -> None:
        super().__init__()
        self.schema = schema
        self.encoding: MarkerEncoding = encoding
        self.model = model
        # DDP waits for the gradients of parameters that no loss reaches
        encoder.pooler = None
        accelerate(encoder, for_="classifier")
        self.encoder = encoder.train()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(2 * encoder.config.hidden_size, len(schema))
        nn.init.normal_(self.output.weight, std=0.02)
        nn.init.zeros_(self.output.bias)

    def forward(self, batch: Batch) -> Tensor:
        markers = read_states(
            self.encoder, batch.input_ids, batch.attention_mask, batch.positions
        )  # (B, 2, H)
        return self.output(self.dropout(markers.flatten(1))) / self.temperature

    def fresh_parameters(self) -> Iterator[nn.Parameter]:
        return self.output.parameters()

    def config(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "encoder": self.encoder.config.to_dict(),
            "types": list(self.encoding.types),
            "markers": self.encoding.markers,
            "max_length": self.encoding.max_length,
            "dropout": self.dropout.p,
        }

    @classmethod
    def from_saved(cls, schema: RelationSchema, config: dict[str, Any], tokenizer: Path) -> Self:
        encoding = MarkerEncoding(
            AutoTokenizer.from_pretrained(str(tokenizer), trust_remote_code=False),
            types=config["types"],
            markers=config["markers"],
            max_length=config["max_length"],
        )
        encoder = AutoModel.from_config(AutoConfig.for_model(**config["encoder"]))
        built = cls.__new__(cls)
        built._assemble(schema, encoder, encoding, config["dropout"], config["model"])
        return built


@torch.no_grad()
def add_marker_embeddings(encoder: PreTrainedModel, encoding: MarkerEncoding) -> None:
    """Initialise the input embedding of each special marker from pre-trained ones.

    An opening marker starts as the mean of its words (`head`, or `head person`), a closing one as
    the mean of `end` and its word: a few samples could not train random noise away.
    """
    tokenizer = encoding.tokenizer
    encoder.resize_token_embeddings(
        max(len(tokenizer), encoder.config.vocab_size), mean_resizing=False
    )
    weight = cast(nn.Embedding, encoder.get_input_embeddings()).weight  # (V, H)
    for name, row in encoding.special_ids.items():
        words = name.strip("[]").lower().replace("/", "end ").replace(":", " ")
        ids = tokenizer(" " + words, add_special_tokens=False)["input_ids"]
        weight[row] = weight[ids].mean(dim=0)

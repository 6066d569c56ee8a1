"""The factory of tiny models, tokenizers, samples and chains for tests that must not need weights.

Language models, samples and chains are offered here; `tests.tiny.encoders` has BERTs with sentences
of their own, `tests.tiny.experiments` whole experiments.
"""

from tests.tiny.language_models import (
    CHAT_TEMPLATE,
    SIZES,
    VOCABULARY,
    WINDOWED,
    chat_tokenizer,
    in_double,
    language_model,
    save_model,
    save_writing_model,
    tokenizer,
    tune,
    writing_model,
)
from tests.tiny.samples import (
    SCHEMA,
    chain,
    chain_tokens,
    labelled,
    sample,
    sentence,
    tagged,
    typed_schema,
)

__all__ = [
    "CHAT_TEMPLATE",
    "SCHEMA",
    "SIZES",
    "VOCABULARY",
    "WINDOWED",
    "chain",
    "chain_tokens",
    "chat_tokenizer",
    "in_double",
    "labelled",
    "language_model",
    "sample",
    "save_model",
    "save_writing_model",
    "sentence",
    "tagged",
    "tokenizer",
    "tune",
    "typed_schema",
    "writing_model",
]

"""Loads and adapts pre-trained encoders and masked language models.

Not supported are masked language models whose head is not a chain of modules behind the encoder,
such as DistilBERT, and those with separate output embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from transformers import AutoModelForMaskedLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from relgen.common import InputError
from relgen.models import loading, resolve_model

# GELU is the identity well above zero. Encoders' states are within a few units of zero, and the
# LayerNorm that follows removes a common shift
_SHIFT = 4.0


def load_masked_language_model(
    model: str, attention: Literal["sdpa", "eager"]
) -> tuple[PreTrainedModel, list[str]]:
    """Load a masked language model in float32; also return the parameters that its files lack.

    A missing head is initialised by `start_as_identity`. Raises InputError if the model is of
    another kind, its head cannot be computed at one position, or its output embeddings are not its
    input embeddings.
    """
    verbosity = transformers_logging.get_verbosity()
    # a missing head is reported when the training starts
    transformers_logging.set_verbosity_error()
    try:
        with loading(model):
            loaded, report = AutoModelForMaskedLM.from_pretrained(
                resolve_model(model),
                dtype=torch.float32,
                attn_implementation=attention,
                output_loading_info=True,
                trust_remote_code=False,
            )
    except InputError as error:
        if "AutoModelForMaskedLM" in error.problem:
            raise _unusable(model, "not a masked language model") from error
        raise
    finally:
        transformers_logging.set_verbosity(verbosity)
    if not head_parts(loaded):
        raise _unusable(model, "its head cannot be computed at one position alone")
    embeddings = loaded.get_input_embeddings().weight
    if loaded.get_output_embeddings().weight is not embeddings:
        raise _unusable(model, "its output embeddings are not its input embeddings")
    known = {name for name, _ in loaded.named_parameters()}
    missing = sorted(known & set(report["missing_keys"]))
    strange = [name for name in missing if loaded.base_model_prefix == name.split(".")[0]]
    if strange:
        raise _unusable(model, f"its files lack weights of the encoder, such as {strange[0]}")
    if missing:
        start_as_identity(loaded, missing)
    return loaded, missing


def head_parts(model: PreTrainedModel) -> Sequence[nn.Module]:
    """Return the modules that turn a state into logits, in order; none if they cannot be found.

    In the BERT and RoBERTa families, and in similar models, they follow the encoder; the last one
    contains the output embeddings.
    """
    encoder, *parts = model.children()
    outputs = model.get_output_embeddings()
    if encoder is not model.base_model or not parts or outputs not in list(parts[-1].modules()):
        return []
    return parts


def word_logits(
    model: PreTrainedModel, states: Tensor, words: Sequence[int], embeddings: Tensor
) -> Tensor:
    """Return the head's logits (B, R) at states (B, H) for R words, not for the whole vocabulary.

    `embeddings` (R, H) are the words' rows of the output embeddings.
    """
    *before, last = head_parts(model)
    for part in before:
        states = part(states)
    outputs = cast(nn.Linear, model.get_output_embeddings())
    (prefix,) = (f"{name}." if name else "" for name, m in last.named_modules() if m is outputs)
    fewer = {f"{prefix}weight": embeddings}
    if outputs.bias is not None:
        fewer[f"{prefix}bias"] = outputs.bias[words]
    return cast(Tensor, functional_call(last, fewer, (states,)))


@torch.no_grad()
def start_as_identity(model: PreTrainedModel, missing: Sequence[str]) -> None:
    """Initialise a head's `missing` weights so that it passes states on, not noise.

    The dense layers among the missing parameters become the identity plus a shift that makes GELU
    pass states unchanged; LayerNorm removes the shift. The output embeddings are the input
    embeddings. So a word's logit is the product of the normalised state and the word's embedding.
    """
    parameters = dict(model.named_parameters())
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear) or f"{name}.weight" not in missing:
            continue
        if parameters[f"{name}.weight"].shape[0] == parameters[f"{name}.weight"].shape[1]:
            nn.init.eye_(module.weight)
            nn.init.constant_(module.bias, _SHIFT)


def set_dropout(module: nn.Module, probability: float) -> None:
    """Set the probability of all dropout layers in a module, attention's included."""
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = probability


def _unusable(model: str, reason: str) -> InputError:
    return InputError(
        str(reason).splitlines()[0],
        field="model",
        value=model,
        remedy="use a masked language model of the BERT or RoBERTa family, such as roberta-large",
    )

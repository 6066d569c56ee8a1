"""Masked language models: loading one, and its head apart from its encoder.

Leaves out: models whose head is not a chain of modules behind the encoder, such as DistilBERT, and
those whose output embeddings are a matrix of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from transformers import AutoModelForMaskedLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from relgen.common import InputError
from relgen.models import missing_model, resolve_model

# GELU is the identity for numbers well above zero. The states that encoders give lie within a few
# units around zero, and the LayerNorm behind it takes a shift that all share away again
_SHIFT = 4.0


def load_masked_language_model(
    model: str, attention: Literal["sdpa", "eager"]
) -> tuple[PreTrainedModel, list[str]]:
    """A masked language model in float32, and the names of parameters that its files lack.

    A head that is missing starts as `start_as_identity` has it.

    Raises:
        InputError: it is of another kind, its head is not one that can be read on its own, or its
            output embeddings are not its input embeddings.
    """
    try:
        with missing_model(model), _quiet():
            loaded, report = AutoModelForMaskedLM.from_pretrained(
                resolve_model(model),
                dtype=torch.float32,
                attn_implementation=attention,
                output_loading_info=True,
            )
    except InputError:
        raise
    except ValueError as error:
        raise _unusable(model, f"this is no masked language model: {error}") from error
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
    """The modules that turn a state into logits, in order; none when they cannot be told.

    They are what follows the encoder in the models of the BERT and RoBERTa families, and of those
    like them; the last of them holds the output embeddings.
    """
    encoder, *parts = model.children()
    outputs = model.get_output_embeddings()
    if encoder is not model.base_model or not parts or outputs not in list(parts[-1].modules()):
        return []
    return parts


def word_logits(
    model: PreTrainedModel, states: Tensor, words: Sequence[int], embeddings: Tensor
) -> Tensor:
    """The head's logits for a few words; those of the rest of the vocabulary are not computed.

    Args:
        model: one that `head_parts` can take apart.
        states: (B, H).
        words: R token ids.
        embeddings: (R, H) of these words: rows of the output embeddings.

    Returns:
        (B, R)
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
    """Lets a head without pre-trained weights pass a state on, in place of noise.

    The dense layers among the missing parameters become the identity plus a shift that carries
    states through GELU as they are; LayerNorm takes the shift away. The output embeddings are the
    input embeddings. A word's logit is then the product of the normalised state and its embedding.

    Args:
        model: its missing weights are changed in place.
        missing: names of parameters.
    """
    parameters = dict(model.named_parameters())
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear) or f"{name}.weight" not in missing:
            continue
        if parameters[f"{name}.weight"].shape[0] == parameters[f"{name}.weight"].shape[1]:
            nn.init.eye_(module.weight)
            nn.init.constant_(module.bias, _SHIFT)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' report on a head that is missing: a training tells it in our words."""
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)


def _unusable(model: str, reason: str) -> InputError:
    return InputError(
        str(reason).splitlines()[0],
        field="model",
        value=model,
        remedy="use a masked language model of the BERT or RoBERTa family, such as roberta-large",
    )

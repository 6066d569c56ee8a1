"""LoRA adapters on a language model, the policy's reference, and adapter files."""

from __future__ import annotations

import contextlib
import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from torch import Tensor
from transformers import PreTrainedModel

from relgen.common import InputError, atomic_folder, read_json, write_json
from relgen.kernels import accelerate
from relgen.models.load_errors import find_damage
from relgen.models.names import find_adapter

_ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
ADAPTER_FILE = "relgen.json"
"""Holds the base model's name and fingerprint, beside PEFT's files."""


def add_lora(
    model: PreTrainedModel,
    *,
    rank: int = 16,
    alpha: int = 32,
    dropout: float = 0.0,
    target_modules: str | Sequence[str] = "all-linear",
    seed: int = 0,
) -> PeftModel:
    """Add a new LoRA adapter to a model, quantised or not, and freeze everything else.

    B is zero, so that the policy equals the reference at first.

    Args:
        alpha: the update is scaled by alpha / rank.
        dropout: on the adapter's input.
        target_modules: names of layers, or `all-linear`.
        seed: of the A matrices, whatever else was drawn before.

    Raises:
        InputError: no layer has such a name.
    """
    if getattr(model, "is_loaded_in_4bit", False):
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    targets = target_modules if isinstance(target_modules, str) else list(target_modules)
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
        bias="none",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            policy = get_peft_model(model, config)
        except ValueError as error:  # no layer has such a name
            raise InputError(
                str(error).splitlines()[0], field="lora_target_modules", value=target_modules
            ) from error
    accelerate(policy, for_="training")
    return policy


@contextlib.contextmanager
def reference(policy: PeftModel) -> Iterator[PeftModel]:
    """Yield the reference: the same model with its adapter off, without gradients.

    PEFT enables gradients for every adapter when the block ends; this restores the flags.
    """
    flags = [(parameter, parameter.requires_grad) for parameter in policy.parameters()]
    try:
        with policy.disable_adapter(), torch.no_grad():
            yield policy
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def fingerprint(model: PreTrainedModel | PeftModel) -> str:
    """Return 16 hex digits that identify a base model, whatever its dtype or quantisation.

    Hashes the architecture's sizes, sixteen rows of the input embedding and the norms of all
    layers, rounded to bfloat16: quantisation does not change these, tuning mostly does.
    """
    base: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    config = base.config
    weight = base.get_input_embeddings().weight.detach()
    rows = weight[:: max(1, weight.shape[0] // 16)][:16].to("cpu", torch.bfloat16)
    digest = hashlib.sha256()
    sizes = (config.model_type, tuple(weight.shape), config.num_hidden_layers)
    digest.update(repr(sizes).encode())
    norms = [p.detach() for name, p in base.named_parameters() if p.ndim == 1 and "norm" in name]
    for values in (rows, *norms):
        rounded = values.to("cpu", torch.bfloat16).contiguous()
        digest.update(rounded.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def save_adapter(
    policy: PeftModel,
    folder: str | Path,
    *,
    base_model: str,
    weights: Mapping[str, Tensor] | None = None,
    base_fingerprint: str | None = None,
) -> None:
    """Save the adapter in PEFT's format, with `ADAPTER_FILE`; atomically.

    `weights` are whole weights of a sharded policy's adapter, under their names in the policy; by
    default, they and `base_fingerprint` are the policy's own.
    """
    for config in policy.peft_config.values():
        config.base_model_name_or_path = base_model
    with atomic_folder(folder, ADAPTER_FILE) as temporary:
        # by default PEFT compares the vocabulary with the base's on the Hub
        policy.save_pretrained(
            str(temporary),
            save_embedding_layers=False,
            state_dict=None if weights is None else dict(weights),
        )
        made_for = base_fingerprint or fingerprint(policy)
        write_json(
            temporary / ADAPTER_FILE, {"base_model": base_model, "base_fingerprint": made_for}
        )


def load_adapter(model: PreTrainedModel, folder: str | Path) -> PeftModel:
    """Load a saved adapter onto its base model, for inference.

    Raises:
        InputError: no adapter in the folder, or one for another base model.
    """
    folder = Path(folder)
    config = find_adapter(folder)
    _check_base(model, folder)
    if damage := find_damage(folder):
        raise damage
    if (kind := read_json(config).get("peft_type")) != "LORA":
        remedy = "use a LoRA adapter, such as `relgen dpo fit` writes"
        raise InputError("only LoRA adapters are supported", path=config, value=kind, remedy=remedy)
    if not any((folder / name).is_file() for name in _ADAPTER_WEIGHTS):
        remedy = "fetch or write the adapter again"
        raise InputError("the adapter's weights are missing", path=folder, remedy=remedy)
    try:
        with warnings.catch_warnings():
            # PEFT would go on with random weights, which change nothing
            warnings.filterwarnings("error", message="Found missing adapter keys")
            return PeftModel.from_pretrained(model, str(folder)).eval()
    except (ValueError, RuntimeError, KeyError, TypeError, OSError, UserWarning) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(
            f"this adapter does not fit the base model, or is damaged: {reason}",
            path=folder,
            remedy="use the base model that it was made for",
        ) from error


def _check_base(model: PreTrainedModel, folder: Path) -> None:
    """Raise InputError if relgen's file says that the adapter was made for another base model."""
    file = folder / ADAPTER_FILE
    if not file.is_file():
        return
    made_for = read_json(file)
    if not isinstance(made_for, dict) or not {"base_model", "base_fingerprint"} <= made_for.keys():
        remedy = "remove this file, or tune the adapter again"
        raise InputError("does not name the adapter's base model", path=file, remedy=remedy)
    if made_for["base_fingerprint"] != fingerprint(model):
        raise InputError(
            "this adapter was made for another base model",
            path=folder,
            value=made_for["base_model"],
            remedy=f"give --model {made_for['base_model']}, or tune a new adapter",
        )

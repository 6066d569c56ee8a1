"""Converts GGUF files to safetensors, once: the copies stand in the cache of converted models.

A copy is a model's folder like any other, named by the file's hash. `relgen models` lists them.
"""

from __future__ import annotations

import json
import mmap
import re
import sys
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader, ReaderTensor, dequantize
from huggingface_hub import hf_hub_download
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.modeling_gguf_pytorch_utils import (
    TENSOR_PROCESSORS,
    TensorProcessor,
    get_gguf_hf_weights_map,
)

from relgen.common import (
    DType,
    InputError,
    atomic_folder,
    counted,
    file_hash,
    locked,
    no_such_file,
    tracked,
)
from relgen.models.cache import MARK, Origin
from relgen.models.load_errors import damage

_PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
_TABLES = ("token_embd.weight", "output.weight")  # the largest tensors of a small model
_CHUNK = 1 << 22  # elements that are dequantised at a time
_SHARD = 256 << 20  # bytes


def find_gguf(name: str) -> Path | None:
    """Return the GGUF file that a model's name means; None if it is no such name.

    Args:
        name: a path, or `repository:file.gguf` for a file on the Hub.

    Raises:
        InputError: the file cannot be fetched, or is not in the local Hub cache while offline.
    """
    if not name.endswith(".gguf"):
        return None
    repository, colon, file = name.partition(":")
    if Path(name).exists() or not colon:
        return Path(name)
    try:
        return Path(hf_hub_download(repository, file))
    except (OSError, ValueError) as error:  # the Hub's errors are kinds of these
        raise InputError(
            f"this file cannot be fetched from the Hub: {type(error).__name__}",
            field="model",
            value=name,
            remedy=f"check the name, or download it first: hf download {repository} {file}",
        ) from error


def converted(file: Path, dtype: DType = "bfloat16") -> Path:
    """Return the folder of a GGUF file's conversion; convert it if that was not done before.

    Of several processes that need the same file at once, one converts it, and the others wait.

    Raises:
        InputError: no such file, a damaged one, a part of a model, or an architecture whose GGUF
            files transformers cannot read.
    """
    check_gguf(file)
    origin = Origin(str(file.resolve()), file_hash(file), dtype)
    folder = origin.folder
    if origin.done:
        return folder
    waiting = f"waiting for the process that converts {file}"
    with locked(folder, beside=True, waiting=waiting):
        if not origin.done:
            print(f"converting {file} to {dtype}, once -> {folder}", file=sys.stderr, flush=True)
            with atomic_folder(folder, MARK) as temporary:
                _convert(file, temporary, getattr(torch, dtype))
                origin.write(temporary)
    return folder


def check_gguf(file: Path) -> None:
    """Raise InputError for a missing file, a part of a model, or a file of another format."""
    if not file.is_file():
        raise no_such_file(file).at(field="model")
    if _PART.search(file.name):
        raise InputError(
            "this is one part of a model",
            field="model",
            path=file,
            remedy="join the parts first: llama-gguf-split --merge FIRST_PART WHOLE",
        )
    with file.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise damage(file, "this is not a GGUF file", "fetch it again").at(field="model")


def _convert(file: Path, out: Path, dtype: torch.dtype) -> None:
    source: dict[str, Any] = {
        "pretrained_model_name_or_path": str(file.parent),
        "gguf_file": file.name,
    }
    try:
        config = AutoConfig.from_pretrained(**source)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
        _write_weights(file, model, out, dtype)
        config.dtype, config.architectures = dtype, [type(model).__name__]
        config.save_pretrained(out)
        model.generation_config.save_pretrained(out)
        AutoTokenizer.from_pretrained(**source).save_pretrained(out)
    except OSError:
        raise  # a full disk is no fault of the file
    except Exception as error:
        message = " ".join(str(error).split())
        problem, remedy = f"this GGUF file cannot be read: {message[:200]}", "fetch it again"
        if "not supported" in message:
            problem = "transformers cannot read GGUF files of this architecture"
            remedy = "use its safetensors, or a server that runs it (--backend openai)"
        raise InputError(problem, field="model", path=file, remedy=remedy) from error


def _write_weights(file: Path, model: PreTrainedModel, out: Path, dtype: torch.dtype) -> None:
    """Write the weights under their names in `model`, a few at a time.

    transformers' own loader holds all of them twice. Raises ValueError if some are missing.
    """
    reader = GGUFReader(file)
    kind: Any = reader.fields["general.architecture"].contents()
    processor = TENSOR_PROCESSORS.get(kind, TensorProcessor)(config=model.config.to_dict())
    names = get_gguf_hf_weights_map(model, processor)
    shard: dict[str, torch.Tensor] = {}
    places: dict[str, str] = {}

    def flush() -> None:
        path = out / f"model-{len(set(places.values())) + 1:05d}.safetensors"
        save_file(shard, path, metadata={"format": "pt"})
        places.update(dict.fromkeys(shard, path.name))
        shard.clear()
        if hasattr(mmap, "MADV_DONTNEED"):  # the pages of the file that were read
            reader.data._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]

    experts: dict[str, Any] = {}  # filled by the processors of mixtures of experts
    for each in tracked(reader.tensors, "Converting"):
        if each.name in _TABLES:
            shard[names[each.name]] = _table(each, dtype)
        else:
            done = processor.process(
                weights=dequantize(each.data, each.tensor_type),
                name=each.name,
                tensor_key_mapping=names,
                parsed_parameters={"tensors": experts},
            )
            if done.name in names:
                shard[names[done.name]] = torch.tensor(done.weights, dtype=dtype)
        if sum(tensor.nbytes for tensor in shard.values()) > _SHARD:
            flush()
    shard.update({name: tensor.to(dtype) for name, tensor in experts.items()})
    flush()
    if missing := {name for name, _ in model.named_parameters()} - set(places):
        raise ValueError(f"it lacks {counted(len(missing), 'weight')}, such as {min(missing)}")
    index = {"metadata": {}, "weight_map": places}
    (out / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def _table(tensor: ReaderTensor, dtype: torch.dtype) -> torch.Tensor:
    """Dequantise a tensor (rows, d) a few rows at a time."""
    width, rows = (int(size) for size in tensor.shape)
    step = max(1, _CHUNK // width)
    table = torch.empty(rows, width, dtype=dtype)
    for start in range(0, rows, step):
        chunk = dequantize(tensor.data[start : start + step], tensor.tensor_type)
        table[start : start + step] = torch.tensor(chunk)
    return table

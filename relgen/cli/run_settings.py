"""The settings that decide the result of a training, which `--resume` may not change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace

from relgen.common import InputError, content_hash

# what does not change the weights, or only says when to stop for now
_FREE = (
    "data.predict",
    "data.workers",
    "model.sample_count",
    "model.sample_every_n_steps",
    "trainer.default_root_dir",
    "trainer.enable_model_summary",
    "trainer.enable_progress_bar",
    "trainer.log_every_n_steps",
    "trainer.logger",
    "trainer.max_time",
    "trainer.num_sanity_val_steps",
    "trainer.profiler",
)


def run_settings(config: Namespace) -> dict[str, Any]:
    """Return the settings of a parsed configuration, as keys such as `model.lora_rank`.

    A file is `{"path", "sha256"}`, since its content counts and not its name.
    """
    given = {name: config.get(name) for name in ("model", "data", "trainer", "seed_everything")}
    return {key: value for key, value in _flat(given, "") if not _is_free(key)}


def check_same_settings(checkpoint: str | Path, settings: Mapping[str, Any]) -> None:
    """Raise InputError for the first setting that is not that of the checkpoint's run."""
    saved = torch.load(checkpoint, map_location="cpu", mmap=True, weights_only=True)
    before = saved.get("relgen_run", {}).get("settings", {})
    for key in dict.fromkeys([*before, *settings]) if before else ():
        old, new = before.get(key), settings.get(key)
        if _content(old) != _content(new):
            changed = "" if _name(old) != _name(new) else ", and the file has changed since"
            raise InputError(
                f"the run to resume was started with {_name(old)!r}{changed}",
                field=key,
                value=_name(new),
                remedy="give the same settings, or --ckpt_path last to continue with others; "
                "--force starts again",
            )


def _flat(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield keys and plain values; a class is the value of its own key."""
    value = vars(value) if isinstance(value, Namespace) else value
    if isinstance(value, Mapping):
        if "class_path" in value:
            yield key, value["class_path"]
        inner = {name: part for name, part in value.items() if name != "class_path"}
        for name, part in inner.items():
            yield from _flat(part, key if name == "init_args" else f"{key}.{name}".lstrip("."))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _flat(item, f"{key}[{number}]")
    else:
        yield key, _plain(value, key)


def _plain(value: Any, key: str) -> Any:
    if isinstance(value, str) and value:
        path = Path(value)
        if key.startswith("data.") and path.is_file():
            return {"path": value, "sha256": content_hash(path)}
        return str(path.resolve()) if path.is_dir() else value
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _is_free(key: str) -> bool:
    return any(key == name or key.startswith((f"{name}.", f"{name}[")) for name in _FREE)


def _content(value: Any) -> Any:
    return value["sha256"] if isinstance(value, dict) else value


def _name(value: Any) -> Any:
    return value["path"] if isinstance(value, dict) else value

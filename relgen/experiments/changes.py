"""Changes of presets that stand in an experiment's file, beside the preset's name or its own keys.

    generator: {model: smollm2-135m-instruct, temperature: 0.7}
    dpo: {preset: dpo/smollm2, model.beta: 0.2}
    classifiers: [{preset: classifier/entity_marker, encoder: FOLDER, name: larger}]

They become options of the stages' command lines. What a key may be is checked here for generating;
for the trained commands, `relgen.experiments.checks` asks their own parser.
"""

from __future__ import annotations

import functools
import json
import typing
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relgen.common import (
    SET_ON_READING,
    InputError,
    checked,
    find_config,
    merged,
    nearest_known,
    read_merged,
)
from relgen.generation import GenerationSettings, ServerSettings

_OF_GENERATING = ("adapter", "mode", "diverse", "seed", "half", "half_seed", "shard")
_WAYS = ("obo", "aao", "xu2023")
_OF_TRAINING = ("out", "tensorboard", "resume", "force", "estimate", "ckpt_path")
_SET = {
    "dpo": {
        **dict.fromkeys(("model.model", "data.model"), "generator.model"),
        **dict.fromkeys(("seed_everything", "data.seed", "model.lora_seed"), "seeds"),
        "data.chains": "chains",
        "data.schema": "corpus",
        "data.diverse": "arms",
    },
    "classifiers": {
        **dict.fromkeys(("seed_everything", "data.seed"), "seeds"),
        **dict.fromkeys(("data.schema", "data.test", "data.human"), "corpus"),
        **dict.fromkeys(("data.mix", "data.generated", "model.classifier.trained"), "arms"),
        "data.unlabelled": "unlabelled",
    },
}
"""Keys that an experiment gives to every stage, and the key of its file that says how."""
ENCODER = "model.classifier.model"


@dataclass(frozen=True)
class Preset:
    """A preset or a configuration's path, and what an experiment changes in it."""

    preset: str
    """Preset or path."""
    name: str | None = None
    """Name in results, for classifiers; by default the file's."""
    changes: dict[str, Any] = field(default_factory=dict, metadata=SET_ON_READING)
    """Values by key, such as `model.beta`."""

    @classmethod
    def of(cls, given: str | Preset) -> Preset:
        """Return a preset without changes for its name."""
        return cls(given) if isinstance(given, str) else given

    @property
    def label(self) -> str:
        return self.name or Path(self.preset).stem

    @property
    def encoder(self) -> str | None:
        """Return the model's name that a classifier's configuration gives."""
        settings: Any = self.settings("classifier")
        for key in ("model", "classifier", "model"):
            inner = settings.get("init_args", settings) if isinstance(settings, dict) else {}
            settings = inner.get(key)
        return settings if isinstance(settings, str) else None

    def words(self) -> dict[str, str]:
        """Return the changes as LightningCLI reads them."""
        return {key: _word(value) for key, value in self.changes.items()}

    def settings(self, folder: str) -> dict[str, Any]:
        """Return the content of the file with the changes, which leave out `init_args`."""
        content = preset_content(self.preset, folder)
        for key, value in self.changes.items():
            content = merged(content, _nested(content, key.split("."), value))
        return content


def preset_content(name: str, folder: str) -> dict[str, Any]:
    """Return the content of a preset or of a configuration by path; callers do not change it."""
    file = find_config(name, folder)
    return _content(file, file.stat().st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _content(file: Path, modified: int) -> dict[str, Any]:
    """Read a file once, although every stage of a plan asks for it."""
    return read_merged([file])


def gathered(content: Mapping[str, Any], own: Collection[str]) -> dict[str, Any]:
    """Return an experiment's content with the changes of presets gathered below `changes`.

    `own` are the keys of `generator` that are not those of `relgen generate`. Raises InputError for
    a key that the experiment sets itself, or one that generating does not have or cannot use.
    """
    made = dict(content)
    if content.get("dtype") == "int8":
        remedy = "give it where a model is only read: generator.dtype, label.dtype"
        problem = "not for models that are tuned"
        raise InputError(problem, field="dtype", value="int8", remedy=remedy)
    if isinstance(generator := content.get("generator"), Mapping):
        made["generator"] = _of_generator(generator, own)
    if isinstance(dpo := content.get("dpo"), Mapping):
        made["dpo"] = _of_preset(dpo, "dpo", "dpo")
    if isinstance(classifiers := content.get("classifiers"), list):
        made["classifiers"] = [
            _of_preset(one, f"classifiers[{place}]", "classifiers")
            if isinstance(one, Mapping)
            else one
            for place, one in enumerate(classifiers)
        ]
    return made


def _of_generator(given: Mapping[str, Any], own: Collection[str]) -> dict[str, Any]:
    hints = typing.get_type_hints(GenerationSettings)
    for way in _WAYS:
        _require_name(given.get(way), way)
    changes = {key: value for key, value in given.items() if key not in own}
    for key, value in changes.items():
        where = f"generator.{key}"
        if key in _OF_GENERATING:
            raise InputError("is set by the arms and seeds", field=where, remedy="remove it")
        if key not in hints:
            remedy = nearest_known(key, [*own, *hints])
            raise InputError("unknown key", field=where, value=value, remedy=remedy)
        if key == "server" and isinstance(value, Mapping) and "api_key_variable" in value:
            where, remedy = f"{where}.api_key_variable", "remove it"
            raise InputError("an experiment may not set it", field=where, remedy=remedy)
        try:
            checked(ServerSettings if key == "server" else hints[key], value, where)
        except InputError as error:  # a server's own checks do not know where it stands
            raise error.at(
                field=f"generator.{(error.field or '').removeprefix('generator.')}"
            ) from None
    kept = {key: value for key, value in given.items() if key in own}
    return {**kept, **({"changes": changes} if changes else {})}


def _require_name(given: Any, way: str) -> None:
    """Raise InputError for a preset of generating that is given with keys of its own."""
    if isinstance(given, Mapping):
        keys = {way: f"generate/smollm2_{way}"} | dict(given)
        keys[way] = keys.pop("preset", keys[way])
        example = ", ".join(f"{key}: {_word(value)}" for key, value in keys.items())
        remedy = f"give other keys beside it, for all ways: generator: {{{example}}}"
        problem = "must be a preset or a path"
        raise InputError(problem, field=f"generator.{way}", value=given, remedy=remedy)


def _of_preset(given: Mapping[str, Any], where: str, kind: str) -> dict[str, Any]:
    if "preset" not in given:
        remedy = "name one, as in {preset: dpo/smollm2, model.beta: 0.2}"
        raise InputError("missing", field=f"{where}.preset", remedy=remedy)
    own = ("preset", "name") if kind == "classifiers" else ("preset",)
    changes = {}
    for key, value in _leaves({k: v for k, v in given.items() if k not in own}):
        name = ENCODER if (kind, key) == ("classifiers", "encoder") else key
        said = f"is set by the experiment's `{_SET[kind].get(name)}`"
        if name in _OF_TRAINING or name.partition(".")[0] not in _sections(_SET[kind]):
            known = ["model", "data", "trainer", *own, *(["encoder"] if own[1:] else [])]
            remedy = nearest_known(name, known)
            raise InputError("unknown key", field=f"{where}.{key}", value=value, remedy=remedy)
        if name in _SET[kind]:
            raise InputError(said, field=f"{where}.{key}", value=value, remedy="remove it here")
        changes[name] = value
    return {**{key: given[key] for key in own if key in given}, "changes": changes}


def _sections(keys: Collection[str]) -> set[str]:
    return {"trainer", *(key.partition(".")[0] for key in keys)}


def _leaves(values: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield keys joined by dots, without `init_args`; a class with its arguments is one value."""
    for key, value in values.items():
        name = f"{prefix}{key}".replace(".init_args", "")
        if isinstance(value, Mapping) and value and "class_path" not in value:
            yield from _leaves(value, f"{name}.")
        else:
            yield name, value


def _nested(content: Any, key: list[str], value: Any) -> dict[str, Any]:
    """Return a value below its keys, with the `init_args` that the content has between them."""
    inner = content if isinstance(content, Mapping) else {}
    if "init_args" in inner:
        return {"init_args": _nested(inner["init_args"], key, value)}
    if not key[1:]:
        return {key[0]: value}
    return {key[0]: _nested(inner.get(key[0]), key[1:], value)}


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)

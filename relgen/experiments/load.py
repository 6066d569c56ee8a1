"""Experiments read from YAML, and checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relgen.common import InputError, find_config, located, read, read_text, read_yaml
from relgen.experiments.config import Experiment


def load_experiment(name: str | Path) -> Experiment:
    """Read and check an experiment's YAML, by path or preset name.

    Raises:
        InputError: names the file, the key, the value and the remedy.
    """
    path = find_config(name, "experiments")
    content = read_yaml(path, remedy="compare it with configs/experiments/everyday.yaml")
    try:
        if not isinstance(content, dict):
            raise InputError("an experiment is a mapping", value=content)
        return build_experiment(content, path.stem, read_text(path))
    except InputError as error:
        raise located(error, path) from error


def build_experiment(content: Mapping[str, Any], name: str, source: str) -> Experiment:
    """Return the experiment that a file describes, after checking it and the presets it names.

    Args:
        content: the file's keys and values.
        name: the experiment's.
        source: the file's text.

    Raises:
        InputError: names the key, the value and the remedy.
    """
    for key in ("name", "source"):
        if key in content:
            raise InputError("unknown key", field=key, value=content[key])
    if "corpus" not in content:
        raise InputError("missing", field="corpus", remedy="name a corpus, e.g. everyday")
    experiment = read(Experiment, {**content, "name": name, "source": source})
    _check_presets(experiment)
    return experiment


def _check_presets(experiment: Experiment) -> None:
    """Raise InputError for a preset that does not exist, or a classifier's that is none."""
    generator = experiment.generator
    presets = [("dpo", experiment.dpo)]
    presets += [
        (f"generator.{name}", getattr(generator, name)) for name in ("obo", "aao", "xu2023")
    ]
    presets += [("classifiers", preset) for preset in experiment.classifiers]
    folders = {"dpo": "dpo", "classifiers": "classifier"}
    for key, preset in presets:
        try:
            content = read_yaml(find_config(preset, folders.get(key, "generate")))
        except InputError as error:
            raise InputError(str(error), field=key) from error
        if key == "classifiers" and not _is_classifiers(content):
            raise InputError(
                "is no configuration of `relgen classifier`",
                field=key,
                value=preset,
                remedy="take one like configs/classifier/entity_marker.yaml",
            )


def _is_classifiers(content: Any) -> bool:
    model = content.get("model") if isinstance(content, dict) else None
    return isinstance(model, dict) and "classifier" in (model.get("init_args") or model)

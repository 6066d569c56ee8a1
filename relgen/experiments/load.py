"""Experiments read from YAML, and checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from relgen.common import AUTO, InputError, find_config, located, read_text, read_yaml, record_from
from relgen.dpo import REJECTION_KINDS
from relgen.experiments.config import CORPORA, Experiment
from relgen.generation import DType


def load_experiment(name: str | Path) -> Experiment:
    """Reads and checks an experiment's YAML, by path or preset name.

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
    """Checks what a file says and makes an experiment of it.

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
    experiment: Experiment = record_from(Experiment, {**content, "name": name, "source": source})
    _check(experiment)
    return experiment


def _check(experiment: Experiment) -> None:
    for arm in experiment.parsed_arms:
        if arm.first is not None and arm.first > experiment.generator.samples:
            raise InputError(
                f"asks for more than generator.samples ({experiment.generator.samples})",
                field="arms",
                value=arm.name,
            )
    for name, values in (("arms", experiment.arms), ("seeds", experiment.seeds)):
        if not values:
            raise InputError("must not be empty", field=name)
        if len(set(values)) < len(values):
            raise InputError("must list different values", field=name, value=list(values))
    if isinstance(experiment.corpus, str) and experiment.corpus not in CORPORA:
        raise InputError(
            "unknown corpus",
            field="corpus",
            value=experiment.corpus,
            remedy=f"{', '.join(CORPORA)}, or {{train: a.jsonl, test: b.jsonl, schema: s.yaml}}",
        )
    stems = [Path(preset).stem for preset in experiment.classifiers]
    if len(set(stems)) < len(stems):
        raise InputError(
            "two classifiers need two file names",
            field="classifiers",
            value=list(experiment.classifiers),
            remedy="rename one of the files: results are told apart by them",
        )
    label_dtype = experiment.label and experiment.label.dtype
    for key, dtype in (("dtype", experiment.dtype), ("label.dtype", label_dtype)):
        known = [*get_args(DType), AUTO]
        if dtype is not None and dtype not in known:
            raise InputError(
                "unknown dtype", field=key, value=dtype, remedy=f"one of {', '.join(known)}"
            )
    if experiment.label is not None and not 0 <= experiment.label.least_certainty < 1:
        raise InputError(
            "must be at least 0 and below 1",
            field="label.least_certainty",
            value=experiment.label.least_certainty,
        )
    for kind in experiment.chains.shares:
        if kind not in REJECTION_KINDS:
            raise InputError(
                "unknown kind of rejected sample",
                field="chains.shares",
                value=kind,
                remedy=f"kinds: {', '.join(REJECTION_KINDS)}",
            )
    numbers: dict[str, int | None] = {
        "shots": experiment.shots,
        "generator.samples": experiment.generator.samples,
        "generator.chains": experiment.generator.chains,
        "generator.token_budget": experiment.generator.token_budget,
        "chains.per_relation": experiment.chains.per_relation,
        "initialisations": experiment.initialisations,
        "dpo_epochs": experiment.dpo_epochs,
        "classifier_steps": experiment.classifier_steps,
        "generator.window": experiment.generator.window,
        "direct.shots": experiment.direct.shots,
    }
    for key, number in numbers.items():
        least = 0 if key in ("generator.window", "direct.shots") else 1
        if number is not None and number < least:
            raise InputError(f"must be at least {least}", field=key, value=number)
    for key, preset, folder in (
        ("dpo", experiment.dpo, "dpo"),
        ("generator.obo", experiment.generator.obo, "generate"),
        ("generator.aao", experiment.generator.aao, "generate"),
        ("generator.xu2023", experiment.generator.xu2023, "generate"),
        *(("classifiers", preset, "classifier") for preset in experiment.classifiers),
    ):
        try:
            found = read_yaml(find_config(preset, folder))
        except InputError as error:
            raise InputError(str(error), field=key) from error
        if folder == "classifier" and not _is_classifiers(found):
            raise InputError(
                "is no configuration of `relgen classifier`",
                field=key,
                value=preset,
                remedy="take one like configs/classifier/entity_marker.yaml",
            )


def _is_classifiers(content: Any) -> bool:
    model = content.get("model") if isinstance(content, dict) else None
    return isinstance(model, dict) and "classifier" in (model.get("init_args") or model)

"""Checks what an experiment changes in presets, and its models' names, before any stage runs."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from relgen.common import InputError
from relgen.experiments.changes import ENCODER, Preset
from relgen.experiments.config import Experiment
from relgen.experiments.stages import Stage


def check_settings(
    experiment: Experiment,
    stages: Iterable[Stage],
    execute: Callable[[Sequence[str]], None],
    seen: set[tuple[str, ...]],
) -> None:
    """Raise InputError for a setting that the commands of these stages would refuse.

    `execute` runs a command line; here it only parses trained ones. `seen` collects what is
    checked, so that the cells of a grid are not all checked anew.
    """
    stages = list(stages)
    kinds = {stage.kind for stage in stages}
    if "dpo" in kinds:
        _check_preset("dpo", "dpo", experiment.tuning, execute, seen)
    for place, preset in enumerate(experiment.trained if "train" in kinds else ()):
        _check_preset(f"classifiers[{place}]", "classifier", preset, execute, seen)
    for name in dict.fromkeys(name for stage in stages for name in stage.models):
        _check_model(name, experiment, seen)


def _check_preset(
    where: str,
    command: str,
    preset: Preset,
    execute: Callable[[Sequence[str]], None],
    seen: set[tuple[str, ...]],
) -> None:
    options = [word for key, value in preset.words().items() for word in (f"--{key}", value)]
    # what a stage gives itself: where it is missing, that would be said first
    given = ["--data.schema", "schema.yaml"]
    given += ["--data.chains", "chains.jsonl"] if command == "dpo" else []
    line = (command, "fit", "-c", preset.preset, *given, *options, "--print_config")
    shipped = not options and not Path(preset.preset).is_file()
    if shipped or line in seen:
        return
    seen.add(line)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            execute(line)
    except InputError as error:
        key = (error.field or "").removeprefix("--")
        if error.path is None and any(f"{key}.".startswith(f"{one}.") for one in preset.changes):
            raise error.at(field=f"{where}.{key}") from None
        raise


def _check_model(name: str, experiment: Experiment, seen: set[tuple[str, ...]]) -> None:
    if ("model", name) in seen:
        return
    seen.add(("model", name))
    from relgen.models import check_name

    try:
        check_name(name)
    except InputError as error:
        field = "generator.model"
        for place, preset in enumerate(experiment.trained):
            if preset.encoder == name:
                given = ENCODER in preset.changes
                field = f"classifiers[{place}]" + (f".{ENCODER}" if given else "")
        if experiment.label and experiment.label.model == name:
            field = "label.model"
        raise InputError(error.problem, field=field, value=name, remedy=error.remedy) from None

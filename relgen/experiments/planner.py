"""Plans an experiment as stages: each one a relgen command line with a folder of its own.

    corpus -> split -> chains -> dpo -> generate -> label -> collect -> diversity -> train -> test
                 -> label (unlabelled sentences)                                   -> train -> test
                 -> direct, reader

`stage_commands` and `classifier_commands` hold the command lines; `stages` names their folders.
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from relgen.common import InputError, find_config, find_schema, located, read
from relgen.data import Half
from relgen.experiments.arms import GENERATIONS, UNTRAINED
from relgen.experiments.classifier_commands import Training, trained_alike
from relgen.experiments.config import Experiment
from relgen.experiments.corpora import check_files, check_reviewed_samples, plan_corpus
from relgen.experiments.reviews import check_reviewed
from relgen.experiments.stage_commands import StageCommands
from relgen.experiments.stages import ArmStages, Initialisation, Plan, Stage, StageFolders
from relgen.generation import GenerationSettings


def plan(experiment: Experiment, out: Path, *, cell: str = "") -> Plan:
    """Plan the stages of an experiment; this reads only presets, schemas and samples.

    For a cell of a grid, `out` is the grid's folder. Raises InputError if a corpus file or preset
    is missing, an arm needs DPO but uses a server, or a review has no effect.
    """
    check_files(experiment)
    folders = StageFolders(out, cell=cell)
    corpus = plan_corpus(experiment.corpus, folders)
    check_reviewed_samples(experiment, corpus)
    commands = StageCommands(experiment, corpus, folders)
    _check_generating(commands)
    arms = [arm for seed in experiment.seeds for arm in _plan_seed(commands, seed)]
    check_reviewed(experiment, arms, corpus.test)
    schema = find_schema(corpus.schema)
    return Plan(tuple(folders.stages.values()), tuple(arms), schema, corpus.test)


def _check_generating(commands: StageCommands) -> None:
    """Raise InputError for settings that do not go together, or a server that cannot be tuned."""
    for name in commands.experiment.generations:
        preset = commands.generation_preset(name)
        settings = commands.generation_settings(name)
        known = [entry.name for entry in fields(GenerationSettings)]
        own = {key: value for key, value in settings.items() if key in known}
        try:
            read(GenerationSettings, {**own, "mode": GENERATIONS[name].mode})
        except InputError as error:
            if not commands.experiment.generator.changes:
                raise located(error, find_config(preset, "generate")) from None
            raise error.at(field=f"generator.{error.field}") from None
        if GENERATIONS[name].tuning and settings.get("backend") == "openai":
            raise InputError(
                f"arms of {name} tune the model with DPO, but a server's model cannot be tuned",
                field=f"generator.{GENERATIONS[name].preset}",
                value=preset,
                remedy="with a server, use arms without DPO, such as obo_pure or obo_mix",
            )


def _plan_seed(commands: StageCommands, seed: int) -> list[ArmStages]:
    """Add the stages of one seed, and return those of each arm and classifier."""
    experiment = commands.experiment
    split = commands.split(seed)
    # early, so that what is wrong with the user's file is said before anything takes long
    unlabelled = commands.label_unlabelled(seed, split)
    tunings = [GENERATIONS[name].tuning for name in experiment.generations]
    halves: tuple[Half | None, ...] = ("a", "b") if experiment.halves else (None,)
    adapters: dict[object, dict[Half | None, Stage]] = {None: {}}
    for tuning in dict.fromkeys(filter(None, tunings)):
        adapters[tuning] = {}
        for half in halves:
            chains = commands.chains(seed, split, tuning, half)
            adapters[tuning][half] = commands.tune(seed, chains, tuning, half)
    human = ArmStages("", seed, "", split, (), commands.diversity(seed, "human", split, None))
    sets: dict[tuple[str | None, int | None], ArmStages] = {(None, None): human}
    for name in experiment.generations:
        tuned = adapters[GENERATIONS[name].tuning]
        for first, made in _generated_sets(commands, seed, name, split, tuned).items():
            sets[name, first] = made
    arms = []
    for place, classifier in enumerate(experiment.trained):
        alike = trained_alike(classifier, experiment.trained)
        for arm in experiment.parsed_arms:
            if arm.name in UNTRAINED:
                if place == 0:  # this arm does not depend on the classifier
                    ask = commands.direct if arm.name == "direct" else commands.reader
                    asked = Initialisation(seed, None, ask(seed, split))
                    arms.append(ArmStages(arm.name, seed, arm.name, split, (asked,)))
                continue
            made = sets[arm.generation, arm.first]
            if arm.unlabelled:
                own = made.diversity if arm.generation else None
                made = replace(made, unlabelled=unlabelled, diversity=own)
            trained = [
                Training(commands, seed, arm, classifier, alike, made, number).add()
                for number in range(experiment.initialisations)
            ]
            arms.append(
                replace(
                    made,
                    arm=arm.name,
                    classifier=classifier.label,
                    initialisations=tuple(trained),
                )
            )
    return arms


def _generated_sets(
    commands: StageCommands,
    seed: int,
    name: str,
    split: Stage,
    adapters: dict[Half | None, Stage],
) -> dict[int | None, ArmStages]:
    """Add the stages of a key of `GENERATIONS`; return them by `Arm.first` of the arms."""
    if "a" in adapters:
        # the adapter tuned on one half generates for the other
        parts: tuple[Stage, ...] = (
            commands.generate(seed, name, split, adapters["b"], "a"),
            commands.generate(seed, name, split, adapters["a"], "b"),
        )
    else:
        parts = (commands.generate(seed, name, split, adapters.get(None)),)
    label = commands.label(seed, name, split, parts)
    sets = {}
    for arm in commands.experiment.parsed_arms:
        if arm.generation == name and arm.first not in sets:
            own = name if arm.first is None else f"{name}@{arm.first}"
            collect = commands.collect(seed, own, parts, label, arm.first)
            diversity = commands.diversity(seed, own, collect, split)
            dpo = tuple(adapters.values())
            sets[arm.first] = ArmStages(
                "", seed, "", split, (), diversity, collect, label, parts, dpo
            )
    return sets

"""An experiment as stages: each one a relgen command line with a folder of its own.

    corpus -> split -> chains -> dpo -> generate -> label -> collect -> diversity -> train -> test
                 -> direct

A stage's folder is named by a hash of its command, in which the folders of the stages before it
stand under their own hashes, of the content of the configurations and corpus files that it reads,
and of relgen's version. What does not change keeps its folder, and its work.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from relgen.common import InputError, find_config, find_schema, read_yaml
from relgen.dpo import KINDS, Kind
from relgen.experiments.arms import GENERATIONS, Arm, Tuning
from relgen.experiments.config import Experiment
from relgen.experiments.plans import ArmStages, Initialisation, Plan, Stage
from relgen.experiments.stage_classifiers import ClassifierStages
from relgen.experiments.stage_corpora import ON_DISK, plan_corpus
from relgen.experiments.stage_folders import BOARD, OUT, StageFolders


@dataclass(frozen=True)
class _Set:
    """The stages of one training set; only `diversity` for the human one."""

    generate: tuple[Stage, ...]
    label: Stage | None
    collect: Stage | None
    diversity: Stage


def plan(experiment: Experiment, out: Path, *, cell: str = "") -> Plan:
    """Works out the stages. Runs nothing and reads only configurations and the user's corpus files.

    Args:
        experiment: what to do.
        out: the run's folder; for a cell of a grid, the grid's.
        cell: its name.

    Raises:
        InputError: a corpus file or configuration is missing.
    """
    planner = _Planner(experiment, out, cell)
    return planner.plan()


class _Planner:
    """Collects stages; each method adds those of one step and returns what the next one needs."""

    def __init__(self, experiment: Experiment, out: Path, cell: str) -> None:
        self.experiment = experiment
        # `auto` stays as it is: whoever plans may be another machine than the one that runs
        self.dtype = experiment.dtype
        label_model = experiment.label.model if experiment.label else None
        models = [experiment.generator.model, *([label_model] if label_model else [])]
        self.folders = StageFolders(out, models, cell=cell)
        self.arms: list[ArmStages] = []
        self.corpus = plan_corpus(experiment.corpus, self.folders)
        self.classifiers = ClassifierStages(
            self.folders,
            self.corpus,
            experiment.classifiers,
            experiment.classifier_steps,
            experiment.order,
            self.dtype,
            # in a grid, a cell with one classifier shares the work of a cell with three
            named=bool(cell) or len(experiment.classifiers) > 1,
        )

    def plan(self) -> Plan:
        for name in self.experiment.generations:
            self._check_backend(name)
        for seed in self.experiment.seeds:
            self._seed(seed)
        schema = find_schema(self.corpus.schema)
        return Plan(tuple(self.folders.stages.values()), tuple(self.arms), schema, self.corpus.test)

    def _preset(self, name: str) -> str:
        settings = self.experiment.generator
        presets = {"obo": settings.obo, "aao": settings.aao, "xu2023": settings.xu2023}
        return presets[GENERATIONS[name].settings]

    def _check_backend(self, name: str) -> None:
        if GENERATIONS[name].tuning is None:
            return
        preset = self._preset(name)
        if read_yaml(find_config(preset, "generate")).get("backend") == "openai":
            raise InputError(
                f"arms of {name} are tuned here, and a server has a model of its own",
                field=f"generator.{GENERATIONS[name].settings}",
                value=preset,
                remedy="with a server, take arms that need no tuning, such as obo_pure or obo_mix",
            )

    def _seed(self, seed: int) -> None:
        split = self._split(seed)
        tunings = [GENERATIONS[name].tuning for name in self.experiment.generations]
        adapters = {
            tuning: self._adapters(seed, split, tuning)
            for tuning in dict.fromkeys(tunings)
            if tuning is not None
        }
        human = _Set((), None, None, self._diversity(seed, "human", split, None))
        sets: dict[tuple[str | None, int | None], _Set] = {(None, None): human}
        for name in self.experiment.generations:
            tuning = GENERATIONS[name].tuning
            parts = self._generate(seed, name, split, adapters[tuning] if tuning else {})
            label = self._label(seed, name, split, parts)
            sizes = [arm.first for arm in self.experiment.parsed_arms if arm.generation == name]
            for first in dict.fromkeys(sizes):
                own = name if first is None else f"{name}@{first}"
                collect = self._collect(seed, own, parts, label, first)
                diversity = self._diversity(seed, own, collect, split)
                sets[name, first] = _Set(parts, label, collect, diversity)
        for number, classifier in enumerate(self.experiment.classifiers):
            for arm in self.experiment.parsed_arms:
                if arm.mix == "direct":
                    if number == 0:
                        self.arms.append(self._direct(seed, arm, split))
                    continue
                made = sets[arm.generation, arm.first]
                tuning = GENERATIONS[arm.generation].tuning if arm.generation else None
                self.arms.append(
                    ArmStages(
                        arm=arm.name,
                        seed=seed,
                        classifier=classifier,
                        split=split,
                        initialisations=tuple(
                            self.classifiers.add(seed, arm, classifier, split, made.collect, number)
                            for number in range(self.experiment.initialisations)
                        ),
                        diversity=made.diversity,
                        collect=made.collect,
                        label=made.label,
                        generate=made.generate,
                        dpo=tuple(adapters[tuning].values()) if tuning else (),
                    )
                )

    def _direct(self, seed: int, arm: Arm, split: Stage) -> ArmStages:
        asked = self.experiment.direct
        stage = self.folders.add(
            f"seed{seed}/direct",
            "direct",
            (
                *("direct", "--train", str(split.folder / "train.jsonl")),
                *("--test", str(self.corpus.test), "--schema", self.corpus.schema),
                *("--model", self.experiment.generator.model, *self._dtype("--dtype")),
                *("--shots", str(asked.shots), "--answer", asked.answer, "--seed", str(seed)),
                *("--out", OUT),
            ),
            inputs=[split.folder / "train.jsonl", self.corpus.test],
            external=self.corpus.external,
            resumable=True,
        )
        return ArmStages(
            arm=arm.name,
            seed=seed,
            classifier="direct",
            split=split,
            initialisations=(Initialisation(seed, None, stage),),
            diversity=None,
            collect=None,
            label=None,
            generate=(),
            dpo=(),
        )

    def _split(self, seed: int) -> Stage:
        command = ("data", "split", str(self.corpus.train), "--schema", self.corpus.schema)
        options = ("--shots", str(self.experiment.shots), "--seed", str(seed), "--dev", "none")
        return self.folders.add(
            f"seed{seed}/split",
            "split",
            (*command, *options, "--exclude", str(self.corpus.kept_out), "--out", OUT),
            inputs=[self.corpus.train, self.corpus.kept_out],
            external=self.corpus.external,
        )

    def _adapters(self, seed: int, split: Stage, tuning: Tuning) -> dict[str, Stage]:
        """One adapter for each half, or one for all relations under the key `all`."""
        halves: dict[str, tuple[str, ...]] = {"all": ()}
        if self.experiment.halves:
            halves = {"a": ("--half", "a"), "b": ("--half", "b")}
        adapters = {}
        for half, option in halves.items():
            shares = self._shares(tuning)
            kinds = f"_no_{tuning.without}" if tuning.without else ""
            chains = self.folders.add(
                f"seed{seed}/chains{kinds}-{half}",
                "chains",
                (
                    *("chains", str(split.folder / "train.jsonl"), "--schema", self.corpus.schema),
                    *(*option, "--seed", str(seed)),
                    *("--chains-per-relation", str(self.experiment.chains.per_relation)),
                    *(("--shares", shares) if shares else ()),
                    *("--out", f"{OUT}/chains.jsonl"),
                ),
                inputs=[split.folder / "train.jsonl"],
                external=self._schema_file(),
            )
            adapters[half] = self.folders.add(
                f"seed{seed}/dpo{kinds}{'' if tuning.diverse else '_plain'}-{half}",
                "dpo",
                (
                    *("dpo", "fit", "-c", self.experiment.dpo),
                    *("--model.model", self.experiment.generator.model),
                    *("--data.chains", str(chains.folder / "chains.jsonl")),
                    *("--data.schema", self.corpus.schema, "--seed_everything", str(seed)),
                    *("--data.seed", str(seed), "--model.lora_seed", str(seed)),
                    *(() if tuning.diverse else ("--data.diverse", "false")),
                    *self._dtype("--model.dtype"),
                    *_option("--trainer.max_epochs", self.experiment.dpo_epochs),
                    *("--resume", "--out", OUT, "--tensorboard", BOARD),
                ),
                inputs=[chains.folder / "chains.jsonl"],
                external=[*self._schema_file(), find_config(self.experiment.dpo, "dpo")],
                resumable=True,
            )
        return adapters

    def _shares(self, tuning: Tuning) -> str:
        """The weights of the kinds of rejected samples, as the command takes them."""
        shares: dict[Kind, float] = dict(self.experiment.chains.shares)
        if tuning.without:
            shares = {kind: shares.get(kind, 0.0) for kind in KINDS} if shares else {}
            shares = (shares or dict.fromkeys(KINDS, 1.0)) | {tuning.without: 0.0}
        return ",".join(f"{kind}={share:g}" for kind, share in shares.items())

    def _generate(
        self, seed: int, name: str, split: Stage, adapters: dict[str, Stage]
    ) -> tuple[Stage, ...]:
        generation = GENERATIONS[name]
        settings = self.experiment.generator
        preset = self._preset(name)
        common = (
            *("generate", "-c", preset, "--model", settings.model, "--mode", generation.mode),
            *("--train", str(split.folder / "train.jsonl"), "--schema", self.corpus.schema),
            *("--samples", str(settings.samples), "--seed", str(seed)),
            *(("--chains", str(settings.chains)) if settings.chains is not None else ()),
            *(
                ("--token-budget", str(settings.token_budget))
                if settings.token_budget is not None
                else ()
            ),
            *("--forbid", str(self.corpus.kept_out)),
            *(() if generation.diverse else ("--no-diverse",)),
            *(("--window", str(settings.window)) if generation.window else ()),
            *self._dtype("--dtype"),
        )
        parts: list[tuple[str, tuple[str, ...], list[Path]]] = [("", (), [])]
        if generation.tuning and self.experiment.halves:
            # the adapter tuned on one half writes for the other
            parts = []
            for half, tuner in (("a", "b"), ("b", "a")):
                adapter = adapters[tuner].folder / "adapter"
                options = ("--half", half, "--half-seed", str(seed), "--adapter", str(adapter))
                parts.append((f"-{half}", options, [adapter]))
        elif generation.tuning:
            adapter = adapters["all"].folder / "adapter"
            parts = [("", ("--adapter", str(adapter)), [adapter])]
        return tuple(
            self.folders.add(
                f"seed{seed}/generate-{name}{suffix}",
                "generate",
                (*common, *options, "--out", f"{OUT}/generated.jsonl"),
                inputs=[split.folder / "train.jsonl", self.corpus.kept_out, *inputs],
                external=[*self.corpus.external, find_config(preset, "generate")],
                resumable=True,
            )
            for suffix, options, inputs in parts
        )

    def _label(self, seed: int, name: str, split: Stage, parts: Iterable[Stage]) -> Stage | None:
        labelling = self.experiment.label
        if labelling is None:
            return None
        files = [part.folder / "generated.jsonl" for part in parts]
        train = split.folder / "train.jsonl"
        return self.folders.add(
            f"seed{seed}/label-{name}",
            "label",
            (
                *("label", *map(str, files), "--train", str(train)),
                *("--schema", self.corpus.schema),
                *("--dtype", labelling.dtype or self.dtype or "float32"),
                *("--model", labelling.model or self.experiment.generator.model),
                *(
                    ("--least-certainty", f"{labelling.least_certainty:g}")
                    if labelling.least_certainty
                    else ()
                ),
                *("--out", f"{OUT}/labelled.jsonl"),
            ),
            inputs=[*files, train],
            external=self._schema_file(),
            resumable=True,
        )

    def _collect(
        self,
        seed: int,
        name: str,
        parts: Iterable[Stage],
        label: Stage | None,
        first: int | None,
    ) -> Stage:
        files = [part.folder / "generated.jsonl" for part in parts]
        if label is not None:
            files = [label.folder / "labelled.jsonl"]
        command = ("data", "card", *map(str, files), "--schema", self.corpus.schema)
        licence, language = self.experiment.license, self.experiment.language
        if isinstance(self.experiment.corpus, str):
            known = ON_DISK.get(self.experiment.corpus)
            licence = known.license if known else "cc0-1.0"
        return self.folders.add(
            f"seed{seed}/collect-{name}",
            "collect",
            (
                *(*command, "--license", licence),
                *(() if language == "en" else ("--language", language)),
                *(("--first", str(first)) if first is not None else ()),
                *("--out", OUT),
            ),
            inputs=files,
            external=self._schema_file(),
        )

    def _diversity(self, seed: int, name: str, made: Stage, against: Stage | None) -> Stage:
        files = [made.folder / "train.jsonl"]
        command = ["diversity", str(files[0]), "--schema", self.corpus.schema]
        if against is not None:
            files.append(against.folder / "train.jsonl")
            command += ["--against", str(files[1])]
        return self.folders.add(
            f"seed{seed}/diversity-{name}",
            "diversity",
            (*command, "--seed", str(seed), "--json", "--out", f"{OUT}/diversity.json"),
            inputs=files,
            external=self._schema_file(),
        )

    def _dtype(self, option: str) -> tuple[str, ...]:
        return (option, self.dtype) if self.dtype else ()

    def _schema_file(self) -> list[Path]:
        return [find_schema(self.corpus.schema)]


def _option(name: str, value: int | None) -> tuple[str, ...]:
    return () if value is None else (name, str(value))

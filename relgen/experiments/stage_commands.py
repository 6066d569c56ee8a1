"""The command lines of the stages up to the classifiers, with their inputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from relgen.common import find_config, find_schema
from relgen.dpo import REJECTION_KINDS, RejectionKind
from relgen.experiments.arms import GENERATIONS, Tuning
from relgen.experiments.config import Experiment
from relgen.experiments.corpora import ON_DISK, Corpus
from relgen.experiments.stages import BOARD, OUT, Stage, StageFolders


@dataclass(frozen=True)
class StageCommands:
    """Adds the stages of an experiment; each method adds one and returns it.

    Args:
        experiment: provides the settings.
        corpus: provides the schema, and the samples to draw from and to test on.
        folders: collects the stages.
    """

    experiment: Experiment
    corpus: Corpus
    folders: StageFolders

    def split(self, seed: int) -> Stage:
        """Draw K labelled samples per relation."""
        return self.folders.add(
            f"seed{seed}/split",
            "split",
            [self.corpus.train],
            {
                "--schema": self.corpus.schema,
                "--shots": self.experiment.shots,
                "--seed": seed,
                "--dev": "none",
                "--exclude": self.corpus.kept_out,
                "--out": OUT,
            },
            external=self.corpus.external,
        )

    def direct(self, seed: int, split: Stage) -> Stage:
        """Ask the language model for the relation of every test sentence."""
        return self.folders.add(
            f"seed{seed}/direct",
            "direct",
            options={
                "--train": split.folder / "train.jsonl",
                "--test": self.corpus.test,
                "--schema": self.corpus.schema,
                "--model": self.experiment.generator.model,
                "--dtype": self.experiment.dtype,
                "--shots": self.experiment.direct.shots,
                "--answer": self.experiment.direct.answer,
                "--seed": seed,
                "--out": OUT,
            },
            external=self.corpus.external,
            resumable=True,
        )

    def chains(self, seed: int, split: Stage, tuning: Tuning, half: str) -> Stage:
        """Build preference pairs for one half of the relations, `a` or `b`, or for `all`."""
        return self.folders.add(
            f"seed{seed}/chains{_left_out(tuning)}-{half}",
            "chains",
            [split.folder / "train.jsonl"],
            {
                "--schema": self.corpus.schema,
                "--half": None if half == "all" else half,
                "--seed": seed,
                "--chains-per-relation": self.experiment.chains.per_relation,
                "--shares": self._shares(tuning),
                "--out": f"{OUT}/chains.jsonl",
            },
            external=[self._schema_file],
        )

    def tune(self, seed: int, chains: Stage, tuning: Tuning, half: str) -> Stage:
        """Tune an adapter by DPO."""
        dpo = self.experiment.dpo
        plain = "" if tuning.diverse else "_plain"
        return self.folders.add(
            f"seed{seed}/dpo{_left_out(tuning)}{plain}-{half}",
            "dpo",
            options={
                "-c": dpo,
                "--model.model": self.experiment.generator.model,
                "--data.chains": chains.folder / "chains.jsonl",
                "--data.schema": self.corpus.schema,
                "--seed_everything": seed,
                "--data.seed": seed,
                "--model.lora_seed": seed,
                "--data.diverse": None if tuning.diverse else "false",
                "--model.dtype": self.experiment.dtype,
                "--trainer.max_epochs": self.experiment.dpo_epochs,
                "--resume": True,
                "--out": OUT,
                "--tensorboard": BOARD,
            },
            external=[self._schema_file, find_config(dpo, "dpo")],
            resumable=True,
        )

    def generate(
        self, seed: int, name: str, split: Stage, adapter: Stage | None, half: str = ""
    ) -> Stage:
        """Generate samples.

        Args:
            seed: of the split.
            name: a key of `GENERATIONS`.
            split: has the labelled samples.
            adapter: tunes the model; None for the model as it is.
            half: `a` or `b`: generate for that half of the relations only.
        """
        generation, settings = GENERATIONS[name], self.experiment.generator
        preset = self.generation_preset(name)
        return self.folders.add(
            f"seed{seed}/generate-{name}{half and f'-{half}'}",
            "generate",
            options={
                "-c": preset,
                "--model": settings.model,
                "--mode": generation.mode,
                "--train": split.folder / "train.jsonl",
                "--schema": self.corpus.schema,
                "--samples": settings.samples,
                "--seed": seed,
                "--chains": settings.chains,
                "--token-budget": settings.token_budget,
                "--forbid": self.corpus.kept_out,
                "--no-diverse": None if generation.diverse else True,
                "--window": settings.window if generation.window else None,
                "--dtype": self.experiment.dtype,
                "--half": half or None,
                "--half-seed": seed if half else None,
                "--adapter": adapter.folder / "adapter" if adapter else None,
                "--out": f"{OUT}/generated.jsonl",
            },
            external=[*self.corpus.external, find_config(preset, "generate")],
            resumable=True,
        )

    def label(self, seed: int, name: str, split: Stage, parts: Iterable[Stage]) -> Stage | None:
        """Label generated samples by what a language model reads in them, if it is asked for."""
        settings = self.experiment.label
        if settings is None:
            return None
        certainty = settings.least_certainty
        return self.folders.add(
            f"seed{seed}/label-{name}",
            "label",
            [part.folder / "generated.jsonl" for part in parts],
            {
                "--train": split.folder / "train.jsonl",
                "--schema": self.corpus.schema,
                "--dtype": settings.dtype or self.experiment.dtype or "float32",
                "--model": settings.model or self.experiment.generator.model,
                "--least-certainty": f"{certainty:g}" if certainty else None,
                "--out": f"{OUT}/labelled.jsonl",
            },
            external=[self._schema_file],
            resumable=True,
        )

    def collect(
        self, seed: int, name: str, parts: Iterable[Stage], label: Stage | None, first: int | None
    ) -> Stage:
        """Write generated samples as a data set with a card.

        Args:
            seed: of the split.
            name: of the set.
            parts: generated the samples.
            label: labelled them; None keeps the relations that were asked for.
            first: keep this many samples of each relation; None keeps all.
        """
        files = [part.folder / "generated.jsonl" for part in parts]
        licence, language = self.experiment.license, self.experiment.language
        if isinstance(self.experiment.corpus, str):
            known = ON_DISK.get(self.experiment.corpus)
            licence = known.license if known else "cc0-1.0"
        return self.folders.add(
            f"seed{seed}/collect-{name}",
            "collect",
            [label.folder / "labelled.jsonl"] if label else files,
            {
                "--schema": self.corpus.schema,
                "--license": licence,
                "--language": None if language == "en" else language,
                "--first": first,
                "--out": OUT,
            },
            external=[self._schema_file],
        )

    def diversity(self, seed: int, name: str, samples: Stage, against: Stage | None) -> Stage:
        """Measure the diversity of a set, and its distance from another one."""
        return self.folders.add(
            f"seed{seed}/diversity-{name}",
            "diversity",
            [samples.folder / "train.jsonl"],
            {
                "--schema": self.corpus.schema,
                "--against": against.folder / "train.jsonl" if against else None,
                "--seed": seed,
                "--json": True,
                "--out": f"{OUT}/diversity.json",
            },
            external=[self._schema_file],
        )

    def generation_preset(self, name: str) -> str:
        """Return the preset of the settings with which a key of `GENERATIONS` generates."""
        settings = self.experiment.generator
        presets = {"obo": settings.obo, "aao": settings.aao, "xu2023": settings.xu2023}
        return presets[GENERATIONS[name].settings]

    def _shares(self, tuning: Tuning) -> str | None:
        """Format the weights of the kinds of rejected samples as the command takes them."""
        shares: dict[RejectionKind, float] = dict(self.experiment.chains.shares)
        if tuning.without:
            shares = {kind: shares.get(kind, 0.0) for kind in REJECTION_KINDS} if shares else {}
            shares = (shares or dict.fromkeys(REJECTION_KINDS, 1.0)) | {tuning.without: 0.0}
        return ",".join(f"{kind}={share:g}" for kind, share in shares.items()) or None

    @property
    def _schema_file(self) -> Path:
        return find_schema(self.corpus.schema)


def _left_out(tuning: Tuning) -> str:
    return f"_no_{tuning.without}" if tuning.without else ""

"""The command lines of all stages but the classifiers'."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from relgen.dpo import REJECTION_KINDS, RejectionKind
from relgen.experiments.arms import GENERATIONS, Tuning
from relgen.experiments.config import Experiment
from relgen.experiments.corpora import ON_DISK, Corpus
from relgen.experiments.stages import BOARD, OUT, Stage, StageFolders


@dataclass(frozen=True)
class StageCommands:
    """Adds stages of an experiment to `folders`; each method adds one and returns it."""

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
        )

    def tune(self, seed: int, chains: Stage, tuning: Tuning, half: str) -> Stage:
        """Tune an adapter by DPO."""
        plain = "" if tuning.diverse else "_plain"
        return self.folders.add(
            f"seed{seed}/dpo{_left_out(tuning)}{plain}-{half}",
            "dpo",
            options={
                "-c": self.experiment.dpo,
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
            resumable=True,
        )

    def generate(
        self, seed: int, name: str, split: Stage, adapter: Stage | None, half: str = ""
    ) -> Stage:
        """Generate samples for one half of the relations, `a` or `b`, or for all of them.

        `name` is a key of `GENERATIONS`; `adapter` is None for the untuned model.
        """
        generation, settings = GENERATIONS[name], self.experiment.generator
        return self.folders.add(
            f"seed{seed}/generate-{name}{half and f'-{half}'}",
            "generate",
            options={
                "-c": self.generation_preset(name),
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
            resumable=True,
        )

    def label(self, seed: int, name: str, split: Stage, parts: Iterable[Stage]) -> Stage | None:
        """Let a language model label generated samples, if the experiment asks for it."""
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
            resumable=True,
        )

    def collect(
        self, seed: int, name: str, parts: Iterable[Stage], label: Stage | None, first: int | None
    ) -> Stage:
        """Write generated samples as a data set with a card.

        `first` keeps this many samples of each relation. Without `label`, samples keep the
        relations that were asked for.
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
        )

    def diversity(self, seed: int, name: str, samples: Stage, against: Stage | None) -> Stage:
        """Measure the diversity of a set, and its distance from another set."""
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
        )

    def generation_preset(self, name: str) -> str:
        """Return the preset for a key of `GENERATIONS`."""
        settings = self.experiment.generator
        presets = {"obo": settings.obo, "aao": settings.aao, "xu2023": settings.xu2023}
        return presets[GENERATIONS[name].settings]

    def _shares(self, tuning: Tuning) -> str | None:
        """Return the shares of the kinds of rejected samples as `--shares` takes them."""
        shares: dict[RejectionKind, float] = dict(self.experiment.chains.shares)
        if tuning.without:
            shares = {kind: shares.get(kind, 0.0) for kind in REJECTION_KINDS} if shares else {}
            shares = (shares or dict.fromkeys(REJECTION_KINDS, 1.0)) | {tuning.without: 0.0}
        return ",".join(f"{kind}={share:g}" for kind, share in shares.items()) or None


def _left_out(tuning: Tuning) -> str:
    return f"_no_{tuning.without}" if tuning.without else ""

"""The command lines of all stages but the classifiers'."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relgen.common import find_config, merged, read_merged
from relgen.data import CardOptions, Half, SplitOptions
from relgen.dpo import REJECTION_KINDS, ChainsOptions, RejectionKind
from relgen.evaluation import DirectOptions, DiversityOptions
from relgen.experiments.arms import GENERATIONS, Tuning
from relgen.experiments.config import Experiment, Labelling
from relgen.experiments.corpora import ON_DISK, Corpus
from relgen.experiments.stages import CURVES, OUT, UNSET, Line, Stage, StageFolders, keys, options
from relgen.generation import GenerateOptions
from relgen.labelling import LabelOptions, ReaderOptions


@dataclass(frozen=True)
class StageCommands:
    """Adds stages of an experiment to `folders`; each method adds one and returns it."""

    experiment: Experiment
    corpus: Corpus
    folders: StageFolders

    def split(self, seed: int) -> Stage:
        """Draw K labelled samples per relation."""
        line = options(SplitOptions)(
            samples=self.corpus.train,
            schema=self.corpus.schema,
            shots=self.experiment.shots,
            seed=seed,
            dev="none",
            by=self.corpus.by if self.corpus.by != "sentence" else UNSET,
            exclude=self.corpus.kept_out,
            out=OUT,
        )
        return self.folders.add(f"seed{seed}/split", "data split", line)

    def direct(self, seed: int, split: Stage) -> Stage:
        """Ask the language model for the relation of every test sentence."""
        line = options(DirectOptions)(
            train=split.folder / "train.jsonl",
            test=self.corpus.test,
            schema=self.corpus.schema,
            model=self.experiment.generator.model,
            dtype=self.experiment.generator.dtype or self.experiment.dtype or UNSET,
            shots=self.experiment.direct.shots,
            answer=self.experiment.direct.answer,
            seed=seed,
            out=OUT,
        )
        models = [self.experiment.generator.model]
        return self.folders.add(f"seed{seed}/direct", "direct", line, models=models)

    def chains(self, seed: int, split: Stage, tuning: Tuning, half: Half | None) -> Stage:
        """Build preference pairs for one half of the relations, or for all of them."""
        line = options(ChainsOptions)(
            train=split.folder / "train.jsonl",
            schema=self.corpus.schema,
            half=half,
            seed=seed,
            chains_per_relation=self.experiment.chains.per_relation,
            shares=self._shares(tuning),
            out=f"{OUT}/chains.jsonl",
        )
        name = f"seed{seed}/chains{_left_out(tuning)}-{half or 'all'}"
        return self.folders.add(name, "chains", line)

    def tune(self, seed: int, chains: Stage, tuning: Tuning, half: Half | None) -> Stage:
        """Tune an adapter by DPO."""
        preset = self.experiment.tuning
        line = keys(
            {
                **preset.words(),
                "model.model": self.experiment.generator.model,
                "data.chains": chains.folder / "chains.jsonl",
                "data.schema": self.corpus.schema,
                "seed_everything": seed,
                "data.seed": seed,
                "model.lora_seed": seed,
                "data.diverse": None if tuning.diverse else "false",
                **_given("model.dtype", self.experiment.dtype),
                **_given("trainer.max_epochs", self.experiment.dpo_epochs),
                "resume": True,
                "out": OUT,
                "tensorboard": CURVES,
            }
        )
        plain = "" if tuning.diverse else "_plain"
        name = f"seed{seed}/dpo{_left_out(tuning)}{plain}-{half or 'all'}"
        models = [self.experiment.generator.model]
        return self.folders.add(name, "dpo fit", line, preset.preset, models=models)

    def generate(
        self, seed: int, name: str, split: Stage, adapter: Stage | None, half: Half | None = None
    ) -> Stage:
        """Generate samples for one half of the relations, or for all of them.

        `name` is a key of `GENERATIONS`; `adapter` is None for the untuned model.
        """
        generation, settings = GENERATIONS[name], self.experiment.generator
        changes: dict[str, Any] = {
            key: "null" if value is None else value for key, value in settings.changes.items()
        }
        line = options(GenerateOptions)(
            model=settings.model,
            mode=generation.mode,
            train=split.folder / "train.jsonl",
            schema=self.corpus.schema,
            samples=settings.samples,
            seed=seed,
            chains=settings.chains or UNSET,
            token_budget=settings.token_budget,
            forbid=self.corpus.kept_out,
            diverse=UNSET if generation.diverse else False,
            window=settings.window if generation.window else None,
            dtype=settings.dtype or self.experiment.dtype or UNSET,
            half=half,
            half_seed=seed if half else None,
            adapter=adapter.folder / "adapter" if adapter else None,
            out=f"{OUT}/generated.jsonl",
            **changes,
        )
        stage = f"seed{seed}/generate-{name}" + (f"-{half}" if half else "")
        preset = self.generation_preset(name)
        served = self.generation_settings(name).get("backend") == "openai"
        models = [] if served else [settings.model]
        return self.folders.add(stage, "generate", line, preset, models=models)

    def label(self, seed: int, name: str, split: Stage, parts: Iterable[Stage]) -> Stage | None:
        """Let a language model label generated samples, if the experiment asks for it."""
        if (settings := self.experiment.label) is None:
            return None
        line = options(LabelOptions)(
            samples=[part.folder / "generated.jsonl" for part in parts],
            **self._reading(split),
            least_certainty=settings.least_certainty or UNSET,
            out=f"{OUT}/labelled.jsonl",
        )
        return self._reads(f"seed{seed}/label-{name}", "label", line)

    def label_unlabelled(self, seed: int, split: Stage) -> Stage | None:
        """Let a language model choose and label the user's sentences, if an arm uses them."""
        settings, file = self.experiment.label, self.experiment.unlabelled
        if settings is None or file is None:
            return None
        line = options(LabelOptions)(
            samples=[Path(file)],
            **self._reading(split),
            least_certainty=settings.least_certainty or UNSET,
            out=f"{OUT}/labelled.jsonl",
            pool=settings.pool,
            most=settings.most,
            seed=seed,
            ignore_relations=True,
            exclude=self.corpus.kept_out,
        )
        return self._reads(f"seed{seed}/label-unlabelled", "label", line)

    def reader(self, seed: int, split: Stage) -> Stage:
        """Let a language model classify the test sentences by reading them."""
        line = options(ReaderOptions)(**self._reading(split), test=self.corpus.test, out=OUT)
        return self._reads(f"seed{seed}/reader", "reader", line)

    def _reads(self, name: str, command: str, line: Line) -> Stage:
        return self.folders.add(name, command, line, models=[line.given["model"]])

    def _reading(self, split: Stage) -> dict[str, Any]:
        """Return the options of the reader, which `label: null` leaves at their defaults."""
        settings = self.experiment.label or Labelling()
        return {
            "train": split.folder / "train.jsonl",
            "schema": self.corpus.schema,
            "dtype": settings.dtype or self.experiment.dtype or "float32",
            "model": settings.model or self.experiment.generator.model,
        }

    def collect(
        self, seed: int, name: str, parts: Iterable[Stage], label: Stage | None, first: int | None
    ) -> Stage:
        """Write generated samples as a data set with a card.

        `first` keeps this many samples of each relation. Without `label`, samples keep the
        relations that were asked for.
        """
        licence, language = self.experiment.license, self.experiment.language
        if isinstance(self.experiment.corpus, str):
            known = ON_DISK.get(self.experiment.corpus)
            licence = known.license if known else "cc0-1.0"
        labelled = [label.folder / "labelled.jsonl"] if label else []
        line = options(CardOptions)(
            generated=[*(labelled or [part.folder / "generated.jsonl" for part in parts])],
            schema=self.corpus.schema,
            license=licence,
            language=language or UNSET,
            first=first,
            out=OUT,
        )
        return self.folders.add(f"seed{seed}/collect-{name}", "data card", line)

    def diversity(self, seed: int, name: str, samples: Stage, against: Stage | None) -> Stage:
        """Measure the diversity of a set, and its distance from another set."""
        line = options(DiversityOptions)(
            samples=samples.folder / "train.jsonl",
            schema=self.corpus.schema,
            against=against.folder / "train.jsonl" if against else None,
            seed=seed,
            json=True,
            out=f"{OUT}/diversity.json",
        )
        return self.folders.add(f"seed{seed}/diversity-{name}", "diversity", line)

    def generation_preset(self, name: str) -> str:
        """Return the preset for a key of `GENERATIONS`."""
        preset: str = getattr(self.experiment.generator, GENERATIONS[name].preset)
        return preset

    def generation_settings(self, name: str) -> dict[str, Any]:
        """Return the content of that preset, as the experiment changes it."""
        file = find_config(self.generation_preset(name), "generate")
        return merged(read_merged([file]), self.experiment.generator.changes)

    def _shares(self, tuning: Tuning) -> dict[RejectionKind, float]:
        """Return the shares of the kinds of rejected samples; empty for equal ones."""
        shares = dict(self.experiment.chains.shares)
        if tuning.without:
            shares = {kind: shares.get(kind, 0.0 if shares else 1.0) for kind in REJECTION_KINDS}
            shares[tuning.without] = 0.0
        return shares


def _given(key: str, value: Any) -> dict[str, Any]:
    """Return an option that does not hide a preset's change where it is not given."""
    return {} if value is None else {key: value}


def _left_out(tuning: Tuning) -> str:
    return f"_no_{tuning.without}" if tuning.without else ""

"""The settings of an experiment, as `relgen.experiments.load_grid` reads them from a file.

    corpus: everyday              # or {train: a.jsonl, test: b.jsonl, schema: s.yaml}
    shots: 8
    seeds: [1]
    arms: [human, obo_dpo_pure, obo_dpo_mix, aao_mix]
    generator: {model: smollm2-135m-instruct, samples: 16}    # samples per relation
    dpo: dpo/smollm2              # or {preset: dpo/smollm2, model.beta: 0.2}
    classifiers: [classifier/entity_marker]

`relgen.experiments.planner` turns an experiment into command lines, and
`relgen.experiments.runner` runs those that are not done yet.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from relgen.common import (
    SET_ON_READING,
    BelowOne,
    DType,
    InputError,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    ReadingDType,
    check,
    text_hash,
)
from relgen.data import By
from relgen.dpo import RejectionKind
from relgen.evaluation import Answer
from relgen.experiments.arms import Arm, parse_arm
from relgen.experiments.changes import Preset


@dataclass(frozen=True)
class CorpusFiles:
    """Files of the user's own corpus."""

    train: str
    """Samples to draw the shots from."""
    test: str
    """Samples to test on."""
    schema: str
    """Schema of both."""
    by: By = "sentence"
    """What shots and test samples do not share: sentences, or groups (documents) as well."""


@dataclass(frozen=True)
class Generator:
    """The language model that generates samples, and its settings.

    A file may give any other key of `relgen generate` as well, for all presets.
    """

    model: str = "smollm2-135m-instruct"
    """Embedded name, local folder, GGUF file or Hub id."""
    dtype: ReadingDType | None = None
    """Dtype of its weights when it is not tuned; by default the experiment's `dtype`, or else that
    of the presets.
    """
    samples: PositiveInt = 16
    """Accepted samples per relation."""
    chains: PositiveInt | None = None
    """Chains per relation, each starting from other labelled samples; null takes the presets'
    value. More, shorter chains give more diverse samples and larger batches.
    """
    token_budget: PositiveInt | None = None
    """Generated tokens per relation after which every arm stops; null compares arms at the same
    number of accepted samples only.
    """
    window: NonNegativeInt = 3
    """Samples that arms with a window show, besides the first demonstration."""
    obo: str = "generate/smollm2_obo"
    """Preset or path of the one-by-one settings."""
    aao: str = "generate/smollm2_aao"
    """Preset or path of the all-at-once settings."""
    xu2023: str = "generate/smollm2_xu2023"
    """Preset or path of the settings of Xu et al. 2023."""
    changes: dict[str, Any] = field(default_factory=dict, metadata=SET_ON_READING)
    """The other keys, which change the presets."""


@dataclass(frozen=True)
class Labelling:
    """Settings of the reader, which labels generated and unlabelled sentences."""

    model: str | None = None
    """Language model that reads the sentences; by default the generator."""
    dtype: ReadingDType | None = None
    """Dtype of its weights; by default the experiment's `dtype`, or else float32."""
    least_certainty: BelowOne = 0.0
    """Probability of a sample's label below which it is not trained on."""
    pool: PositiveInt = 4000
    """Sentences of `unlabelled` to read at most, drawn by seed."""
    most: PositiveInt = 2000
    """Sentences of `unlabelled` to train on at most: of those read, those whose labels would tell
    most of the others.
    """


@dataclass(frozen=True)
class Direct:
    """Settings of the arm `direct`; see `relgen.evaluation`."""

    shots: NonNegativeInt = 2
    """Labelled samples shown with their answers."""
    answer: Answer = "likelihood"
    """How the model answers."""


@dataclass(frozen=True)
class Chains:
    """Settings of the preference pairs."""

    per_relation: PositiveInt = 1
    """Chains per relation."""
    shares: dict[RejectionKind, NonNegativeFloat] = field(default_factory=dict)
    """Relative shares of the kinds of rejected samples; by default equal."""


@dataclass(frozen=True)
class Experiment:
    """The settings of one experiment."""

    name: str = field(metadata=SET_ON_READING)
    """The file's name without its ending; set on reading."""
    corpus: Literal["everyday", "semeval", "tacred", "tacrev", "retacred"] | CorpusFiles
    """A known corpus (all but `everyday` are read from `$RELGEN_DATA`), or the user's files as a
    mapping with the keys train, test and schema.
    """
    shots: PositiveInt = 8
    """Labelled samples per relation (K)."""
    seeds: tuple[int, ...] = (1,)
    """Seeds; each has its own K-shot split, generated samples and trainings."""
    arms: tuple[str, ...] = ("human", "obo_dpo_pure", "obo_dpo_mix", "aao_mix")
    """Systems to compare: human, direct, reader, xu2023, unlabelled_mix (human samples and
    `unlabelled` sentences), or a way of generating (aao, obo, obo_dpo, …) with _pure (generated
    samples only), _mix (human ones as well) or _unlabelled_mix (all three).
    """
    generator: Generator = Generator()
    """The language model and the number of samples."""
    dpo: str | Preset = "dpo/smollm2"
    """Preset or path of the DPO configuration, or a mapping that changes some of its keys, such as
    {preset: dpo/smollm2, model.beta: 0.2}.
    """
    dpo_epochs: PositiveInt | None = None
    """Passes over the chains; by default the configuration's value."""
    chains: Chains = field(default_factory=Chains)
    """Settings of the preference pairs."""
    halves: bool = True
    """Tune on one half of the relations and generate for the other, so that no relation is
    generated by a model tuned on its labels. Off tunes one adapter on all relations.
    """
    label: Labelling | None = Labelling()
    """Let a language model label the generated samples; null keeps the relations that the generator
    was asked for.
    """
    unlabelled: str | None = None
    """File of sentences of your own with marked entities (JSONL), for the arms with `unlabelled`;
    their relations may be missing, and are ignored. A language model chooses and labels them.
    """
    reviewed: str | None = None
    """File that `relgen review` made of generated or labelled samples, for arms whose name ends in
    `_reviewed`: its samples take the place of those of the same id and text.
    """
    direct: Direct = Direct()
    """Settings of the arm `direct`."""
    classifiers: tuple[str | Preset, ...] = ("classifier/entity_marker",)
    """Presets or paths of classifiers; every arm is run with each. Mappings change keys as in
    `dpo`; `encoder` is short for model.classifier.model, and `name` is the name in results.
    """
    classifier_steps: PositiveInt | None = None
    """Steps of each training; by default the configuration's value."""
    order: Literal["together", "side_by_side", "generated_first"] | None = None
    """How a mix trains on human and generated samples: as one set, with both in every batch, or on
    the generated ones first; by default the configuration's value.
    """
    keep_weights: bool = True
    """Keep the classifiers' weights. Off deletes them once all stages that read them are done;
    predictions and scores are kept.
    """
    dtype: DType | None = None
    """Dtype of all models: auto is bfloat16 on machines with matrix units for it and else float32;
    null takes the presets' values.
    """
    initialisations: PositiveInt = 1
    """Trainings of each classifier on each arm's data, with different initial weights and sample
    orders. Results are means over them.
    """
    license: str = "unknown"
    """Licence of the seed data, for the generated set's card."""
    language: str | None = None
    """Language of the sentences (ISO 639-1), for the card; by default the one that they are in."""
    source: str = field(default="", compare=False, metadata=SET_ON_READING)
    """The file's text; set on reading."""

    def __post_init__(self) -> None:
        check(self)
        for arm in self.parsed_arms:
            if arm.first is not None and arm.first > self.generator.samples:
                raise InputError(
                    f"uses more samples than generator.samples ({self.generator.samples})",
                    field="arms",
                    value=arm.name,
                    remedy=f"raise generator.samples to {arm.first}, or name a smaller part",
                )
        for name in ("arms", "seeds"):
            values = getattr(self, name)
            if not values:
                raise InputError("must not be empty", field=name)
            if len(set(values)) < len(values):
                raise InputError("must list different values", field=name, value=list(values))
        self._check_unlabelled()
        self._check_reviewed()
        names = [preset.label for preset in self.trained]
        if len(set(names)) < len(names):
            raise InputError(
                "two classifiers must not have the same name",
                field="classifiers",
                value=names,
                remedy="results name them by their files: give one a name of its own, as in "
                "{preset: classifier/entity_marker, name: larger, encoder: FOLDER}",
            )
        self._check_given_once()

    def _check_given_once(self) -> None:
        """Raise InputError if a preset's change and a key of the experiment set the same."""
        tuned = {"trainer.max_epochs": "dpo_epochs", "model.dtype": "dtype"}
        trained = {"trainer.max_steps": "classifier_steps", "trainer.precision": "dtype"}
        trained["data.order"] = "order"
        places = [("dpo", self.tuning, tuned)]
        places += [(f"classifiers[{n}]", one, trained) for n, one in enumerate(self.trained)]
        for where, preset, known in places:
            for key in preset.changes.keys() & known.keys():
                if getattr(self, known[key]) is not None:
                    raise InputError(
                        f"is given by `{known[key]}` as well",
                        field=f"{where}.{key}",
                        value=preset.changes[key],
                        remedy="remove one of the two",
                    )

    def _check_unlabelled(self) -> None:
        """Raise InputError if an arm lacks sentences or a reader, or no arm uses the sentences."""
        using = [arm.name for arm in self.parsed_arms if arm.unlabelled]
        if using and self.unlabelled is None:
            raise InputError(
                "needs the key `unlabelled`",
                field="arms",
                value=using[0],
                remedy="name their file: `unlabelled: sentences.jsonl`",
            )
        if using and self.label is None:
            raise InputError(
                "needs a reader, which labels the sentences",
                field="arms",
                value=using[0],
                remedy="remove `label: null`",
            )
        if self.unlabelled is not None and not using:
            raise InputError(
                "no arm uses these sentences",
                field="unlabelled",
                value=self.unlabelled,
                remedy="add one to `arms`: unlabelled_mix or obo_dpo_unlabelled_mix",
            )

    def _check_reviewed(self) -> None:
        """Raise InputError if an arm lacks a review, or no arm uses it."""
        using = [arm.name for arm in self.parsed_arms if arm.reviewed]
        if using and self.reviewed is None:
            remedy = "name the file that relgen review wrote: `reviewed: reviewed.jsonl`"
            raise InputError("needs a review", field="arms", value=using[0], remedy=remedy)
        if self.reviewed is not None and not using:
            remedy = "add one to `arms`, such as obo_dpo_mix_reviewed"
            raise InputError(
                "no arm uses this review", field="reviewed", value=self.reviewed, remedy=remedy
            )

    @property
    def corpus_name(self) -> str:
        """Return the name of a known corpus, or that of the user's schema file."""
        return self.corpus if isinstance(self.corpus, str) else Path(self.corpus.schema).stem

    @property
    def tuning(self) -> Preset:
        return Preset.of(self.dpo)

    @property
    def trained(self) -> tuple[Preset, ...]:
        return tuple(map(Preset.of, self.classifiers))

    @property
    def parsed_arms(self) -> list[Arm]:
        return [parse_arm(name) for name in self.arms]

    @property
    def generations(self) -> list[str]:
        """Return the generated sets that the arms need, each once, in the arms' order."""
        return list(dict.fromkeys(arm.generation for arm in self.parsed_arms if arm.generation))

    def identity(self) -> str:
        """Return a hash of name and corpus, which marks an output folder as this experiment's."""
        corpus = self.corpus if isinstance(self.corpus, str) else dataclasses.asdict(self.corpus)
        return text_hash(f"{self.name}\0{corpus}")[:16]

"""Settings of the reader, and of labelling and classifying with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from relgen.common import (
    POSITIONAL,
    SHORT,
    BelowOne,
    InputError,
    PositiveFloat,
    PositiveInt,
    ReadingDType,
    ShardOptions,
    check,
    resolved,
)
from relgen.data import LabelledFile, SamplesFile, SchemaName
from relgen.models import DeviceName, ModelName

LEFT_OUT = {
    "uncertain": "uncertain",
    "test_id": "with the id of a test sample",
    "test_sentence": "test sentences",
    "test_near_copy": "near copies of test sentences",
    "labelled": "labelled already",
    "near_copy": "near copies of labelled sentences",
    "repeated": "repeated",
    "not_drawn": "not drawn for reading",
    "too_long": "too long for the model",
    "not_chosen": "read and not chosen",
}
"""The reasons why a sample is left out, in words."""


def reader_score(micro_f1: float | None, train: str | Path) -> str:
    """Say how well the reader does on the labelled samples that it is fitted to."""
    known = "not known" if micro_f1 is None else f"{100 * micro_f1:.1f}"
    return f"cross-validated micro-F1 on {train}: {known}"


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """Settings of the model that reads the sentences and of the probe fitted to its states."""

    model: ModelName = "smollm2-135m-instruct"
    """Language model that reads: embedded name, local folder, GGUF file or Hub id."""
    dtype: ReadingDType = "float32"
    """Dtype of its weights; auto: bfloat16 where this machine has matrix units for it. int8 rounds
    them, for CPUs.
    """
    device: DeviceName | None = None
    """Device to run on (cpu, cuda, …); by default cuda where there is one."""
    penalty: PositiveFloat = 1.0
    """Penalty on the regression's weights."""

    def __post_init__(self) -> None:
        check(self)
        object.__setattr__(self, "dtype", resolved(self.dtype))


@dataclass(frozen=True, slots=True)
class LabelSettings(ReaderSettings):
    """Settings of the model that reads, and of the choice of sentences."""

    least_certainty: BelowOne = 0.0
    """Leave out samples whose most probable relation has less than this probability; they go to
    NAME.uncertain.jsonl beside --out.
    """
    pool: PositiveInt | None = None
    """Read at most this many samples, drawn by seed; by default all."""
    most: PositiveInt | None = None
    """Keep at most this many of the samples read, those whose labels would tell most of the others;
    by default all.
    """
    seed: int = 1
    """Seed of both choices."""
    ignore_relations: bool = False
    """Ignore the relations that samples have, like those of samples without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelOptions(LabelSettings, ShardOptions):
    """Give each sample the probability of every relation.

    A regression over a language model's hidden states is fitted to the labelled samples.
    Classifiers train on these probabilities instead of the relation that was asked for.
    Samples without a relation are sentences of your own: those that are labelled already, and those
    that come twice, are left out. A folder or a glob in quotation marks is a corpus in shards, and
    --out a folder. If it is stopped, run the same command again to continue.
    """

    samples: list[SamplesFile] = field(metadata=POSITIONAL)
    """Files of samples, such as generated.jsonl, or one folder of jsonl and parquet files;
    `relation` may be missing.
    """
    train: LabelledFile
    """File with labelled samples (samples.jsonl)."""
    schema: SchemaName
    """Schema file, or the name of a shipped schema."""
    out: str
    """File to write (labelled.jsonl)."""
    exclude: SamplesFile | None = None
    """File of samples, such as the test set: those with the id or the text of one of them are left
    out, and near copies.
    """

    def __post_init__(self) -> None:
        LabelSettings.__post_init__(self)
        ShardOptions.__post_init__(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderOptions(ReaderSettings):
    """Classify sentences by what a language model reads in them.

    A regression over its hidden states is fitted to the labelled samples, and saved as a classifier
    in the folder `model`. If it is stopped, run the same command again to continue.
    """

    train: LabelledFile
    """File with labelled samples (samples.jsonl)."""
    test: LabelledFile
    """File of samples to classify."""
    schema: SchemaName
    """Schema file, or the name of a shipped schema."""
    out: str
    """Folder to write."""
    force: bool = False
    """Replace the command's own output of other settings or inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestOptions(ReaderSettings):
    """Suggest which sentences to label next (--unlabelled), or which labels to check (--errors).

    A regression over a language model's hidden states is fitted to the labelled samples. To label
    are the sentences whose labels would tell most of all others that it is uncertain of, the most
    valuable first; sentences that are labelled already, near copies of them and repetitions are
    left out. A label may be wrong where
    the regression, fitted without that sentence, finds another one more likely. Suggestions
    have its `guess` and `probability`; set `relation` to what is right. The score that is said is
    the micro-F1 on parts of the labelled samples of the regression fitted to the others.
    """

    train: LabelledFile
    """File with labelled samples (samples.jsonl)."""
    schema: SchemaName
    """Schema file, or the name of a shipped schema."""
    unlabelled: SamplesFile | None = None
    """File of samples to choose from; their relations, if any, are ignored."""
    errors: bool = False
    """Look for wrong labels among the labelled samples instead."""
    number: PositiveInt = field(default=20, metadata=SHORT)
    """Number of suggestions, at most."""
    out: str | None = None
    """File to write: JSON lines, or a table if it ends in .csv; by default they are printed."""
    exclude: SamplesFile | None = None
    """File of samples, such as the test set, that are not suggested, and near copies of them."""
    pool: PositiveInt | None = None
    """Read at most this many sentences, drawn by seed; by default all."""
    seed: int = 1
    """Seed of the choice."""
    force: bool = False
    """Replace earlier suggestions, if nobody has edited them."""

    def __post_init__(self) -> None:
        ReaderSettings.__post_init__(self)
        if self.errors == (self.unlabelled is not None):
            raise InputError(
                "give one of both" + (", not the two at once" if self.errors else ""),
                field="--errors, --unlabelled",
                remedy="--unlabelled FILE suggests sentences to label, --errors labels to correct",
            )

"""Settings of Direct-RE and of diversity, and the options of their commands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from relgen.common import (
    POSITIONAL,
    InputFile,
    NonNegativeInt,
    PositiveInt,
    ReadingDType,
    check,
    resolved,
)
from relgen.data import LabelledFile, SchemaName
from relgen.models import DeviceName, ModelName

Answer = Literal["likelihood", "constrained", "free"]


@dataclass(frozen=True, slots=True)
class DirectSettings:
    """Settings of the model to query, and of its answers."""

    model: ModelName = "smollm2-135m-instruct"
    """Language model to query: embedded name, local folder, GGUF file or Hub id."""
    dtype: ReadingDType = "float32"
    """Dtype of its weights; auto: bfloat16 where this machine has matrix units for it. int8 rounds
    them, for CPUs.
    """
    device: DeviceName | None = None
    """Device to run on (cpu, cuda, …); by default cuda where there is one."""
    shots: NonNegativeInt = 2
    """Labelled sentences that are shown with their answers."""
    seed: int = 1
    """Seed of the choice of these sentences."""
    answer: Answer = "likelihood"
    """How the model answers: likelihood takes the relation whose name has the highest mean
    log-probability a token; constrained decodes greedily and allows names only; free decodes
    greedily without constraints, and an answer that names no relation is wrong.
    """

    def __post_init__(self) -> None:
        check(self)
        object.__setattr__(self, "dtype", resolved(self.dtype))


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectOptions(DirectSettings):
    """Ask a language model for the relation of each sentence (Direct-RE).

    It reads the relations with their explanations, a few labelled sentences and each test sentence,
    and names the relation. If it is stopped, run the same command again to continue.
    """

    train: InputFile
    """File to show labelled samples from (samples.jsonl)."""
    test: LabelledFile
    """File of samples to classify."""
    schema: SchemaName
    """Schema file, or the name of a shipped schema."""
    out: str
    """Folder to write."""
    force: bool = False
    """Replace the answers of other settings or inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiversityOptions:
    """Measure how different the samples of each relation are.

    With --against, both files are cut to the same number of samples per relation first, by a seeded
    draw.
    """

    samples: InputFile = field(metadata=POSITIONAL)
    """File of samples, such as generated.jsonl."""
    against: InputFile | None = None
    """Another file of samples to compare with, such as train.jsonl."""
    schema: SchemaName | None = None
    """Schema file, or the name of a shipped schema, to check the labels against."""
    encoder: ModelName = "all-minilm-l6-v2"
    """Sentence encoder: embedded name, folder or Hub id."""
    size: PositiveInt | None = None
    """Maximum number of samples per relation; by default all."""
    seed: int = 1
    """Seed of the draw."""
    skip_bad: bool = False
    """Leave malformed lines out."""
    json: bool = False
    """Print JSON instead of the table."""
    out: str | None = None
    """File to write the figures to as well, as JSON."""
    force: bool = False
    """Replace other figures that are there already."""

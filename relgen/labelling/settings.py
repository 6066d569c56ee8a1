"""Settings of labelling."""

from __future__ import annotations

from dataclasses import dataclass, field

from relgen.common import (
    POSITIONAL,
    BelowOne,
    InputFile,
    PositiveFloat,
    ReadingDType,
    check,
    resolved,
)


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """Settings of the model that reads the sentences and of the probe fitted to its states."""

    model: str = "smollm2-135m-instruct"
    """Language model that reads: embedded name, local folder, GGUF file or Hub id."""
    dtype: ReadingDType = "float32"
    """Dtype of its weights; auto: bfloat16 where this machine has matrix units for it. int8 rounds
    them, for CPUs.
    """
    device: str | None = None
    """Device to run on (cpu, cuda, …); by default cuda where there is one."""
    penalty: PositiveFloat = 1.0
    """Penalty on the regression's weights."""
    least_certainty: BelowOne = 0.0
    """Leave out samples whose most probable relation has less than this probability; they go to
    NAME.uncertain.jsonl beside --out.
    """

    def __post_init__(self) -> None:
        check(self)
        object.__setattr__(self, "dtype", resolved(self.dtype))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelOptions(LabelSettings):
    """Give each sample the probability of every relation.

    A regression over a language model's hidden states is fitted to the labelled samples.
    Classifiers train on these probabilities instead of the relation that was asked for.
    If it is stopped, run the same command again to continue.
    """

    samples: list[InputFile] = field(metadata=POSITIONAL)
    """Files of samples, such as generated.jsonl."""
    train: InputFile
    """File with labelled samples (samples.jsonl)."""
    schema: str
    """Schema file, or the name of a shipped schema."""
    out: str
    """File to write (labelled.jsonl)."""

"""Settings of the language model as a classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from relgen.common import DType, NonNegativeInt, check, resolved

Answer = Literal["likelihood", "constrained", "free"]


@dataclass(frozen=True, slots=True)
class DirectSettings:
    """Settings of the model that is asked, and of its answers."""

    model: str = "smollm2-135m-instruct"
    """Language model that is asked: embedded name, local folder or Hub id."""
    dtype: DType = "float32"
    """Dtype of its weights; auto: bfloat16 where this machine has matrix units for it."""
    device: str | None = None
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

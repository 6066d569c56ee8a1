"""Settings of labelling."""

from __future__ import annotations

from dataclasses import dataclass

from relgen.common import BelowOne, DType, PositiveFloat, check, resolved


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """Settings of the model that reads the sentences and of the probe fitted to its states."""

    model: str = "smollm2-135m-instruct"
    """Language model that reads: embedded name, local folder or Hub id."""
    dtype: DType = "float32"
    """Dtype of its weights; auto: bfloat16 where this machine has matrix units for it."""
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

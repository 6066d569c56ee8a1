"""What can be chosen about vLLM's engine in this process."""

from __future__ import annotations

from dataclasses import dataclass

from relgen.common import InputError, check_fields, described


@dataclass(frozen=True, slots=True)
class VllmSettings:
    """The settings of the engine. Each field's metadata holds its explanation (`help`).

    Raises:
        InputError: a value is of the wrong type or out of range.
    """

    tensor_parallel: int = described(1, "GPUs that share each layer")
    gpu_memory: float = described(0.9, "share of each GPU's memory that the engine takes")
    max_model_len: int | None = described(
        None, "tokens of the longest prompt with its answer; by default what the model allows"
    )

    def __post_init__(self) -> None:
        check_fields(self, "vllm.")
        for name in ("tensor_parallel", "max_model_len"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError("must be at least 1", field=f"vllm.{name}", value=value)
        if not 0 < self.gpu_memory <= 1:
            raise InputError(
                "must be above 0 and at most 1", field="vllm.gpu_memory", value=self.gpu_memory
            )

"""Policies with the same weights, with kernels and without."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from peft import PeftModel

from relgen.models.lora import add_lora
from tests import tiny


def policies(family: str, dtype: torch.dtype, **options: Any) -> tuple[PeftModel, PeftModel]:
    """Return a tuned policy with all kernels and its twin without any."""
    found = []
    for switch in ("", "off"):
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("RELGEN_KERNELS", switch)
            policy = add_lora(tiny.language_model(family, dtype=dtype), rank=4, **options).to(dtype)
        tiny.tune(policy)
        found.append(policy)
    return found[0], found[1]

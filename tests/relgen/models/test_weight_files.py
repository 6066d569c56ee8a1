"""Weights that change their dtype are read from their files, which are not mapped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from relgen.models import load_language_model
from relgen.models.weight_files import unmapped_weights
from tests import tiny


@pytest.mark.parametrize("shards", ["1GB", "20KB"])
def test_weights_of_another_dtype(shards: str, tmp_path: Path) -> None:
    model = tiny.language_model()
    model.save_pretrained(tmp_path, max_shard_size=shards)
    assert unmapped_weights(str(tmp_path), torch.float32) is None
    assert len(list(tmp_path.glob("*.safetensors"))) == 1 or shards == "20KB"
    loaded = load_language_model(str(tmp_path), dtype="bfloat16")
    assert unmapped_weights(str(tmp_path), torch.bfloat16) is not None
    for name, weight in model.named_parameters():
        found = loaded.get_parameter(name)
        assert found.dtype == torch.bfloat16
        assert torch.equal(found, weight.to(torch.bfloat16))

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_modules.utils.checkpoint_files import WholeFiles, remove_partial


class Interrupting:
    """Cannot be saved: Ctrl-C comes in the middle."""

    def __reduce__(self) -> Any:
        raise KeyboardInterrupt


def test_an_interrupted_save_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints/last.ckpt"
    WholeFiles().save_checkpoint({"step": torch.tensor(3)}, path)
    with pytest.raises(KeyboardInterrupt):
        WholeFiles().save_checkpoint({"a": torch.ones(9), "b": Interrupting()}, path)
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]
    assert torch.load(path, weights_only=True) == {"step": torch.tensor(3)}


def test_what_a_killed_save_has_left_is_removed(tmp_path: Path) -> None:
    for name in (".last.ckpt.abc.tmp", "last.ckpt", ".best.ckpt.abc.tmp"):
        (tmp_path / name).touch()
    remove_partial(tmp_path / "last.ckpt")
    assert sorted(file.name for file in tmp_path.iterdir()) == [".best.ckpt.abc.tmp", "last.ckpt"]

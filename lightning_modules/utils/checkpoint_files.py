"""Checkpoints that are written as a whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from relgen.common import atomic_writer


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside its place, and then renames it.

    Lightning writes it to the system's temporary folder, and from there copies it to another file
    system piece by piece: a kill leaves a part of it in the place of the checkpoint before.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        with atomic_writer(path, binary=True) as stream:
            torch.save(checkpoint, stream)


def remove_partial(path: Path) -> None:
    """Remove what killed processes have left of checkpoints at this path."""
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        left.unlink(missing_ok=True)

"""Checkpoints: written as a whole or not at all, and known as those of one kind of run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from relgen.common import InputError, atomic_writer


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


def own_state(checkpoint: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return what a module has added to its checkpoint, also to one of weights only.

    Raises InputError for a checkpoint of another kind of run, or of another program.
    """
    state: dict[str, Any] | None = checkpoint.get(f"relgen_{kind}")
    if state is None:
        raise InputError(
            f"this checkpoint was not written by `relgen {kind} fit`",
            field="ckpt_path",
            remedy="give one from the `checkpoints` of its --out",
        )
    return state

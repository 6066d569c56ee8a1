"""Weights that no stage will read any more, in whose place only their hash stays.

A grid trains hundreds of classifiers, each with a checkpoint that holds its weights three times
over. What the results need of them is predictions and scores.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path

from relgen.common import content_hash, write_text
from relgen.experiments.plans import Stage

_HASH = ".sha256"
_WEIGHTS = ("checkpoints/*.ckpt", "model/*.safetensors")


def discard_weights(stages: Iterable[Stage], is_done: Callable[[Stage], bool]) -> None:
    """Discards the weights of trainings that are done, like all stages that read them.

    Args:
        stages: a whole plan.
        is_done: whether a stage is.
    """
    planned = list(stages)
    for training in planned:
        if training.kind != "train" or not training.record.is_file():
            continue
        weights = [path for form in _WEIGHTS for path in training.folder.glob(form)]
        if not weights:
            continue
        readers = [s for s in planned if any(training.folder in p.parents for p in s.inputs)]
        if all(is_done(stage) for stage in (training, *readers)):
            for path in weights:
                # another process at work in this folder may be faster
                with contextlib.suppress(FileNotFoundError):
                    write_text(_mark(path), content_hash(path) + "\n")
                    path.unlink()


def discarded_hash(path: Path) -> str | None:
    """The content hash of a file that was discarded, or None."""
    mark = _mark(path)
    return mark.read_text(encoding="utf-8").strip() if mark.is_file() else None


def _mark(path: Path) -> Path:
    return path.with_name(path.name + _HASH)

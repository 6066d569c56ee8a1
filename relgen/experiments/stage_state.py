"""Checks and deletes the output of stages on disk."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterable
from pathlib import Path

from relgen.common import InputError, content_hash, read_json
from relgen.experiments.stages import Plan, Stage

_WEIGHTS = (".ckpt", ".safetensors")


def is_done(stage: Stage) -> bool:
    """Return True if the stage has a record and its inputs have not changed since.

    Deleted weights (`keep_weights: false`) count as unchanged.
    """
    if not stage.record.is_file():
        return False
    then, now = read_json(stage.record)["inputs"], input_hashes(stage)
    deleted = [name for name, found in now.items() if not found and name.endswith(_WEIGHTS)]
    return bool(then == now | {name: then.get(name) for name in deleted})


def require_inputs(stage: Stage, plan: Plan) -> None:
    """Raise InputError if an input of the stage does not exist, naming the stage to run."""
    for path in stage.inputs:
        if path.exists():
            continue
        makers = [s.name for s in plan.stages if s.folder in path.parents and s.record.is_file()]
        if not makers:
            raise InputError(
                f"stage {stage.name} needs this file, which does not exist yet",
                path=path,
                remedy="run the stages before it as well, without --only",
            )
        deleted = " (keep_weights: false)" if path.suffix in _WEIGHTS else ""
        raise InputError(
            f"stage {stage.name} needs this file, which was deleted{deleted}",
            path=path,
            remedy=f"run the stage that writes it again, with --force {makers[0]}",
        )


def delete_weights(stages: Iterable[Stage]) -> None:
    """Delete the weights of each finished training whose readers are all done."""
    distinct = list({stage.folder: stage for stage in stages}.values())
    for training in distinct:
        if training.kind != "train" or not training.record.is_file():
            continue
        weights = [path for path in training.folder.glob("*/*") if path.suffix in _WEIGHTS]
        if weights:
            readers = [s for s in distinct if any(training.folder in p.parents for p in s.inputs)]
            if all(is_done(stage) for stage in (training, *readers)):
                for path in weights:
                    path.unlink(missing_ok=True)


def clear(stage: Stage) -> None:
    """Delete the output of a stage, its record first."""
    stage.record.unlink(missing_ok=True)
    for folder in filter(None, (stage.folder, stage.board)):
        shutil.rmtree(folder, ignore_errors=True)


def input_hashes(stage: Stage) -> dict[str, str]:
    """Return the content hash of every input; empty for an input that does not exist.

    The keys are positions and names, not paths, so that a run may be moved to another folder.
    """
    return {
        f"{index}/{path.name}": _hash(path) if path.exists() else ""
        for index, path in enumerate(stage.inputs)
    }


def _hash(path: Path) -> str:
    if path.is_dir():
        return content_hash(path)
    status = path.stat()
    return _file_hash(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4096)
def _file_hash(path: Path, modified: int, size: int) -> str:
    """Hash a file once: checkpoints are large, and several stages read them."""
    return content_hash(path)

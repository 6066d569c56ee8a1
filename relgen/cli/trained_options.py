"""Options of `relgen dpo …` and `relgen classifier …` that are parsed before LightningCLI runs.

They are presets by name, `TrainedOptions`, and the checkpoint that a command starts from.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from relgen.common import (
    PRECISIONS,
    InputError,
    fast_dtype,
    field_helps,
    find_config,
    is_whole_zip,
    read_yaml,
)

SUBCOMMANDS = {
    "dpo": ("fit", "validate"),
    "classifier": ("fit", "validate", "test", "predict"),
}
"""Those of LightningCLI that a command has."""
_RESOLVED = ("-c", "--config", "--trainer.precision")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedOptions:
    """Options of all commands that LightningCLI parses."""

    out: str | None = None
    """Folder to write checkpoints, curves and config.yaml to."""
    tensorboard: str | None = None
    """Folder of TensorBoard's files, by default below --out."""
    ckpt_path: str | None = None
    """Checkpoint to start from; `last` is that of --out."""
    resume: bool = False
    """Continue from the checkpoint in --out, if there is one (fit)."""
    force: bool = False
    """Replace what the same command has written to the folder; a fit starts again."""
    estimate: bool = False
    """Print the memory that a step needs, and stop (dpo fit)."""

    @property
    def curves(self) -> Path:
        return Path(self.tensorboard or Path(self.out or ".") / "tensorboard")


def print_help(name: str) -> None:
    """Print the usage and the options that relgen adds."""
    print(
        f"usage: relgen {name} SUBCOMMAND -c PRESET --out DIR [--resume | --force] [--KEY VALUE …]"
    )
    print(f"\nSUBCOMMAND is one of {', '.join(SUBCOMMANDS[name])}; LightningCLI runs it.\n")
    lines = {"-c, --config FILE": "YAML file or shipped preset; later files override earlier ones"}
    lines |= {f"--{key}": text for key, text in field_helps(TrainedOptions).items()}
    lines["--KEY VALUE"] = "any key of the configuration, e.g. --trainer.max_epochs 3"
    lines["--print_config"] = "print the configuration that results, and stop"
    for option, text in lines.items():
        print(f"  {option:18} {text}")


def with_presets(words: Sequence[str], folder: str) -> list[str]:
    """Return the command line with preset names resolved to paths, and `auto` to a dtype.

        -c smollm2 --trainer.precision=auto
        -c …/configs/dpo/smollm2.yaml --trainer.precision bf16-mixed    # where bfloat16 is fast

    Raises InputError if there is no such file or preset, or it is not valid YAML.
    """
    made: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        made += [name, value] if equals and name in _RESOLVED else [word]
    for place, (option, value) in enumerate(pairwise(made), start=1):
        if option in ("-c", "--config"):
            made[place] = str(find_config(value, folder))
            read_yaml(made[place])
        elif (option, value) == ("--trainer.precision", "auto"):
            made[place] = PRECISIONS[fast_dtype()]
    return made


def find_checkpoint(subcommand: str, own: TrainedOptions) -> Path | None:
    """Return the checkpoint to start from; None for a training that starts from scratch.

    `last` is resolved here: Lightning would look for it elsewhere.
    """
    last = Path(own.out or "") / "checkpoints" / "last.ckpt"
    if own.ckpt_path is not None:
        return _usable(last if own.ckpt_path == "last" else Path(own.ckpt_path))
    if subcommand == "fit":
        return _to_resume(last, own)
    if last.is_file():
        return last
    raise InputError(
        f"no trained weights to {subcommand}",
        path=last,
        remedy="run `fit` with the same --out first, or give --ckpt_path",
    )


def _usable(path: Path) -> Path:
    remedy = "give the path of a checkpoint, or leave --ckpt_path out"
    if not path.is_file():
        raise InputError("no such checkpoint", path=path, remedy=remedy)
    if not is_whole_zip(path) or not _is_checkpoint(path):
        raise InputError("this file is not a checkpoint, or is damaged", path=path, remedy=remedy)
    return path


def _is_checkpoint(path: Path) -> bool:
    """Return whether a file holds what Lightning saves; no weights are read into memory."""
    import torch

    try:
        content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except Exception:  # of a zip file with anything in it
        return False
    return isinstance(content, dict) and {"state_dict", "pytorch-lightning_version"} <= set(content)


def is_foreign(path: Path) -> bool:
    """Return whether a file is a checkpoint of another program than relgen; no weights are read."""
    try:
        with ZipFile(path) as content:
            pickles = [name for name in content.namelist() if name.endswith("/data.pkl")]
            return not any(b"relgen_" in content.read(name) for name in pickles)
    except (BadZipFile, OSError):
        return False


def _to_resume(last: Path, own: TrainedOptions) -> Path | None:
    """Return the checkpoint to continue from; None to start from scratch."""
    if own.force or not last.is_file():
        return None
    if not own.resume:
        raise InputError(
            "this folder holds a checkpoint of an earlier run",
            path=last,
            remedy="--resume continues from it, --force starts again, or give another --out",
        )
    if is_whole_zip(last):
        return last
    # Lightning saves these beside it when SLURM queues the job again
    queued = sorted(last.parents[1].glob("hpc_ckpt_*.ckpt"), key=lambda path: path.stat().st_mtime)
    other = next(filter(is_whole_zip, reversed(queued)), None)
    instead = f"continuing from {other}" if other else "starting from scratch"
    print(f"warning: {last} is damaged; {instead}", file=sys.stderr)
    return other

"""The options that `relgen dpo …` and `relgen classifier …` read before LightningCLI sees the rest.

Presets by name, `TrainedOptions`, and the checkpoint that a command starts from. Leaves out
Lightning: what is left of the command line is `relgen.cli.lightning_cli`'s.
"""

from __future__ import annotations

import itertools
import re
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from relgen.common import InputError, fast_dtype, find_config

_LAST = "checkpoints/last.ckpt"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedOptions:
    """Options of all commands that LightningCLI parses."""

    out: str | None = None
    """Folder for everything that is made: checkpoints, curves, config.yaml."""
    tensorboard: str | None = None
    """Folder for TensorBoard's files; a folder each shows runs side by side."""
    resume: bool = False
    """Continue from the checkpoint in --out, if there is one (fit)."""
    force: bool = False
    """Start again in a folder that holds a checkpoint (fit)."""
    estimate: bool = False
    """Print the memory that a step will take, and stop (dpo fit)."""

    @property
    def board(self) -> Path:
        """Return the folder of TensorBoard's files."""
        return Path(self.tensorboard or Path(self.out or ".") / "tensorboard")


def with_presets(arguments: list[str], folder: str) -> list[str]:
    """Return the command line with the names of presets in `folder` replaced by their paths.

    Raises:
        InputError: no such file or preset.
    """
    resolved = []
    previous = ""
    for argument in arguments:
        if previous in ("-c", "--config"):
            argument = str(find_config(argument, folder))
        elif match := re.match(r"(?:-c|--config)=(.+)", argument):
            argument = f"--config={find_config(match.group(1), folder)}"
        resolved.append(argument)
        previous = argument
    return resolved


_BY_DTYPE = {
    re.compile(r"--model\.(init_args\.)?dtype"): {"bfloat16": "bfloat16", "float32": "float32"},
    # half precision for the arithmetic: the weights that are trained stay in float32
    re.compile(r"--trainer\.precision"): {"bfloat16": "bf16-mixed", "float32": "32-true"},
}


def with_fast_dtype(arguments: list[str]) -> list[str]:
    """Return the command line with `auto` as dtype or precision replaced by what is fast here.

        --model.dtype auto --trainer.precision=auto
        --model.dtype bfloat16 --trainer.precision=bf16-mixed     # where bfloat16 is fast

    Each process of a training resolves it for itself, and all of them run on machines of a kind.
    """
    made = []
    previous = ""
    for argument in arguments:
        name, given, value = argument.partition("=")
        option, word = (name, value) if given else (previous, argument)
        previous = argument
        if word == "auto":
            for pattern, names in _BY_DTYPE.items():
                if pattern.fullmatch(option):
                    argument = argument.removesuffix("auto") + names[fast_dtype()]
        made.append(argument)
    return made


def config_files(arguments: list[str]) -> list[Path]:
    """Return the configuration files that a command line names, in their order."""
    pairs = itertools.pairwise(arguments)
    files = [Path(value) for option, value in pairs if option in ("-c", "--config")]
    return files + [Path(a.partition("=")[2]) for a in arguments if a.startswith("--config=")]


def with_checkpoint(arguments: list[str], subcommand: str, own: TrainedOptions) -> list[str]:
    """Return the command line with the `--ckpt_path` from which the command starts, if any.

    `last` is resolved here: Lightning would look elsewhere.

    Raises:
        InputError: the checkpoint is missing or damaged, or an earlier run's stands in the way.
    """
    rest: list[str] = []
    given: str | None = None
    pending = iter(arguments)
    for argument in pending:
        name, equals, value = argument.partition("=")
        if name == "--ckpt_path":
            given = value if equals else next(pending, "")
        else:
            rest.append(argument)
    last = Path(own.out or "") / _LAST
    if given == "last":
        found: Path | None = _last(last)
    elif given is not None:
        found = _given(Path(given))
    elif subcommand == "fit":
        found = _to_resume(last, own)
    elif last.is_file():
        found = last
    else:
        raise InputError(
            f"no trained weights to {subcommand}",
            path=last,
            remedy="run `fit` with the same --out first, or give --ckpt_path",
        )
    return rest if found is None else [*rest, f"--ckpt_path={found}"]


def _last(last: Path) -> Path:
    if not last.is_file():
        raise InputError(
            "no checkpoint to go on from",
            path=last,
            remedy="name the folder of the interrupted run, or leave --ckpt_path out",
        )
    if not _is_whole(last):
        raise InputError(
            "this checkpoint is damaged",
            path=last,
            remedy="leave --ckpt_path out to start again",
        )
    return last


def _given(path: Path) -> Path:
    if not path.is_file():
        raise InputError("no such checkpoint", path=path, remedy="check --ckpt_path")
    if not _is_whole(path):
        raise InputError("this is no checkpoint, or a damaged one", path=path)
    return path


def _to_resume(last: Path, own: TrainedOptions) -> Path | None:
    """Return the checkpoint that a training continues from; None where it starts anew."""
    if own.force or not last.is_file():
        return None
    if not own.resume:
        raise InputError(
            "this folder holds a checkpoint of an earlier run",
            path=last,
            remedy="--resume goes on from it, --force starts again, or give another --out",
        )
    if _is_whole(last):
        return last
    # what Lightning saved beside it when SLURM queued the job again
    queued = sorted(last.parents[1].glob("hpc_ckpt_*.ckpt"), key=lambda path: path.stat().st_mtime)
    for other in reversed(queued):
        if _is_whole(other):
            print(f"warning: {last} is damaged; going on from {other}", file=sys.stderr)
            return other
    print(f"warning: {last} is damaged; starting again from the beginning", file=sys.stderr)
    return None


def _is_whole(checkpoint: Path) -> bool:
    """Return whether a checkpoint (a zip file with a checksum for each member) is complete."""
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False

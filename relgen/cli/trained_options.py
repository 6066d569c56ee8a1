"""What `relgen dpo …` and `relgen classifier …` read before LightningCLI sees the rest.

Presets by name, the options of `OwnOptions`, and which checkpoint `--ckpt_path` comes to.
Leaves out Lightning: what stays of the command line is `relgen.cli.lightning_cli`'s.
"""

from __future__ import annotations

import itertools
import re
import sys
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from relgen.common import AUTO, InputError, fast_dtype, find_config

_LAST = "checkpoints/last.ckpt"


def with_presets(arguments: list[str], folder: str) -> list[str]:
    """The command line with the names of presets in `folder` made paths.

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
    """The command line with `auto` as dtype or precision made what is fast on this machine.

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
        if word == AUTO:
            for pattern, names in _BY_DTYPE.items():
                if pattern.fullmatch(option):
                    argument = argument.removesuffix(AUTO) + names[fast_dtype()]
        made.append(argument)
    return made


def config_files(arguments: list[str]) -> list[Path]:
    """The configuration files that a command line names, in their order."""
    pairs = itertools.pairwise(arguments)
    files = [Path(value) for option, value in pairs if option in ("-c", "--config")]
    return files + [Path(a.partition("=")[2]) for a in arguments if a.startswith("--config=")]


class OwnOptions(NamedTuple):
    """`--out`, `--tensorboard`, `--resume`, `--force` and `--estimate`, as given."""

    out: str | None = None
    tensorboard: str | None = None
    resume: bool = False
    force: bool = False
    estimate: bool = False

    @property
    def board(self) -> Path:
        """Where TensorBoard's files go."""
        return Path(self.tensorboard or Path(self.out or ".") / "tensorboard")


def own_options(arguments: list[str]) -> tuple[list[str], OwnOptions]:
    """The command line without relgen's own options, and these.

    Raises:
        InputError: `--out` or `--tensorboard` without a folder.
    """
    rest: list[str] = []
    own: dict[str, Any] = {}
    pending = iter(arguments)
    for argument in pending:
        name, given, value = argument.partition("=")
        if name in ("--out", "--tensorboard"):
            folder = value if given else next(pending, None)
            if folder is None:
                raise InputError("needs a folder", field=name)
            own[name[2:]] = folder
        elif argument in ("--resume", "--force", "--estimate"):
            own[name[2:]] = True
        else:
            rest.append(argument)
    return rest, OwnOptions(**own)


def checkpoint_option(arguments: list[str], subcommand: str, own: OwnOptions) -> list[str]:
    """The `--ckpt_path` to add; `--ckpt_path last` is taken out of `arguments`.

    `last` is resolved here: Lightning would look elsewhere.

    Raises:
        InputError: the checkpoint is missing or damaged, or an earlier run's stands in the way.
    """
    last = Path(own.out or "") / _LAST
    for index, argument in enumerate(arguments):
        if argument == "--ckpt_path=last":
            del arguments[index]
        elif argument == "--ckpt_path" and arguments[index + 1 : index + 2] == ["last"]:
            del arguments[index : index + 2]
        elif argument.startswith("--ckpt_path"):
            given = Path(argument.partition("=")[2] or "".join(arguments[index + 1 : index + 2]))
            if not given.is_file():
                raise InputError("no such checkpoint", path=given, remedy="check --ckpt_path")
            if not _is_whole(given):
                raise InputError("this is no checkpoint, or a damaged one", path=given)
            return []
        else:
            continue
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
        return [f"--ckpt_path={last}"]
    if subcommand == "fit":
        if own.force or not last.is_file():
            return []
        if not own.resume:
            raise InputError(
                "this folder holds a checkpoint of an earlier run",
                path=last,
                remedy="--resume goes on from it, --force starts again, or give another --out",
            )
        if _is_whole(last):
            return [f"--ckpt_path={last}"]
        # what Lightning saved beside it when SLURM queued the job again
        queued = sorted(
            last.parents[1].glob("hpc_ckpt_*.ckpt"), key=lambda path: path.stat().st_mtime
        )
        for other in reversed(queued):
            if _is_whole(other):
                print(f"warning: {last} is damaged; going on from {other}", file=sys.stderr)
                return [f"--ckpt_path={other}"]
        print(f"warning: {last} is damaged; starting again from the beginning", file=sys.stderr)
        return []
    if not last.is_file():
        raise InputError(
            f"no trained weights to {subcommand}",
            path=last,
            remedy="run `fit` with the same --out first, or give --ckpt_path",
        )
    return [f"--ckpt_path={last}"]


def _is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint (a zip file with a checksum for each member) is all there."""
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False

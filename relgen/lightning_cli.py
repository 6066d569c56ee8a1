"""`relgen dpo …` and `relgen classifier …`: LightningCLI with relgen's names, folders and errors.

The one file of `relgen` that imports Lightning; `relgen.cli` imports it only for these commands.
It adds to LightningCLI: presets by name, `--out`, `--resume` and `--force`, a fixed place for
checkpoints, curves and configuration, and errors on one line. Which classes run is the YAML's
`class_path`.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import logging
import re
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from jsonargparse import ArgumentError
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import (
    ArgsType,
    LightningArgumentParser,
    LightningCLI,
    SaveConfigCallback,
)
from lightning.pytorch.utilities.exceptions import SIGTERMException

from relgen.config_errors import explain
from relgen.errors import InputError
from relgen.presets import find_config

SUBCOMMANDS = ("fit", "validate", "test", "predict")
_LAST = "checkpoints/last.ckpt"
_HELP = """\
usage: relgen {name} SUBCOMMAND -c PRESET --out DIR [--resume | --force] [--KEY VALUE ...]

SUBCOMMAND is one of {subcommands}; LightningCLI runs it.

  -c, --config FILE  YAML file or shipped preset; several are laid over each other
  --out DIR          everything that is made: checkpoints, curves, config.yaml, TensorBoard
  --resume           fit: go on from the checkpoint in DIR, if there is one
  --force            fit: start again in a folder that holds a checkpoint
  --KEY VALUE        any key of the configuration, e.g. --trainer.max_epochs 3
  --print_config     show the configuration that results, and stop
"""


def run_trained(name: str, arguments: list[str]) -> None:
    """Runs `relgen NAME …` in this process.

    Args:
        name: `dpo` or `classifier`; presets are looked for in the folder of this name.
        arguments: what stands after it on the command line.

    Raises:
        InputError: a preset, key, value or file that cannot be used.
    """
    arguments, own = _own_options(_with_presets(arguments, name))
    out = own.out
    subcommand = next((argument for argument in arguments if argument in SUBCOMMANDS), None)
    helps = any(argument in ("-h", "--help") for argument in arguments)
    only_shows = helps or any(argument.startswith("--print_config") for argument in arguments)
    if helps:
        print(_HELP.format(name=name, subcommands=", ".join(SUBCOMMANDS)))
        if subcommand is None:
            print(f"All keys: relgen {name} {SUBCOMMANDS[0]} --help")
            return
    if not only_shows:
        if subcommand is None:
            raise InputError(
                f"relgen {name} needs a subcommand", remedy=f"one of {', '.join(SUBCOMMANDS)}"
            )
        if out is None:
            raise InputError("missing", field="--out", remedy="name a folder for what is made")
        arguments += _checkpoint(arguments, subcommand, own)
    with _quiet(), _clear_exits():
        cli = RelgenCLI(f"relgen {name}", out or "runs/unnamed", arguments)
    if not only_shows:
        print(f"{name} {cli.subcommand}: done -> {out}")


class RelgenCLI(LightningCLI):
    """LightningCLI over any module and data module, with everything below one output folder.

    Args:
        command: how the user called it, for errors.
        out: becomes `trainer.default_root_dir`.
        arguments: the command line, without relgen's own options.
    """

    def __init__(self, command: str, out: str, arguments: list[str]) -> None:
        self.command = command
        checkpoint = ModelCheckpoint(
            dirpath=Path(out) / "checkpoints",
            save_top_k=0,
            save_last=True,
            enable_version_counter=False,
        )
        super().__init__(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=_SaveConfig,
            save_config_kwargs={"overwrite": True, "save_to_log_dir": False},
            trainer_defaults={
                "default_root_dir": out,
                "enable_model_summary": False,
                "callbacks": [checkpoint],
                "logger": {
                    "class_path": "lightning.pytorch.loggers.TensorBoardLogger",
                    "init_args": {
                        "save_dir": out,
                        "name": "tensorboard",
                        "version": "",
                        "default_hp_metric": False,
                    },
                },
            },
            # an optimiser built here would exist before `configure_model` makes its parameters
            auto_configure_optimizers=False,
            seed_everything_default=1,
            parser_kwargs={name: {"exit_on_error": False} for name in SUBCOMMANDS},
            args=arguments,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The model's name is given once, and its data module tokenises for the same model."""
        parser.link_arguments("model.init_args.model", "data.init_args.model")

    def parse_arguments(self, parser: LightningArgumentParser, args: ArgsType) -> None:
        """Parses; where jsonargparse would print its usage and leave, raises InputError."""
        assert isinstance(args, list)
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                self.config = parser.parse_args(args)
        except (ArgumentError, SystemExit) as error:
            if isinstance(error, SystemExit) and error.code in (0, None):
                raise
            message = f"{said.getvalue()}\n{error}"
            raise explain(message, _config_files(args), self.command) from error

    def _parse_ckpt_path(self) -> None:
        """Left out: hyper-parameters stored in a checkpoint would beat the command line."""


class _SaveConfig(SaveConfigCallback):
    """Writes the full configuration to `config.yaml` in the output folder."""

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        self.parser.save(
            self.config, folder / "config.yaml", skip_none=False, overwrite=True, multifile=False
        )


def _is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint (a zip file with a checksum for each member) is all there."""
    try:
        with zipfile.ZipFile(checkpoint) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def _with_presets(arguments: list[str], folder: str) -> list[str]:
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


def _config_files(arguments: list[str]) -> list[Path]:
    pairs = itertools.pairwise(arguments)
    files = [Path(value) for option, value in pairs if option in ("-c", "--config")]
    return files + [Path(a.partition("=")[2]) for a in arguments if a.startswith("--config=")]


class _OwnOptions(NamedTuple):
    out: str | None
    resume: bool
    force: bool


def _own_options(arguments: list[str]) -> tuple[list[str], _OwnOptions]:
    rest: list[str] = []
    out, resume, force = None, False, False
    pending = iter(arguments)
    for argument in pending:
        if argument == "--out":
            out = next(pending, None)
            if out is None:
                raise InputError("needs a folder", field="--out")
        elif argument.startswith("--out="):
            out = argument.removeprefix("--out=")
        elif argument == "--resume":
            resume = True
        elif argument == "--force":
            force = True
        else:
            rest.append(argument)
    return rest, _OwnOptions(out, resume, force)


def _checkpoint(arguments: list[str], subcommand: str, own: _OwnOptions) -> list[str]:
    """The `--ckpt_path` to add. `last` is resolved here: Lightning would look elsewhere."""
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
        print(f"warning: {last} is damaged; starting again from the beginning", file=sys.stderr)
        return []
    if not last.is_file():
        raise InputError(
            f"no trained weights to {subcommand}",
            path=last,
            remedy="run `fit` with the same --out first, or give --ckpt_path",
        )
    return [f"--ckpt_path={last}"]


@contextlib.contextmanager
def _clear_exits() -> Iterator[None]:
    """Lightning leaves by SystemExit when it is interrupted; here the cause shows again.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        SystemExit: 143 after SIGTERM; unchanged for `--help` and the like.
        InputError: the trainer cannot work as it was configured (no such accelerator, …).
    """
    try:
        yield
    except SIGTERMException as error:
        raise SystemExit(143) from error
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    except MisconfigurationException as error:
        problem = " ".join(str(error).split())
        remedy = "on a machine without a GPU: --trainer.accelerator cpu"
        raise InputError(problem, field="trainer", remedy=remedy) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Lightning's greetings and hints from the terminal; its errors stay."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", message=".*num_workers.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        sys.stdout.flush()

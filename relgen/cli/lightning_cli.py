"""`relgen dpo …` and `relgen classifier …`: LightningCLI with relgen's names, folders and errors.

The one file of `relgen` that imports Lightning; `relgen.cli.main` imports it only for these
commands. It adds to LightningCLI: presets by name, `--out`, `--resume` and `--force`, a fixed place
for checkpoints, curves and configuration, and errors on one line. Which classes run is the YAML's
`class_path`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, ProgressBar, RichProgressBar
from lightning.pytorch.cli import (
    LightningArgumentParser,
    LightningCLI,
    SaveConfigCallback,
)
from lightning.pytorch.utilities.exceptions import SIGTERMException

from relgen.cli.trained_options import (
    TrainedOptions,
    config_files,
    with_checkpoint,
    with_fast_dtype,
    with_presets,
)
from relgen.common import InputError, OneLineErrors, field_helps, parse_known
from relgen.dpo import EstimatesMemory, HasHeaviestBatch

# what gloo and NCCL say of it
_LOST_PROCESS = re.compile(
    r"Connection (closed by|reset by) peer|gloo.*[Tt]im(ed|e)[ -]?out|Broken pipe|"
    r"NCCL.*(timeout|aborted)|remote process|DistBackendError"
)
SUBCOMMANDS = ("fit", "validate", "test", "predict")


def run_trained(name: str, arguments: list[str]) -> None:
    """Runs `relgen NAME …` in this process.

    Args:
        name: `dpo` or `classifier`; presets are looked for in the folder of this name.
        arguments: what stands after it on the command line.

    Raises:
        InputError: a preset, key, value or file that cannot be used.
    """
    as_called = [name, *arguments]
    own, arguments = parse_known(
        TrainedOptions, name, with_fast_dtype(with_presets(arguments, name))
    )
    subcommand = next((argument for argument in arguments if argument in SUBCOMMANDS), None)
    helps = any(argument in ("-h", "--help") for argument in arguments)
    prints = any(argument.startswith("--print_config") for argument in arguments)
    only_shows = helps or prints or own.estimate
    if helps:
        _print_help(name)
        if subcommand is None:
            print(f"All keys: relgen {name} {SUBCOMMANDS[0]} --help")
            return
    if not only_shows:
        if subcommand is None:
            raise InputError(
                f"relgen {name} needs a subcommand", remedy=f"one of {', '.join(SUBCOMMANDS)}"
            )
        if not config_files(arguments):
            raise InputError("missing", field="-c", remedy=f"name a preset or a file: -c {name}/…")
        if own.out is None:
            raise InputError("missing", field="--out", remedy="name a folder for what is made")
        arguments = with_checkpoint(arguments, subcommand, own)
    with _quiet(), _clear_exits(), _relaunchable(as_called):
        cli = RelgenCLI(own.out or "runs/unnamed", arguments, own)
    if not only_shows and cli.trainer.is_global_zero:
        print(f"{name} {cli.subcommand}: done -> {own.out}")


def _print_help(name: str) -> None:
    print(
        f"usage: relgen {name} SUBCOMMAND -c PRESET --out DIR [--resume | --force] [--KEY VALUE …]"
    )
    print(f"\nSUBCOMMAND is one of {', '.join(SUBCOMMANDS)}; LightningCLI runs it.\n")
    lines = {"-c, --config FILE": "YAML file or shipped preset; several are laid over each other"}
    lines |= {f"--{key}": text for key, text in field_helps(TrainedOptions).items()}
    lines["--KEY VALUE"] = "any key of the configuration, e.g. --trainer.max_epochs 3"
    lines["--print_config"] = "show the configuration that results, and stop"
    for option, text in lines.items():
        print(f"  {option:18} {text}")


class _Parser(OneLineErrors, LightningArgumentParser):
    """LightningCLI's parser with relgen's errors."""


class RelgenCLI(LightningCLI):
    """LightningCLI over any module and data module, with everything below one output folder.

    Args:
        out: becomes `trainer.default_root_dir`.
        arguments: the command line, without relgen's own options.
        own: relgen's own options; TensorBoard's folder is taken where the configuration names no
            other logger.

    Raises:
        InputError: what cannot be parsed; `estimate` for something else than `dpo fit`.
    """

    def __init__(self, out: str, arguments: list[str], own: TrainedOptions) -> None:
        self.own = own
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
                    "class_path": "lightning_modules.callbacks.loggers.RunTensorBoardLogger",
                    "init_args": {"folder": str(own.board)},
                },
            },
            # an optimiser built here would exist before `configure_model` makes its parameters
            auto_configure_optimizers=False,
            seed_everything_default=1,
            parser_class=_Parser,
            args=arguments,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The model's name is given once, and its data module tokenises for the same model."""
        parser.link_arguments("model.init_args.model", "data.init_args.model")

    def instantiate_classes(self) -> None:
        """Raises InputError when a class refuses its arguments; jsonargparse wraps it."""
        try:
            super().instantiate_classes()
        except ValueError as error:
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, InputError):
                cause = cause.__cause__ or cause.__context__
            if cause is None or cause is error:
                raise
            raise cause from None

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """For an estimate, none that asks for the devices of the real one.

        Raises:
            InputError: Lightning knows no such accelerator, strategy, devices, …
        """
        if not self.own.estimate:
            try:
                return super().instantiate_trainer(**self._progress(), **kwargs)
            except (TypeError, ValueError) as error:
                if isinstance(error, InputError):
                    raise
                raise InputError(" ".join(str(error).split()), field="trainer") from error
        return Trainer(accelerator="cpu", devices=1, logger=False, enable_checkpointing=False)

    def _progress(self) -> dict[str, Any]:
        """The trainer's callbacks with a bar on stderr, unless there is one or none is wanted.

        Lightning's own writes to stdout, of which `relgen run` keeps what a stage says in the end.
        """
        settings = self.config_init[self.subcommand].trainer
        given = settings.callbacks or []
        callbacks = list(given) if isinstance(given, list | tuple) else [given]
        wanted = settings.enable_progress_bar in (None, True)
        if wanted and not any(isinstance(callback, ProgressBar) for callback in callbacks):
            callbacks.append(RichProgressBar(console_kwargs={"stderr": True}))
        return {"callbacks": callbacks}

    def _run_subcommand(self, subcommand: str) -> None:
        if not self.own.estimate:
            super()._run_subcommand(subcommand)
            return
        data = self.datamodule
        if not isinstance(self.model, EstimatesMemory) or not isinstance(data, HasHeaviestBatch):
            raise InputError("only `relgen dpo fit` can be estimated", field="--estimate")
        trainer = self.config[subcommand].trainer
        devices = trainer.devices if isinstance(trainer.devices, int) else 1
        epochs = max(1, trainer.max_epochs or 1)
        heaviest = data.heaviest_batch(epochs, max(1, devices))
        print(self.model.estimate_memory(heaviest, str(trainer.precision or "32-true")))
        if "FullySharded" in str(trainer.strategy):
            if self.config[subcommand].model.init_args.get("quantization"):
                raise InputError("4-bit weights cannot be sharded", field="quantization")
            print("trainer/fsdp divides this among the devices: see docs/gpus.md")

    def before_fit(self) -> None:
        """A training that starts anew draws no curves over an earlier one's of the same folder."""
        if self.config_init.fit.ckpt_path is None and self.trainer.is_global_zero:
            _drop_earlier(self.own)

    def _parse_ckpt_path(self) -> None:
        """Left out: hyper-parameters stored in a checkpoint would beat the command line."""


class _SaveConfig(SaveConfigCallback):
    """Writes the full configuration of a training to `config.yaml` in the output folder.

    That of another subcommand goes to a file of its own, such as `config.test.yaml`.
    """

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        name = "config.yaml" if stage == "fit" else f"config.{stage}.yaml"
        self.parser.save(
            self.config, folder / name, skip_none=False, overwrite=True, multifile=False
        )


def _drop_earlier(own: TrainedOptions) -> None:
    """Removes curves from `--out`, never from a folder that may be several runs'.

    With `--force` Lightning's own checkpoints of a SLURM job as well: it would go on from them
    without being asked.
    """
    if own.tensorboard is None:
        for file in own.board.glob("events.out.tfevents.*"):
            file.unlink(missing_ok=True)
    if own.force:
        for file in Path(own.out or "").glob("hpc_ckpt_*.ckpt"):
            file.unlink(missing_ok=True)


@contextlib.contextmanager
def _relaunchable(arguments: list[str]) -> Iterator[None]:
    """What Lightning starts again for every further process of this machine: this very command.

    It takes `sys.argv`, which is another command's where `relgen run` runs this one.
    """
    before = sys.argv
    sys.argv = [before[0], *arguments]
    try:
        yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def _clear_exits() -> Iterator[None]:
    """Lightning leaves by SystemExit when it is interrupted; here the cause shows again.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        SystemExit: 143 after SIGTERM; 1 when another process of the run is gone; unchanged for
            `--help` and the like.
        InputError: the trainer cannot work as it was configured (no such accelerator, …).
    """
    try:
        yield
    except SIGTERMException as error:
        # Lightning kills a process whose children end with another code than 0
        raise SystemExit(143 if _local_rank() == 0 else 0) from error
    except RuntimeError as error:
        if not _LOST_PROCESS.search(str(error)):
            raise
        print(
            f"process {_local_rank()} has lost another process of this run (ended, killed, "
            "or silent for longer than the strategy's timeout); its own output says more; the "
            "same command with --resume goes on from the last checkpoint",
            file=sys.stderr,
        )
        raise SystemExit(1) from error
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    except MisconfigurationException as error:
        problem = " ".join(str(error).split())
        remedy = "on a machine without a GPU: --trainer.accelerator cpu"
        raise InputError(problem, field="trainer", remedy=remedy) from error


def _local_rank() -> int:
    """Which of this machine's processes this is; launchers set it for those that they start."""
    return int(os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or 0)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Lightning's greetings and hints from the terminal; its errors stay."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    # it says that a process has ended, before it kills the others
    logging.getLogger("lightning.fabric.strategies.launchers").setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", message=".*num_workers.*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        sys.stdout.flush()

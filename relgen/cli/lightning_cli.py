"""`relgen dpo …` and `relgen classifier …`: LightningCLI with relgen's options, folders and errors.

It adds to LightningCLI: presets by name, `--out`, `--resume` and `--force`, a fixed place for
checkpoints, curves and configuration, and errors on one line. The YAML's `class_path` says which
classes run. `relgen.cli.main` imports Lightning, and so this module, for these commands only.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import jsonargparse
import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ProgressBar, RichProgressBar
from lightning.pytorch.cli import (
    LightningArgumentParser,
    LightningCLI,
    SaveConfigCallback,
    instantiate_class,
)
from lightning.pytorch.utilities.exceptions import SIGTERMException

from relgen.cli.config_errors import locate_error
from relgen.cli.key_help import print_keys
from relgen.cli.run_settings import check_same_settings, run_settings
from relgen.cli.trained_options import (
    SUBCOMMANDS,
    TrainedOptions,
    find_checkpoint,
    is_foreign,
    print_help,
    with_presets,
)
from relgen.common import (
    LISTENER,
    InputError,
    Terminated,
    bare_numbers,
    check_outputs,
    is_first_process,
    load_yaml,
    locked,
    parse_known,
    recorded,
    refuse_foreign,
    refuse_special,
    refuse_unrecorded,
    report,
    suggestion,
)
from relgen.common import library_messages as messages

# the same limits in every file that jsonargparse reads, also those that a configuration names
_load = jsonargparse.get_loader("yaml")
jsonargparse.set_loader("yaml", lambda text: load_yaml(text, _load), (yaml.YAMLError,))

_WRITTEN = {
    "fit": ("history.jsonl",),
    "test": ("predictions.jsonl", "scores.json", "mistakes.jsonl"),
    "predict": ("predictions.jsonl",),
}
_OWN_CURVES = "events.out.tfevents.*.relgen"  # see `RunTensorBoardLogger`


def run_trained(name: str, arguments: list[str]) -> None:
    """Run `relgen dpo …` or `relgen classifier …` in this process.

    Raises InputError if a preset, key, value or file cannot be used.
    """
    own, words = parse_known(TrainedOptions, name, arguments)
    words = with_presets(words, name)
    known = SUBCOMMANDS[name]
    if any(word == "-h" or re.fullmatch(r"--([\w.-]+\.)?help", word) for word in words):
        print_help(name)
        print_keys(name, words)
        return
    subcommand, *words = words or [""]
    if subcommand not in known:
        got = f" (got '{subcommand}')" if subcommand else ""
        remedy = suggestion(subcommand, known, f"one of {', '.join(known)}")
        raise InputError(f"relgen {name} needs a subcommand as its first word{got}", remedy=remedy)
    only_shows = own.estimate or any(word.startswith("--print_config") for word in words)
    if not only_shows:
        missing = None
        if "-c" not in words and "--config" not in words:
            remedy = f"name a preset or a file: -c {name}/…"
            missing = InputError("missing", field="-c", remedy=remedy)
        elif own.out is None:
            missing = InputError("missing", field="--out", remedy="name the folder to write to")
        if missing:  # or a misspelt word
            raise locate_error(missing, [subcommand, *words])
        if found := find_checkpoint(subcommand, own):
            words += ["--ckpt_path", str(found)]
    alone = not only_shows and is_first_process()
    lock = locked(own.out or "") if alone else contextlib.nullcontext()
    kept = subcommand != "fit" and alone
    record = _recorded(name, subcommand, own) if kept else contextlib.nullcontext()
    prepared = _prepared([name, *arguments])
    with lock, record, prepared, _clear_exits(), _no_curves_of_refused(own.curves):
        cli = RelgenCLI([subcommand, *words], own, name)
    if subcommand == "fit" and not only_shows and not cli.trainer.global_step:
        remedy = "raise max_steps, max_epochs and limit_train_batches"
        raise InputError("not one step was trained", field="trainer", remedy=remedy)
    if not only_shows and cli.trainer.is_global_zero:
        print(f"{name} {subcommand}: done -> {own.out}")


class _Parser(LightningArgumentParser):
    """LightningCLI's parser, with an exception where it would exit."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise argparse.ArgumentError(None, message) from ex


class RelgenCLI(LightningCLI):
    """LightningCLI over any module and data module, which writes to one output folder.

    `words` are the command line from its subcommand on, without relgen's `own` options and the
    command's `name`. Curves go to the TensorBoard folder unless the configuration names another
    logger.
    """

    def __init__(self, words: list[str], own: TrainedOptions, name: str) -> None:
        self.own, self._name, out = own, name, own.out or "runs/unnamed"
        checkpoint = {
            "class_path": "lightning_modules.callbacks.last_checkpoint.LastCheckpoint",
            "init_args": {"regularly": True},
        }
        self._checkpoint = instantiate_class((), checkpoint)
        self._out = Path(out)
        super().__init__(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            save_config_callback=_SaveConfig,
            save_config_kwargs={"name": name, "overwrite": True, "save_to_log_dir": False},
            trainer_defaults={
                "default_root_dir": out,
                "enable_model_summary": False,
                "callbacks": [self._checkpoint],
                "logger": {
                    "class_path": "lightning_modules.callbacks.loggers.RunTensorBoardLogger",
                    "init_args": {"folder": str(own.curves)},
                },
            },
            # an optimiser built here would exist before `configure_model` makes its parameters
            auto_configure_optimizers=False,
            seed_everything_default=1,
            parser_kwargs={"allow_abbrev": False},
            parser_class=_Parser,
            args=words,
        )

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Give the model's name to its data module, which tokenises for it."""
        parser.link_arguments("model.init_args.model", "data.init_args.model")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the command line. Raises InputError for the key that cannot be used."""
        try:
            self.config = parser.parse_args(args)
        except argparse.ArgumentError as error:
            parsers = InputError(" ".join(error.message.split())[:300])
            raise locate_error(parsers, args) from error
        for key, value in list(self.config.items()):
            self.config[key] = bare_numbers(value)  # they enter checkpoints
        # Lightning takes these, and fails on them later
        settings, most = self.config[str(self.config.subcommand)], 2**32 - 1
        self._prints = settings.get("verbose", False)
        if self._prints:
            settings.verbose = False  # Lightning's table has the digits of float32's noise
        for key, least in (("seed_everything", 0), ("trainer.accumulate_grad_batches", 1)):
            value = settings.get(key)
            if isinstance(value, int) and not least <= value <= most:
                raise InputError(f"must be from {least} to {most}", field=key, value=value)
        self._check_outputs()
        if self.config.subcommand == "fit":
            self._checkpoint.settings = run_settings(self.config.fit)
            # of a checkpoint that is named, the settings may be others
            if self.own.resume and self.config.fit.ckpt_path and not self.own.ckpt_path:
                check_same_settings(self.config.fit.ckpt_path, self._checkpoint.settings)

    def _check_outputs(self) -> None:
        """Raise InputError where the command would overwrite a file that it reads."""
        folder, command = self._out, str(self.config.subcommand)
        if folder.is_file():
            raise InputError(
                "this is a file, not a folder", path=folder, remedy="give another --out"
            )
        names = _WRITTEN.get(command, ())
        made = [folder / "model", folder / "adapter"] if command == "fit" else []
        if command == "fit":
            saved = folder / _config_name(command)
            refuse_special(saved)
            weights, files = self._weights(), [saved, *(folder / name for name in names), *made]
            mark = _config_mark(self._name, command).encode()
            if saved.is_file() and saved.read_bytes().startswith(mark):
                weights, files = [path for path in weights if is_foreign(path)], []
            refuse_foreign([*files, *weights], f"{self._name} {command}")
        given = self.config[command].data.get("init_args", {})
        inputs = [value for value in given.values() if isinstance(value, str)]
        inputs += [item for value in given.values() if isinstance(value, list) for item in value]
        check_outputs([folder / name for name in names], inputs, replaced=made)

    def _weights(self) -> list[Path]:
        return [*self._out.glob("hpc_ckpt_*.ckpt"), *(self._out / "checkpoints").glob("*.ckpt")]

    def instantiate_classes(self) -> None:
        """Make module, data module and trainer; re-raise an InputError from their constructors."""
        try:
            super().instantiate_classes()
        except ValueError as error:
            # jsonargparse wraps what a constructor raises
            cause: BaseException | None = error
            while cause is not None and not isinstance(cause, InputError):
                cause = cause.__cause__ or cause.__context__
            raise cause or error from None

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Make the trainer; for an estimate, one that does not need the configured devices."""
        if self.own.estimate:
            return Trainer(accelerator="cpu", devices=1, logger=False, enable_checkpointing=False)
        callbacks = self._callbacks()
        if not any(isinstance(callback, ProgressBar) for callback in callbacks):
            kwargs["enable_progress_bar"] = False
        try:
            return super().instantiate_trainer(callbacks=callbacks, **kwargs)
        except (TypeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(" ".join(str(error).split()), field="trainer") from error

    def _callbacks(self) -> list[Any]:
        """Return the configured callbacks, and a progress bar on stderr unless one is shown.

        Lightning's own writes to stdout, whose last line `relgen run` shows.
        """
        settings = self.config_init[self.subcommand].trainer
        given = settings.callbacks or []
        callbacks = list(given) if isinstance(given, list | tuple) else [given]
        wanted = settings.enable_progress_bar in (None, True)
        if LISTENER.get() is not None:
            callbacks.append(_ReportedSteps())
        elif wanted and not any(isinstance(callback, ProgressBar) for callback in callbacks):
            callbacks.append(_ProgressBar(console_kwargs={"stderr": True}))
        return [*callbacks, *([_PrintedMetrics()] if self._prints else [])]

    def _run_subcommand(self, subcommand: str) -> None:
        if not self.own.estimate:
            super()._run_subcommand(subcommand)
            return
        model: Any = self.model
        if not hasattr(model, "estimate_memory"):
            raise InputError("works with `relgen dpo fit` only", field="--estimate")
        trainer = self.config[subcommand].trainer
        devices = trainer.devices if isinstance(trainer.devices, int) else 1
        self.datamodule.prepare_data()
        self.datamodule.setup("fit")
        heaviest = self.datamodule.heaviest_batch(max(1, trainer.max_epochs or 1), max(1, devices))
        print(model.estimate_memory(heaviest, str(trainer.precision or "32-true")))
        if "FullySharded" in str(trainer.strategy):
            if quantization := self.config[subcommand].model.init_args.get("quantization"):
                raise InputError(
                    "4-bit weights cannot be sharded",
                    field="quantization",
                    value=quantization,
                    remedy="remove it, or use trainer/ddp in place of trainer/fsdp",
                )
            print("trainer/fsdp divides this among the devices: see docs/gpus.md")

    def before_fit(self) -> None:
        """Delete the curves of an earlier run below `--out` when training restarts.

        `--force` also deletes the checkpoints, from which `--resume` would continue if this run
        were killed before its first one. A folder given by `--tensorboard` may hold other runs'
        curves, and is kept.
        """
        if self.config_init.fit.ckpt_path is not None or not self.trainer.is_global_zero:
            return
        own = self.own
        earlier = [] if own.tensorboard else list(own.curves.glob(_OWN_CURVES))
        if own.force:
            earlier += self._weights()
        for file in earlier:
            file.unlink(missing_ok=True)

    def _parse_ckpt_path(self) -> None:
        """Do nothing: the checkpoint's hyper-parameters would override the command line."""


class _ProgressBar(RichProgressBar):
    """Lightning's bar, which counts "Epoch 1/-2" where steps limit a training, not epochs."""

    def _get_train_description(self, current_epoch: int) -> str:
        return super()._get_train_description(current_epoch).replace("/-2", "")


class _ReportedSteps(Callback):
    """Says how many steps of a training are done."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._total = trainer.estimated_stepping_batches
        report(trainer.global_step, self._total, "steps")

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        report(trainer.global_step, self._total, "steps")


def _config_name(subcommand: str) -> str:
    return "config.yaml" if subcommand == "fit" else f"config.{subcommand}.yaml"


def _config_mark(name: str, subcommand: str) -> str:
    """Return the first line of a configuration: other files in its folder are then relgen's too."""
    return f"# written by relgen {name} {subcommand}\n"


class _SaveConfig(SaveConfigCallback):
    """Writes a training's full configuration to `config.yaml`, a test's to `config.test.yaml`, …

    `name` is that of the command.
    """

    def __init__(self, *given: Any, name: str, **settings: Any) -> None:
        super().__init__(*given, **settings)
        self._name = name

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        stage = getattr(stage, "value", stage)  # Lightning gives an enumeration's member
        name = _config_name(stage)
        # a kill must not leave a part of it, which the next run would take for a user's file
        written = folder / f".{name}.tmp"
        self.parser.save(self.config, written, skip_none=False, overwrite=True, multifile=False)
        content = written.read_text(encoding="utf-8")
        written.write_text(_config_mark(self._name, stage) + content, encoding="utf-8")
        written.replace(folder / name)


class _PrintedMetrics(Callback):
    """Prints the metrics of `validate` and `test`, a line each."""

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
            width = max(map(len, metrics), default=0)
            for name, value in sorted(metrics.items()):
                print(f"{name:{width}}  {value:z.4f}")

    on_test_end = on_validation_end


@contextlib.contextmanager
def _recorded(name: str, subcommand: str, own: TrainedOptions) -> Iterator[None]:
    """Record what `test`, `predict` or `validate` writes; refuse to repeat one without --force.

    They have one record, since `test` and `predict` both write predictions.
    """
    names = [*_WRITTEN.get(subcommand, ()), _config_name(subcommand)]
    files = [Path(own.out or "") / each for each in names]
    done = refuse_unrecorded(files, name).get(files[-1].name) is not None
    if files[1:] and done and not own.force:
        remedy = "give another --out, or --force to replace it"
        raise InputError(f"an earlier `{subcommand}` wrote this", path=files[0], remedy=remedy)
    with recorded(files, name):
        yield


@contextlib.contextmanager
def _no_curves_of_refused(folder: Path) -> Iterator[None]:
    """Remove what Lightning's logger made in a folder before the training was refused."""
    before = set(folder.glob("*"))
    try:
        yield
    except InputError:
        if is_first_process():
            for made in set(folder.glob(_OWN_CURVES)) - before:
                made.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # missing, or holds something else
                folder.rmdir()
        raise


@contextlib.contextmanager
def _clear_exits() -> Iterator[None]:
    """Translate Lightning's exits into KeyboardInterrupt, Terminated, InputError or SystemExit.

    The exit code is 1 when another process of the run is gone.
    """
    local_rank = int(os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or 0)
    try:
        yield
    except SIGTERMException as error:
        # Lightning kills a process whose children end with another code than 0
        raise (Terminated if local_rank == 0 else SystemExit(0)) from error
    except RuntimeError as error:
        if messages.NOT_LOGGED.search(str(error)):
            remedy = "name one of these; val/… needs a validation file or share (data.validation…)"
            problem = " ".join(str(error).split())
            raise InputError(problem, field="monitor", remedy=remedy) from error
        lost = isinstance(error, torch.distributed.DistBackendError)
        if not lost and not messages.LOST_PROCESS.search(str(error)):
            raise
        print(
            f"process {local_rank} has lost another process of this run, which has ended, was "
            "killed or did not answer in time: see its output; the same command with --resume "
            "continues from the last checkpoint",
            file=sys.stderr,
        )
        raise SystemExit(1) from error
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise type(error.__context__) from error
        raise
    except MisconfigurationException as error:
        problem = " ".join(str(error).split())
        remedy = "change or leave out this setting of the trainer"
        if messages.NO_PROCESSES.search(problem):
            remedy = "set trainer.devices to the number of processes, at least 1"
        elif messages.NO_ACCELERATOR.search(problem):
            remedy = "on a machine without a GPU: --trainer.accelerator cpu"
        raise InputError(problem.rstrip("."), field="trainer", remedy=remedy) from error


@contextlib.contextmanager
def _prepared(words: list[str]) -> Iterator[None]:
    """Silence Lightning's banners and hints, and set `sys.argv` for relaunching.

    Lightning starts further processes of this machine from `sys.argv`, which holds another command
    when `relgen run` runs this one.
    """
    before = sys.argv
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    # it says that a process has ended, before it kills the others
    logging.getLogger("lightning.fabric.strategies.launchers").setLevel(logging.INFO)
    try:
        sys.argv = [before[0], *words]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", message=".*num_workers.*")
            yield
    finally:
        sys.argv = before
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        sys.stdout.flush()

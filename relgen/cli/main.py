"""The `relgen` command: dispatch, exit codes, and LightningCLI for what is trained.

Importing this module is cheap. Commands live in `relgen.cli.commands`, one module each, and import
torch and its like only when they run.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import logging
import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

from relgen import __version__
from relgen.common import InputError
from relgen.kernels import keep_freed_memory

COMMANDS = (
    "data",
    "chains",
    "generate",
    "label",
    "diversity",
    "direct",
    "export",
    "run",
    "report",
)
TRAINED = {
    "dpo": "tune a language model by DPO on chains of preference pairs (LightningCLI)",
    "classifier": "train, test and apply a relation classifier (LightningCLI)",
}
_DISK_ERRORS = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EACCES: "choose a folder that you may write to",
    errno.EROFS: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
    errno.ENOTDIR: "choose another path",
    errno.EEXIST: "choose another path",
    errno.EISDIR: "choose another path",
    errno.ENOENT: "check the path",
}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong on one line, where argparse prints the usage as well."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0 when it did what was asked; 2 for bad input or a disk that refuses, after one line on
        stderr; 130 when interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _quiet_libraries()
    keep_freed_memory()
    try:
        run(arguments)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of our output left; nothing more can be said, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except RuntimeError as error:
        # what torch and safetensors make of a full disk
        if not re.search("No space left|PytorchStreamWriter failed", str(error)):
            raise
        print("No space left on device; free some and run the same command again", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        where = f"{error.filename}: " if error.filename else ""
        remedy = f"{_DISK_ERRORS[error.errno]} and run the same command again"
        print(f"{where}{error.strerror}; {remedy}", file=sys.stderr)
        return 2
    return 0


def run(arguments: Sequence[str]) -> None:
    """Runs one command in this process; `relgen.experiments.config` calls it for every stage.

    Raises:
        InputError: the user gave something that cannot be used.
        SystemExit: the arguments do not parse, or `--help` was asked for.
    """
    if arguments and arguments[0] in TRAINED:
        from relgen.cli.lightning_cli import run_trained

        run_trained(arguments[0], list(arguments[1:]))
        return
    namespace = build_parser().parse_args(list(arguments))
    namespace.run(namespace)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands but those that LightningCLI parses."""
    parser = _Parser(
        prog="relgen",
        description="Diverse and correct training data for relation extraction, written by a "
        "language model from a handful of labelled sentences.",
        epilog="`relgen COMMAND --help` says more. Wherever a configuration is asked for, a path "
        "or the name of a shipped preset will do.",
    )
    parser.add_argument("--version", action="version", version=f"relgen {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    for name in COMMANDS:
        importlib.import_module(f"relgen.cli.commands.{name}").add_parser(commands)
    for name, text in TRAINED.items():
        commands.add_parser(name, help=text, add_help=False)
    return parser


def _quiet_libraries() -> None:
    """Keeps notes that no user of relgen can act on from the terminal."""
    # it looks for a faster 4-bit kernel on the Hub and says so when there is none
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    # what PEFT and Lightning call in transformers is not the user's to change
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        # with nothing to download, bars would only flash up while weights load
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")


if __name__ == "__main__":
    sys.exit(main())

"""The `relgen` command: finds the command, runs it, and turns errors into a line and an exit code.

Importing this module is cheap. Commands live in `relgen.cli.commands`, one module each: a dataclass
`Options`, whose fields are the command's options, and `run(options)`. Only the module of the
requested command is imported, and torch and the like only when it runs.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import io
import logging
import os
import re
import sys
import textwrap
import warnings
from collections.abc import Sequence

from relgen import __version__
from relgen.common import InputError

COMMANDS = {
    "data convert": "turn a corpus into samples.jsonl",
    "data split": "choose K samples for each relation",
    "data everyday": "write the shipped corpus as files",
    "data card": "make a dataset folder with a card from generated samples",
    "data schema": "make schema.yaml from descriptions of relations",
    "chains": "build preference pairs from labelled samples",
    "dpo": "tune a language model by DPO on chains of preference pairs (LightningCLI)",
    "generate": "let a language model write samples",
    "label": "label generated samples with a probe on a language model's hidden states",
    "diversity": "measure how different the samples of each relation are",
    "classifier": "train, test and apply a relation classifier (LightningCLI)",
    "direct": "ask a language model for the relation of each sentence",
    "models": "list the converted models in the cache, and remove them",
    "export": "write a tuned language model for serving",
    "run": "run an experiment: split, tune, generate, train, test, report",
    "report": "write report.html and report.md of a finished experiment",
}
TRAINED = ("dpo", "classifier")
_ABOUT = (
    "Diverse and correct training data for relation extraction, written by a language model from "
    "a handful of labelled sentences."
)
_MORE = (
    "`relgen COMMAND --help` says more. Wherever a configuration is asked for, a path or the name "
    "of a shipped preset will do."
)
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 on success; 2, after one line on stderr, for bad input or a failed write; 130 when
        interrupted.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal may lack arrows and other letters
    _quiet_libraries()
    try:
        run(arguments)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; run the same command again to continue", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of our output has closed the pipe: suppress the error at exit as well
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except RuntimeError as error:
        # how torch and safetensors report a full disk
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
    """Run one command in this process; `relgen run` calls it for every stage.

    Raises:
        InputError: the user gave something that cannot be used.
        SystemExit: after `--help` and `--version`.
    """
    words = list(arguments)
    if words[:1] == ["--version"]:
        print(f"relgen {__version__}")
        return
    command = next((name for name in (" ".join(words[:2]), *words[:1]) if name in COMMANDS), None)
    if command is None:
        _help_or_refuse(words)
        return
    rest = words[len(command.split()) :]
    if command in TRAINED:
        from relgen.cli.trained_options import SUBCOMMANDS, print_help

        if rest[:1] in (["-h"], ["--help"]):
            print_help(command)
            print(f"All keys: relgen {command} {SUBCOMMANDS[0]} --help")
            return
        from relgen.cli.lightning_cli import run_trained

        run_trained(command, rest)
        return
    from relgen.common import parse_options

    module = importlib.import_module(f"relgen.cli.commands.{command.replace(' ', '_')}")
    options = parse_options(module.Options, command, rest)
    if options is not None:
        module.run(options)


def _help_or_refuse(words: list[str]) -> None:
    """Print all commands, or those of a group such as `data`; refuse an unknown one."""
    first = "".join(words[:1])
    group = first if any(name.startswith(f"{first} ") for name in COMMANDS) else ""
    rest = words[1:] if group else words
    known = [name for name in COMMANDS if not group or name.startswith(f"{group} ")]
    if rest[:1] in (["-h"], ["--help"]):
        print(f"usage: relgen {group or 'COMMAND'} {'ACTION ' if group else ''}[options]\n")
        print(textwrap.fill(_ABOUT, 98), end="\n\n")
        width = max(map(len, known))
        print("\n".join(f"  {name:{width}}  {COMMANDS[name]}" for name in known), end="\n\n")
        print(textwrap.fill(_MORE, 98))
        return
    given = " ".join([group, *rest[:1]]).strip()
    if not rest:
        raise InputError("no command given", remedy=f"one of {', '.join(known)}")
    groups = [name.split()[0] for name in known] if not group else []
    near = difflib.get_close_matches(given, [*known, *groups], n=1)
    remedy = f"did you mean 'relgen {near[0]}'?" if near else f"one of {', '.join(known)}"
    raise InputError("unknown command", value=given, remedy=remedy)


def _quiet_libraries() -> None:
    """Hide warnings of libraries that no user of relgen can act on."""
    # it looks for a faster 4-bit kernel on the Hub and says so when there is none
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    # users cannot change what PEFT and Lightning call in transformers
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        # with nothing to download, bars would only flash up while weights load
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")


if __name__ == "__main__":
    sys.exit(main())

"""The `relgen` command: finds the command, runs it, and turns errors into a line and an exit code.

Importing this module is cheap. Commands live in `relgen.cli.commands`, one module each: a dataclass
`Options`, whose fields are the command's options, and `run(options)`. Only the module of the
requested command is imported, and torch and the like only when it runs.
"""

from __future__ import annotations

import importlib
import io
import logging
import os
import signal
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain, pairwise
from pathlib import Path
from types import FrameType
from typing import Any

from relgen import __version__
from relgen.common import (
    CombinedInputError,
    InputError,
    Terminated,
    printable,
    refuse_unprintable,
    similar_names,
)

COMMANDS = {
    "data convert": "turn a corpus into samples.jsonl",
    "data split": "choose K samples for each relation",
    "data everyday": "write the shipped corpus as files",
    "data card": "make a dataset folder with a card from generated samples",
    "data schema": "make schema.yaml from descriptions of relations",
    "chains": "build preference pairs from labelled samples",
    "dpo": "tune a language model by DPO on chains of preference pairs (LightningCLI)",
    "generate": "let a language model write samples",
    "label": "label samples with a probe on a language model's hidden states",
    "review": "let people check samples in a local page, or in an annotation tool",
    "suggest": "name the sentences to label next, or the labels that may be wrong",
    "diversity": "measure how different the samples of each relation are",
    "classifier": "train and test a relation classifier (LightningCLI)",
    "predict": "predict relations in sentences or raw text with a trained classifier",
    "direct": "ask a language model for the relation of each sentence",
    "reader": "classify sentences by what a language model reads in them",
    "models": "list the converted models in the cache, and remove them",
    "export": "write a classifier for ONNX, transformers or spaCy, or merge a tuned language model",
    "serve": "serve a classifier over HTTP",
    "push": "put a classifier or an export on the Hugging Face Hub",
    "run": "run an experiment: split, tune, generate, train, test, report",
    "report": "write report.html and report.md of a finished experiment",
}
TRAINED = ("dpo", "classifier")
_LOCKS_A_FOLDER = ("data split", "data everyday", "data card", "direct", "reader", "report")
_LOCKS_ITSELF = ("run", "generate", "label", "predict", "review")
_ABOUT = (
    "Diverse and correct training data for relation extraction, written by a language model from "
    "a handful of labelled sentences."
)
_MORE = (
    "`relgen COMMAND --help` says more. Wherever a configuration is asked for, a path or the name "
    "of a shipped preset will do."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 on success; 2, after one line on stderr, for bad input, a failed write or another known
        error of a library; 1, after a line that names a file with the traceback, for unexpected
        ones; 130 when interrupted, and 143 after SIGTERM.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with _raises_on_sigterm():
            for stream in (sys.stdout, sys.stderr):
                if isinstance(stream, io.TextIOWrapper):
                    # a terminal may lack arrows and other letters
                    stream.reconfigure(errors="replace")
            _quiet_libraries(arguments)
            run(arguments)
    except InputError as error:
        _say(str(_with_option(error, arguments)))
        return 2
    except KeyboardInterrupt as error:
        return _stopped(error, arguments)
    except BrokenPipeError:
        # the reader of our output has closed the pipe: suppress the error at exit as well
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if stop := _interrupt_behind(error):
            return _stopped(stop, arguments)
        from relgen.cli.library_errors import explained, unexpected

        known = explained(error)
        said = known or unexpected(error, " ".join(arguments[:2]))
        _say(printable(said))
        return 2 if known else 1
    return 0


def _stopped(error: KeyboardInterrupt, words: Sequence[str]) -> int:
    """Say how to continue after a signal, and return the exit code."""
    said = "terminated" if isinstance(error, Terminated) else "interrupted"
    with_resume = " ".join(words[:2]) in ("dpo fit", "classifier fit")
    how = "with --resume" if with_resume and "--resume" not in words else "again"
    _say(f"{said}; run the same command {how} to continue")
    return 143 if isinstance(error, Terminated) else 130


def _interrupt_behind(error: BaseException) -> KeyboardInterrupt | None:
    """Return the interrupt that an error came from: a library may fail while it is left."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__context__
    return cause


def _say(line: str) -> None:
    """Print a line to stderr; where that fails, the exit code has to say it."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:  # a full disk: suppress the error at exit as well
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _with_option(error: InputError, words: Sequence[str]) -> InputError:
    """Return an error about a whole file with the option of the command line that names it."""
    if isinstance(error, CombinedInputError) or not error.path or error.field or error.line:
        return error
    parts = (word.split("=", 1) if word.startswith("--") else [word] for word in words)
    given = pairwise(chain.from_iterable(parts))
    named = [one for one, path in given if one.startswith("--") and path == str(error.path)]
    return error.at(field=named[0]) if named and "--out" not in named else error


def run(arguments: Sequence[str]) -> None:
    """Run one command in this process; `relgen run` calls it for every stage.

    Raises:
        InputError: the user gave something that cannot be used.
        SystemExit: after `--help` and `--version`.
    """
    words = list(arguments)
    for before, word in pairwise(["", *words]):
        refuse_unprintable(word)
        option, equals, value = word.partition("=")
        if option.startswith("--") and equals:
            _check_value(option, value)
        else:
            _check_value(before if before.startswith("--") else None, word)
    if words[:1] == ["--version"]:
        print(f"relgen {__version__}")
        return
    command = next((name for name in (" ".join(words[:2]), *words[:1]) if name in COMMANDS), None)
    if command is None:
        _help_or_refuse(words)
        return
    rest = words[len(command.split()) :]
    if command in TRAINED:
        from relgen.cli.trained_options import print_help

        if rest[:1] in (["-h"], ["--help"]):
            print_help(command)
            print(f"All keys: relgen {command} fit -c PRESET --help")
            return
        from relgen.cli.lightning_cli import run_trained

        run_trained(command, rest)
        return
    from relgen.common import check_inputs, locked, parse_options

    module = importlib.import_module(f"relgen.cli.commands.{command.replace(' ', '_')}")
    options = parse_options(module.Options, command, rest)
    if options is not None:
        if (out := getattr(options, "out", None)) is not None:  # of a configuration
            _check_value("--out", out)
        place, beside = _written(command, options), command not in _LOCKS_A_FOLDER
        with nullcontext() if place is None else locked(place, beside=beside):
            check_inputs(options)
            module.run(options)


def _check_value(option: str | None, value: str) -> None:
    """Raise InputError for an empty word: as a path it would stand for the current folder."""
    if value.strip():
        return
    remedy = "is a variable of the shell not set?"
    if option == "--out":
        remedy = "name what to write; . is the current folder"
    raise InputError("empty", field=option, value=value, remedy=remedy)


def _written(command: str, options: Any) -> Path | None:
    """Return what to lock while a command runs: the file or folder that it writes.

    None if the command locks what it writes itself.
    """
    out = getattr(options, "out", None)
    if command == "report":
        out = out or options.folder or next(iter(options.compare), None)
    if command in _LOCKS_ITSELF or out is None:
        return None
    path = Path(out)
    if path.exists() and not (path.is_file() or path.is_dir()):
        return None  # a device, which will be refused
    return path


@contextmanager
def _raises_on_sigterm() -> Iterator[None]:
    """Raise Terminated in this process on SIGTERM, so that `finally` runs; keep another handler."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    own = os.getpid()

    def terminate(signum: int, frame: FrameType | None) -> None:
        if os.getpid() == own:
            raise Terminated
        # a process that a library has forked, such as a loader's worker
        signal.signal(signum, signal.SIG_DFL)
        os.kill(os.getpid(), signum)

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


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
    near = similar_names(given, [*known, *groups])
    remedy = f"did you mean 'relgen {near[0]}'?" if near else f"one of {', '.join(known)}"
    raise InputError("unknown command", value=given, remedy=remedy)


def _quiet_libraries(arguments: Sequence[str]) -> None:
    """Hide warnings of libraries that no user of relgen can act on, and their bars in logs."""
    # users cannot change what PEFT and Lightning call in transformers
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    # what a model's files lack, or have too much, is an error of ours where it matters
    for name in ("modeling_utils", "configuration_utils", "distributed.tensor_parallel"):
        logging.getLogger(f"transformers.{name}").setLevel(logging.ERROR)
    offline = os.environ.get("HF_HUB_OFFLINE") == "1"
    # a log would have a line for each update; a run shows its own progress; and with nothing to
    # download, bars would only flash up while weights load
    if offline or arguments[:1] == ["run"] or not sys.stderr.isatty():
        for name in ("HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS"):
            os.environ.setdefault(name, "1")
        os.environ.setdefault("TQDM_DISABLE", "1")


if __name__ == "__main__":
    sys.exit(main())

"""Runs relgen's commands in processes of their own that need not import anything first.

A server process imports this module once, and forks for each command.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from relgen.cli import main as cli

_MODULES = (
    "datamodules.preferences",
    "datamodules.relations",
    "lightning_modules.dpo",
    "lightning_modules.relation_classifier",
    "relgen.classifiers.entity_marker",
    "relgen.cli.lightning_cli",
    "torch.utils.tensorboard",
    "transformers.models.bert.modeling_bert",
    "transformers.models.llama.modeling_llama",
    __name__,
)


def start(log: Path, *words: str) -> BaseProcess:
    """Start a command, whose output is added to a file."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*_MODULES])
    process = context.Process(target=_run, args=(log, words))
    process.start()
    return process


def _run(log: Path, words: tuple[str, ...]) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    torch.set_num_threads(1)
    # a shell has its background processes ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = cli.main(words)
    sys.stdout.flush()
    sys.exit(code)

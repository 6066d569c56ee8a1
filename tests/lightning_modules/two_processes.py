"""Runs relgen's commands in processes of their own, as a user on one machine would."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TWO = ("-c", "trainer/ddp", "--trainer.accelerator", "cpu", "--trainer.devices", "2")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A relgen command; with the options `TWO` it starts its second process by itself."""
    return start_command(folder, sys.executable, "-m", "relgen.cli.main", *arguments)


def start_command(folder: Path, *command: str) -> subprocess.Popen[str]:
    """Any command, with a port of its own for its processes to meet at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MASTER_PORT": port,
        "HF_DATASETS_CACHE": str(folder / "datasets"),
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder: Path, *arguments: str, code: int = 0) -> str:
    """Runs it to its end; what it printed."""
    return run_command(folder, sys.executable, "-m", "relgen.cli.main", *arguments, code=code)


def run_command(folder: Path, *command: str, code: int = 0) -> str:
    """The same of any command."""
    process = start_command(folder, *command)
    said, _ = process.communicate()
    assert process.returncode == code, said
    return said

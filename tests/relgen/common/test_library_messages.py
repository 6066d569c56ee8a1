"""Messages of the pinned libraries, as they write them.

Those of transformers are provoked in tests/relgen/models/test_load_errors.py, each by its line.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping

from relgen.common import library_messages as messages

pytestmark = pytest.mark.compute

LOST = """
import os, signal, sys
from datetime import timedelta

import torch
from torch import distributed

timeout, leaves = timedelta(seconds=float(sys.argv[2])), sys.argv[3] == "leaves"

def connect(rank):
    distributed.init_process_group(
        "gloo", init_method=f"file://{sys.argv[1]}", rank=rank, world_size=2, timeout=timeout
    )

child = os.fork()
if not child:
    connect(1)
    if not leaves:
        signal.pause()
    os._exit(0)
try:
    connect(0)
    distributed.all_reduce(torch.zeros(1))
except RuntimeError as error:
    print(error, flush=True)
os.kill(child, signal.SIGKILL)
"""


def test_a_full_disk() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    with pytest.raises(RuntimeError, match=messages.FULL_DISK):
        torch.save(torch.zeros(100_000), "/dev/full")
    assert messages.FULL_DISK.search(os.strerror(errno.ENOSPC))  # safetensors writes this one


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="pathlib raises an OSError there")
def test_links_that_lead_to_each_other(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(RuntimeError, match=messages.SYMLINK_LOOP):
        (tmp_path / "a").resolve(strict=True)


def test_too_little_memory() -> None:
    with pytest.raises(RuntimeError, match=messages.OUT_OF_MEMORY):
        torch.empty(2**60)


def test_an_id_beyond_a_table() -> None:
    with pytest.raises(IndexError, match=messages.BEYOND_TABLE):
        torch.nn.functional.embedding(torch.tensor([9]), torch.zeros(2, 2))


def test_a_metric_that_nothing_logs() -> None:
    with pytest.raises(RuntimeError, match=messages.NOT_LOGGED):
        EarlyStopping("val/nothing")._validate_condition_metric({})


def test_no_processes() -> None:
    with pytest.raises(MisconfigurationException, match=messages.NO_PROCESSES):
        Trainer(accelerator="cpu", devices=0)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("accelerator", ["gpu", "cuda"])
def test_no_accelerator(accelerator: str) -> None:
    with pytest.raises(MisconfigurationException, match=messages.NO_ACCELERATOR):
        Trainer(accelerator=accelerator, devices=1)


def test_another_process_that_leaves_while_they_connect() -> None:
    # gloo's words for it; when they come depends on which process is faster
    said = "Gloo connectFullMesh failed with no error: ... caused by a remote worker crashing."
    assert messages.LOST_PROCESS.search(said)


@pytest.mark.processes
@pytest.mark.parametrize(("seconds", "other"), [("60", "leaves"), ("0.5", "waits")])
def test_another_process_that_is_gone_or_silent(tmp_path: Path, seconds: str, other: str) -> None:
    command = [sys.executable, "-c", LOST, str(tmp_path / "meeting"), seconds, other]
    done = subprocess.run(command, capture_output=True, text=True)
    assert messages.LOST_PROCESS.search(done.stdout), done

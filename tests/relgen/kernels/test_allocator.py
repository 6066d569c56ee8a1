"""What the allocator does with freed tensors, seen in the page faults of a process of its own."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from relgen.kernels.allocator import keep_freed_memory, return_freed_memory

_STEPS = """
import ctypes, resource, sys, torch
from relgen.kernels.allocator import keep_freed_memory
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # no huge pages, which would make the faults few
taken = sys.argv[1] == "keep" and keep_freed_memory()
def step():
    # two at once: the second is not at the place of the first
    one, two = torch.ones(16 << 20), torch.ones(4 << 20)
for _ in range(12):  # the first holes are a few bytes too small for what was there
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(8):
    step()
print(int(taken), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(word: str) -> tuple[bool, int]:
    run = [sys.executable, "-c", _STEPS, word]
    taken, count = subprocess.run(run, capture_output=True, check=True, text=True).stdout.split()
    return taken == "1", int(count)


@pytest.mark.processes
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_what_is_freed_is_not_fetched_again() -> None:
    _, usual = faults("as usual")
    taken, kept = faults("keep")
    assert taken
    assert usual > 1000  # or else there is nothing to gain any more
    assert kept < usual / 20


@pytest.mark.processes
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_what_is_kept_can_be_given_back() -> None:
    steps = """
import torch
from relgen.kernels.allocator import keep_freed_memory, return_freed_memory
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
keep_freed_memory()
tensors = [torch.ones(4 << 20) for _ in range(8)]  # 128 MiB
full = resident()
del tensors
kept = resident()
return_freed_memory()
print(full - kept, kept - resident())
"""
    run = [sys.executable, "-c", steps]
    said = subprocess.run(run, capture_output=True, check=True, text=True).stdout.split()
    freed, returned = map(int, said)
    assert freed < 16 << 20
    assert returned > 100 << 20


@pytest.mark.parametrize(
    ("largest", "calls"),
    [
        (1 << 30, [(-3, 1 << 30), (-1, -1)]),
        (32 << 20, [(-3, 1 << 30), (-3, 32 << 20), (-1, -1)]),
        (0, [(-3, 1 << 30), (-3, 32 << 20)]),  # nothing is set by halves
    ],
)
def test_older_allocators_take_smaller_pieces(
    monkeypatch: pytest.MonkeyPatch, largest: int, calls: list[tuple[int, int]]
) -> None:
    made: list[tuple[int, int]] = []

    def mallopt(name: int, value: ctypes.c_int) -> int:
        made.append((name, value.value))
        return int(value.value <= largest)

    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=mallopt))
    assert keep_freed_memory() is (largest > 0)
    assert made == calls


def test_other_allocators_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    assert not keep_freed_memory()
    return_freed_memory()

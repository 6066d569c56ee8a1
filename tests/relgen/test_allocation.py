"""What the allocator does with freed tensors, seen in the page faults of a process of its own."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_STEPS = """
import resource, sys, torch
from relgen.allocation import keep_freed_memory
taken = sys.argv[1] == "keep" and keep_freed_memory()
def step():
    # two at once: the second is not at the place of the first
    one, two = torch.ones(16 << 20), torch.ones(4 << 20)
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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_what_is_freed_is_not_fetched_again() -> None:
    _, usual = faults("as usual")
    taken, kept = faults("keep")
    assert taken
    assert usual > 1000  # or else there is nothing to gain any more
    assert kept < usual / 20

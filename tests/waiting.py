"""Waits for a condition, never for a time: pytest's own time-out ends a test that waits in vain."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Return once the condition holds; fail if the process that should bring it about has ended."""
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"the process ended before: {process.communicate()}")
        time.sleep(0.01)  # between two looks, so that waiting leaves the processor to others

"""Run a command of relgen and print its process's peak memory in bytes, for `test_peak_memory`."""

from __future__ import annotations

import sys

from benchmarks.harness import peak_ram_mb
from relgen.cli.main import main

if __name__ == "__main__":
    code = main(sys.argv[1:])
    print(int(peak_ram_mb() * 1e6))
    sys.exit(code)

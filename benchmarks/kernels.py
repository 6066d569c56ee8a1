"""Each of relgen's kernels, measured by leaving it out.

    python -m benchmarks.kernels                                  # about 40 minutes on one core
    python -m benchmarks.kernels --only dpo-8 --kernels norms,head --rounds 3

Every measurement is a fresh process, with all kernels or with all but one (`RELGEN_KERNELS`), in
turns. The table shows time and peak memory without a kernel over those with all: what is above 1 is
what the kernel saves. Time is the process's CPU time, on one thread, so that other work on the
machine matters little.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from benchmarks import classifier, harness
from benchmarks.harness import Row, median
from relgen.kernels import KERNELS, Kernel

PARTS: dict[str, tuple[Kernel, ...]] = {
    "dpo-8": ("gated", "head", "linear", "lora", "norms"),
    "dpo-32": ("gated", "head", "linear", "lora", "norms"),
    "generation": ("decoding", "linear"),
    "candidates": ("drafts",),
    "classifier": ("last_layer",),
}
"""What is measured, and the kernels that take part in it."""
assert {kernel for kernels in PARTS.values() for kernel in kernels} == set(get_args(Kernel))
_ALL = "all"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure the parts, one after the other, and print the ratios."""
    parser = harness.parser("Time and memory of relgen's kernels, by leaving each out.")
    parts = harness.names_among(PARTS, "part")
    parser.add_argument("--only", type=parts, default=list(PARTS), help="parts; by default all")
    kernels = harness.names_among(KERNELS, "kernel")
    parser.add_argument("--kernels", type=kernels, default=list(KERNELS), help="by default all")
    parser.add_argument("--minutes", type=float, default=60, help="for all parts together (60)")
    parser.set_defaults(threads=1)
    args = parser.parse_args(argv)
    args.until = time.monotonic() + 60 * args.minutes
    content: Row = {"environment": harness.environment(threads=args.threads, seed=args.seed)}
    table = []
    with tempfile.TemporaryDirectory() as work:
        for part in args.only:
            content[part], rows = _measure(args, part, Path(work))
            table += rows
            harness.save(args.json, content)
    harness.report(
        "Without each kernel, over the same with all of them",
        ["part", "without", "CPU seconds", "× time", "peak MB", "× memory"],
        table,
        content["environment"],
    )


def _measure(args: argparse.Namespace, part: str, work: Path) -> tuple[Row, list[list[Any]]]:
    """Return everything that was measured of a part, and its lines of the table."""
    command = _command(part, args.seed, work)
    switches = {_ALL: ""} | {name: f"-{name}" for name in PARTS[part] if name in args.kernels}
    found: dict[str, list[Row]] = {name: [] for name in switches}
    for number in range(args.rounds):
        # the other way round every second time: a machine that slows down favours nobody
        for name in list(switches)[:: -1 if number % 2 else 1]:
            environment = {"RELGEN_KERNELS": switches[name], harness.CPU_TIME: "1"}
            found[name].append(
                harness.run_side(command, args.threads, args.until, environment=environment)
            )
    seconds, memory = (median(found[_ALL], key) for key in ("seconds", "peak_mb"))
    content: Row = {}
    table = []
    for name, rows in found.items():
        own, peak = median(rows, "seconds"), median(rows, "peak_mb")
        content[name] = {"measured": rows, "× time": own / seconds, "× memory": peak / memory}
        table.append([part, name, own, own / seconds, peak, peak / memory])
    return content, table


def _command(part: str, seed: int, work: Path) -> list[str]:
    """Return the command that measures a part once; writes the data that it needs."""
    shared = ["--seed", str(seed)]
    if part.startswith("dpo"):
        pairs = part.removeprefix("dpo-")
        return ["benchmarks.dpo", "--side", "tree", "--pairs", pairs, *shared]
    if part in ("generation", "candidates"):
        side = "cached" if part == "generation" else part
        return ["benchmarks.generation", "--side", side, "--samples", "16", *shared]
    given = ["--work", str(work), "--train-samples", "640", "--test-samples", "64", *shared]
    os.makedirs(work, exist_ok=True)
    classifier.write_data(classifier.arguments(given))
    return ["benchmarks.classifier", "--side", "train-relgen", *given]


if __name__ == "__main__":
    harness.run_main(main)

"""Time and memory of the operations that grow with the number of samples, at 10^3 to 10^6.

    python -m benchmarks.scale
    python -m benchmarks.scale --sizes 1000,10000 --operations "write JSONL,read JSONL"

Checked first, on at most 1,000 samples: the index finds the near copies and the leaks that
comparing all pairs finds, the diversity measures are those of the n x n matrix, and reading returns
what was written. A slope of 1 is linear growth, 2 is quadratic.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import harness, scale_data
from benchmarks import scale_products as products
from benchmarks import scale_sides as sides
from benchmarks.harness import Row, median
from relgen.data import read_samples, write_samples

Operation = Callable[[sides.Clock, sides.Input, Path], Callable[[], Any]]
OPERATIONS: Mapping[str, Operation] = {
    "write JSONL": sides.write,
    "read JSONL": sides.read,
    "convert": sides.convert,
    "split": sides.split,
    "chains": sides.chains,
    "gates": products.gates,
    "probe": products.probe,
    "predict": products.predict,
    "report": products.report,
    "near copies": sides.near_copies,
    "near copies in Thai": sides.near_copies_in_thai,
    "near copies by pairs": sides.near_copies_by_pairs,
    "test leaks": sides.leaks,
    "mean cosine": sides.cosine,
    "Vendi": sides.vendi,
    "self-BLEU": sides.self_bleu,
    "distinct-n": sides.distinct,
}
BY_RELATIONS = ("split", "chains", "gates", "probe", "predict", "report")
"""Operations that are measured for each of `--relations`; the others have ten."""
LIMITS = {
    "near copies by pairs": (10_000, "quadratic: for comparison only"),
    "predict": (10_000, "a network at every sentence: minutes"),
}
_CHECKED = 1_000
_SHORTEST = 0.05  # seconds; below, start-up weighs more than growth


def main(argv: Sequence[str] | None = None) -> None:
    """Measure all operations at all sizes, or a single one with `--side`."""
    args = _arguments(argv)
    if args.side:
        work = _check if args.side == "check" else _one_side
        print(json.dumps(work(args)))
        return
    checked = _measure(args, ["check"], min(_CHECKED, max(args.sizes)))["check"][0]
    found: dict[str, dict[int, list[Row]]] = {}
    for size in sorted(args.sizes):
        due = [n for n in args.operations if n not in LIMITS or size <= LIMITS[n][0]]
        for name, rows in _measure(args, due, size).items():
            found.setdefault(name, {})[size] = rows
    content = {
        "environment": harness.environment(threads=args.threads, seed=args.seed),
        "checked": checked,
        "operations": {name: _summary(rows) for name, rows in found.items()},
    }
    harness.report(
        "Growth with the number of samples",
        ["operation", "samples", "seconds", "peak MB", "of it the operation's", "slope"],
        _table(content["operations"], sorted(args.sizes)),
        content["environment"],
        notes=_notes(content["operations"], checked),
    )
    harness.save(args.json, content)


def slope(seconds: Mapping[int, float]) -> float | None:
    """Return the slope of log(seconds) over log(size), by least squares; None below two points.

    Args:
        seconds: by size; those up to 0.05 s are left out.
    """
    points = [(math.log(n), math.log(s)) for n, s in seconds.items() if s > _SHORTEST]
    if len(points) < 2:
        return None
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    products = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return products / sum((x - mean_x) ** 2 for x, _ in points)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = harness.parser("Time and memory of operations on up to a million samples.")
    sizes = [10**3, 10**4, 10**5, 10**6]
    parser.add_argument("--sizes", type=harness.split_numbers, default=sizes, metavar="N,…")
    parser.add_argument("--relations", type=harness.split_numbers, default=[10], metavar="N,…")
    parser.add_argument(
        "--operations",
        type=harness.names_among(OPERATIONS, "operation"),
        default=list(OPERATIONS),
        metavar="NAME,…",
    )
    return parser.parse_args(argv)


def _measure(args: argparse.Namespace, names: Sequence[str], size: int) -> dict[str, list[Row]]:
    sides: dict[str, Sequence[str]] = {}
    for name in names:
        if name in BY_RELATIONS:
            for number in args.relations:
                sides[f"{name}, {number} relations"] = ["--side", name, "--relations", str(number)]
        else:
            sides[name] = ()
    return harness.measure(
        "benchmarks.scale",
        sides,
        ["--sizes", str(size), "--seed", str(args.seed)],
        rounds=args.rounds,
        threads=args.threads,
    )


def _one_side(args: argparse.Namespace) -> Row:
    clock = sides.Clock()
    with tempfile.TemporaryDirectory() as folder:
        given = sides.Input(args.sizes[0], args.relations[0], args.seed)
        work = OPERATIONS[args.side](clock, given, Path(folder))
        before = harness.peak_ram_mb()
        seconds, result = clock.timed(work)
        peak = harness.peak_ram_mb()
    return {
        "seconds": seconds,
        "peak_mb": peak,
        "added_mb": max(0.0, peak - before),
        "result": result,
    }


def _check(args: argparse.Namespace) -> Row:
    """Compare with the plain quadratic computations; return what both found."""
    size, seed = args.sizes[0], args.seed
    samples, held_out = list(scale_data.sentences(size, seed)), scale_data.held_out_sentences(seed)
    near, leaks = list(sides.near_by_index(samples)), list(sides.leaks_by_index(samples, held_out))
    _same("near copies", near, list(sides.near_by_pairs(samples)))
    _same("test leaks", leaks, list(sides.leaks_by_pairs(samples, held_out)))
    with tempfile.TemporaryDirectory() as folder:
        write_samples(Path(folder) / "s.jsonl", samples)
        _same("samples", read_samples(Path(folder) / "s.jsonl"), samples)
    measures = sides.measures(size, seed)
    for name, expected in sides.measures_of_all_pairs(size, seed).items():
        if not math.isclose(measures[name], expected, rel_tol=1e-9, abs_tol=1e-9):
            raise RuntimeError(f"{name}: {measures[name]} by the sums, {expected} of all pairs")
    return {"samples": size, "near copies": sum(near), "test leaks": sum(leaks), **measures}


def _same(what: str, found: list[Any], expected: list[Any]) -> None:
    if found != expected:
        pairs = zip(found, expected, strict=True)
        places = [place for place, (one, other) in enumerate(pairs) if one != other]
        raise RuntimeError(f"{what}: the two ways differ at {places[:10]}")


def _summary(rows: Mapping[int, Sequence[Row]]) -> Row:
    seconds = {size: median(of, "seconds") for size, of in rows.items()}
    return {
        "sizes": {
            str(size): {
                "seconds": seconds[size],
                "peak_mb": median(of, "peak_mb"),
                "added_mb": median(of, "added_mb"),
                "result": of[0]["result"],
                "measured": list(of),
            }
            for size, of in rows.items()
        },
        "slope": slope(seconds),
    }


def _table(operations: Mapping[str, Row], sizes: Sequence[int]) -> list[list[Any]]:
    table: list[list[Any]] = []
    for name, content in operations.items():
        for place, size in enumerate(sizes):
            row = content["sizes"].get(str(size), {})
            figures = [row.get(key) for key in ("seconds", "peak_mb", "added_mb")]
            growth = content["slope"] if place == len(sizes) - 1 else ""
            table.append([name if place == 0 else "", size, *figures, growth])
    return table


def _notes(operations: Mapping[str, Row], checked: Row) -> list[str]:
    from relgen.evaluation.diversity.measurement import SELF_BLEU_SENTENCES

    return [
        f"checked at {checked['samples']:,}: {checked['near copies']} near copies and "
        f"{checked['test leaks']} leaks by index and by all pairs; cosine and Vendi are those "
        "of the n x n matrix",
        f"slope: of log(seconds) over log(samples), where it took over {_SHORTEST} s; making the "
        "input does not count",
        f"test leaks: against {scale_data.TEST_SENTENCES:,} sentences; cosine and Vendi: d = "
        f"{scale_data.DIMENSION}; self-BLEU: on {SELF_BLEU_SENTENCES:,} drawn sentences at most",
        *(
            f"-: {name} above {size:,} samples is left out ({reason})"
            for name, (size, reason) in LIMITS.items()
            if name in operations
        ),
    ]


if __name__ == "__main__":
    harness.run_main(main)

"""Measures reading, as in `relgen label`: relgen's shared rows against a row for each text.

    python -m benchmarks.reading                                     # SmolLM2-135M, 60 sentences
    python -m benchmarks.reading --model MODEL --sides rows-bfloat16,shared-bfloat16,shared-int8

    rows-DTYPE      every text in a row of its own, in batches of like lengths
    shared-DTYPE    relgen: the three texts of a sentence in one row, which begin alike

The sentences are those of the everyday corpus. No figure is shown unless all sides read the same
states: the mean cosine with those of the first side is printed, and must be at least 0.99.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.harness import Row, median

_DTYPES = ("float32", "bfloat16", "int8")
SIDES = tuple(f"{way}-{dtype}" for way in ("rows", "shared") for dtype in _DTYPES)
_CLOSE = 0.99


def main(argv: Sequence[str] | None = None) -> None:
    """Measure all sides, or one if `--side` is given."""
    parser = harness.parser("Reading sentences with a language model, by shared rows and by rows.")
    parser.add_argument("--model", default="smollm2-135m-instruct", help="name, folder or Hub id")
    parser.add_argument("--sentences", type=int, default=60, help="of the everyday corpus (60)")
    default = ["rows-float32", "shared-float32", "shared-bfloat16", "shared-int8"]
    names = harness.names_among(SIDES, "side")
    parser.add_argument("--sides", type=names, default=default, metavar="SIDE,…")
    parser.add_argument("--states", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.side:
        print(json.dumps(_one_side(args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        options = ["--model", args.model, "--sentences", str(args.sentences), "--states", folder]
        found = harness.measure(
            "benchmarks.reading",
            {side: [] for side in args.sides},
            options,
            rounds=args.rounds,
            threads=args.threads,
        )
        cosines = _cosines(args.sides, Path(folder))
    if off := {side: value for side, value in cosines.items() if value < _CLOSE}:
        raise RuntimeError(f"these sides read something else than {args.sides[0]}: {off}")
    environment = harness.environment(threads=args.threads, seed=args.seed)
    base = median(found[args.sides[0]], "seconds")
    harness.report(
        f"Reading {args.sentences} sentences, {args.model}",
        ["side", "tokens", "seconds", "sentences a second", "× faster", "peak MB", "cosine"],
        [
            [
                side,
                rows[0]["tokens"],
                seconds := median(rows, "seconds"),
                args.sentences / seconds,
                base / seconds,
                median(rows, "peak_mb"),
                f"{cosines[side]:.4f}",
            ]
            for side, rows in found.items()
        ],
        environment,
    )
    harness.save(args.json, {"environment": environment, "cosines": cosines, **found})


def _one_side(args: argparse.Namespace) -> Row:
    import torch

    from relgen.data.corpora.everyday import read_split
    from relgen.labelling import StateReader

    way, _, dtype = args.side.partition("-")
    samples = read_split("test")[: args.sentences]
    reader = StateReader(args.model, dtype, torch.device("cpu"))
    tokens: list[int] = []
    reader.model.get_input_embeddings().register_forward_pre_hook(
        lambda _, given: tokens.append(given[0].numel())
    )
    read: Any = reader.read if way == "shared" else lambda given: _rows(reader, given)
    read(samples[:4])  # sets up buffers, not counted
    tokens.clear()
    seconds, states = harness.timed(lambda: read(samples))
    torch.save(states, Path(args.states, f"{args.side}.pt"))
    return {"seconds": seconds, "tokens": sum(tokens), "peak_mb": harness.peak_memory_mb()}


def _rows(reader: Any, samples: Sequence[Any]) -> Any:
    """Return the states that `StateReader.read` returns, with a row for each text."""
    import torch

    from relgen.labelling.states import layer_states
    from relgen.models import length_batches

    texts = [reader._tokens(view) for sample in samples for view in reader.views(sample)]
    found: dict[int, Any] = {}
    with torch.inference_mode():
        for batch in length_batches([len(ids) for ids, _ in texts], 1024):
            width = len(texts[batch[0]][0])
            rows = [[*texts[at][0], *[0] * (width - len(texts[at][0]))] for at in batch]
            hidden = layer_states(reader.model, reader._read, torch.tensor(rows))
            for row, at in enumerate(batch):
                found[at] = torch.stack([layer[row, texts[at][1]] for layer in hidden], 1).float()
    return torch.stack(
        [torch.cat([found[3 * i + j] for j in range(3)]) for i in range(len(samples))]
    )


def _cosines(sides: Sequence[str], folder: Path) -> dict[str, float]:
    """Return each side's mean cosine with the states of the first side."""
    import torch

    states = {side: torch.load(folder / f"{side}.pt") for side in sides}
    first = states[sides[0]]
    compare = torch.nn.functional.cosine_similarity
    return {side: float(compare(first, of, dim=-1).mean()) for side, of in states.items()}


if __name__ == "__main__":
    harness.run_main(main)

"""Everything that a GPU changes, measured in one call: packed DPO, QLoRA, cached generation.

    python -m benchmarks.gpu --json gpu.json                 # one GPU, under 10 minutes, no network
    python -m benchmarks.gpu --shape tiny --minutes 5        # the same on any machine, to try it

First the packed form in float32, bfloat16 and NF4 against float32
row by row, on a model of four layers. Then an epoch of DPO with QLoRA on random weights of the
shape, packed and in TRL; cached one-by-one generation, 64 chains at a time; QLoRA row by row; and
LoRA on weights in bfloat16. A part that fails, or for which no time is left, is named in the JSON,
with what it had measured, and the others run.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import dpo, generation, harness
from benchmarks.harness import Row
from benchmarks.shapes import SHAPES

PARTS = ("correctness", "qlora", "generation", "qlora_rows", "lora")
"""The most important first."""
_SMALL = "small"
_PAIRS = 8
_TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1, "nf4": 0.1}
"""Of a token's log-probability, and of the gradient as a relative norm: the largest difference from
the same weights row by row in float32."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the parts one after the other, and write their results."""
    parser = harness.parser("Correctness, speed and memory on a GPU, in one call.")
    parser.add_argument("--shape", choices=SHAPES, default="llama2-7b", help="of the large model")
    parser.add_argument("--minutes", type=float, default=9.5, help="for all parts together (9.5)")
    known = harness.names_among(PARTS, "part")
    parser.add_argument("--parts", type=known, default=list(PARTS), help="by default all")
    args = parser.parse_args(argv)
    content: Row = {"environment": harness.environment(threads=args.threads, seed=args.seed)}
    began = time.monotonic()
    failed = []
    args.until = began + 60 * args.minutes
    parts = _parts(args)
    for name in args.parts:
        if time.monotonic() > args.until:
            content[name] = {"error": "no time left"}
        else:
            content[name] = _tried(parts[name])
        content[name]["ended_after_s"] = round(time.monotonic() - began, 1)
        if "error" in content[name]:
            failed.append(name)
            print(f"{name}: {content[name]['error']}", file=sys.stderr, flush=True)
        # what comes next may take the machine down
        harness.save(args.json, content)
    if failed:
        raise SystemExit(f"not measured: {', '.join(failed)}")


def _parts(args: argparse.Namespace) -> dict[str, Callable[[], Row]]:
    """What each of `PARTS` runs."""
    import torch

    gpu = torch.cuda.is_available()
    numbers = {"--threads": args.threads, "--seed": args.seed, "--rounds": args.rounds}
    numbers["--until"] = args.until
    shared = [text for name, value in numbers.items() for text in (name, str(value))]
    shape = ["--model-shape", args.shape, "--dtype", "bfloat16"]
    sides = ["tree"]
    pairs = ["--pairs", "8,32" if gpu else str(_PAIRS), "--chains", "2" if gpu else "1"]
    dpo_options = [*shape, *pairs, *shared]
    against_trl = ["--sides", ",".join([*sides, "trl"]), "--trl", "2"]
    qlora = [*dpo_options, "--quantization", "nf4"]
    # random weights: sampled texts, short enough to be read and to become demonstrations
    chains = ["--samples", "128", "--chains", "8", "--sides", "sampled", "--words", "2"]
    return {
        "correctness": lambda: _correctness(args.seed, sides),
        "qlora": lambda: _of(dpo.main, [*qlora, *against_trl]),
        "generation": lambda: _of(generation.main, [*shape, *chains, *shared]),
        "qlora_rows": lambda: _of(dpo.main, [*qlora, "--sides", ",".join([*sides, "rows"])]),
        "lora": lambda: _of(dpo.main, [*dpo_options, *against_trl]),
    }


def _tried(part: Callable[[], Row]) -> Row:
    try:
        return part()
    except Exception as error:
        # one part must not cost the others: whatever it was, it is reported
        return {"error": f"{type(error).__name__}: {error}"[-2000:]}


def _of(benchmark: Callable[[Sequence[str]], None], options: Sequence[str]) -> Row:
    """What another benchmark writes as JSON, as far as it got."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "out.json"
        failed = _tried(partial(_run, benchmark, [*options, "--json", str(file)]))
        content: Row = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return content | failed


def _run(benchmark: Callable[[Sequence[str]], None], options: Sequence[str]) -> Row:
    benchmark(options)
    return {}


def _correctness(seed: int, sides: Sequence[str]) -> Row:
    """Largest difference of a token's log-probability, and relative difference of the gradient.

    bfloat16 and NF4 are compared with the same weights in float32 and row by row: what is left is
    the arithmetic, not the rounding of the weights.

    Raises:
        RuntimeError: a difference beyond `_TOLERANCE`.
    """
    rows: Row = {}
    off = []
    for dtype in ("float32", "bfloat16", "nf4"):
        expected = _values("rows", dtype, seed, exact=True)
        for side in [*sides, "rows"]:
            row = _tried(partial(_difference, side, dtype, seed, expected))
            rows[f"{dtype} {side}"] = row
            # what is not a number is off as well
            if "error" in row or not all(value <= _TOLERANCE[dtype] for value in row.values()):
                off.append(f"{side} in {dtype} is off: {row}")
    if off:
        raise RuntimeError(f"{'; '.join(off)}; all: {rows}")
    return rows


def _difference(side: str, dtype: str, seed: int, expected: tuple[Any, Any]) -> Row:
    found = _values(side, dtype, seed, exact=False)
    difference = (found[0] - expected[0]).abs().max().item()
    gradient = ((found[1] - expected[1]).norm() / expected[1].norm()).item()
    return {"log_probability": difference, "gradient": gradient}


def _values(side: str, dtype: str, seed: int, *, exact: bool) -> tuple[Any, Any]:
    """Return a side's log-probabilities per token (2K,), and the gradient of their sum, in float32.

    Args:
        side: `tree` or `rows`.
        dtype: `float32`, `bfloat16` or `nf4`.
        seed: of weights and chain.
        exact: with the weights of that type, compute in float32.
    """
    import torch
    from peft import get_peft_model

    from benchmarks.dpo_sides import gradient_of, layout_of, lora_config
    from benchmarks.shapes import random_model
    from relgen.kernels import ATTENTION

    packed = dtype == "nf4"
    model = random_model(
        _SMALL,
        dtype="bfloat16" if dtype == "bfloat16" else "float32",
        quantization="nf4" if packed else None,
        attention=ATTENTION,
        seed=seed,
    )
    if exact:
        model = model.float() if not packed else _unpacked(model)
    policy = get_peft_model(model, lora_config())
    dpo.start(policy, seed)
    policy = policy.float() if exact else policy
    options = argparse.Namespace(
        pairs=[_PAIRS], seed=seed, chains=1, model_shape=_SMALL, model="", threads=1
    )
    (chain,), _ = dpo.chains_of(options)
    parts = list(layout_of(side)(chain, policy.device))
    found = [part.log_probabilities(policy) for part in parts]
    chosen = torch.cat([values.chosen for values in found])
    rejected = torch.cat([values.rejected for values in found])
    tokens = torch.tensor([len(ids) for ids in [*chain.chosen, *chain.rejected]])
    per_token = torch.cat([chosen, rejected]).float() / tokens.to(chosen.device)
    per_token.sum().backward()
    return per_token.detach().cpu(), gradient_of(list(policy.parameters()))


def _unpacked(model: Any) -> Any:
    """4-bit layers as plain ones with the weights that the packed ones stand for, in float32."""
    import torch
    from bitsandbytes.functional import dequantize_4bit

    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer).__name__ == "Linear4bit":
                weight = dequantize_4bit(layer.weight.data, layer.weight.quant_state).float()
                rows, columns = weight.shape
                plain = torch.nn.Linear(columns, rows, bias=False, device="meta")
                plain.weight = torch.nn.Parameter(weight, requires_grad=False)
                setattr(parent, name, plain)
    model.is_loaded_in_4bit = False
    return model.float()


if __name__ == "__main__":
    harness.run_main(main)

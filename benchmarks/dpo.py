"""DPO on chains of preference pairs: relgen's packed tree against row by row, and against TRL.

    python -m benchmarks.dpo                              # SmolLM2-135M, K = 8, 16, 32
    python -m benchmarks.dpo --model-shape llama2-7b      # random weights, for a GPU
    python -m benchmarks.dpo --model-shape tiny --pairs 4 --sides tree,pairs,rows
    python -m benchmarks.dpo --quantization nf4 --dtype bfloat16 --sides tree,rows,trl   # GPU

    tree        relgen: each chain as one packed tree
    tree-parts  the same with few branches in memory at a time
    tree-plain  the same without any kernel (RELGEN_KERNELS=off)
    pairs       sharing within a pair only: the prompt once, two completions (arXiv 2410.20305)
    rows        every pair as two padded rows, in relgen's own loop
    trl         the same rows in TRL's DPOTrainer, at each of the settings that `--trl` names

No figure is shown unless loss, log-probabilities and gradient of the first step agree with those of
`rows`; they come from the runs that are timed.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import harness
from benchmarks.harness import Row, median
from benchmarks.shapes import SHAPES

if TYPE_CHECKING:
    from torch import Tensor

SIDES = ("tree", "tree-parts", "tree-plain", "pairs", "rows", "trl")
_TOLERANCE = {
    "float32": {"loss": 1e-4, "log_probability": 1e-3, "gradient": 2e-3},
    # rounding adds up over layers: with 32 of them, random and narrow, the tree was off by 0.11 of
    # the gradient in NF4 and 9e-6 in float32; `benchmarks.gpu` holds four layers to less
    "bfloat16": {"loss": 0.1, "log_probability": 2.0, "gradient": 0.3},
}
_TRL_SETTINGS = ("1", "2", "4", "8", "1p", "2p", "4p", "8p")
"""Pairs a batch; p: with `precompute_ref_log_probs`."""
_TRL_TRIED = ("2", "1p", "2p", "4p")


def main(argv: Sequence[str] | None = None) -> None:
    """Measure all sides for every K, or the side that `--side` names."""
    args = _arguments(argv)
    if args.side:
        _one_side(args)
        return
    content: Row = {"environment": harness.environment(threads=args.threads, seed=args.seed)}
    table = []
    for pairs in args.pairs:
        content[f"K={pairs}"], rows = _compare(args, pairs)
        table += rows
        # the next K may take more memory than there is
        harness.save(args.json, content)
    data = "SemEval-2010 Task 8" if harness.semeval() else "the everyday corpus"
    harness.report(
        f"DPO, {args.model_shape or args.model}, {args.quantization or args.dtype}, "
        f"{args.chains} chain(s) of {data}",
        ["side", "K", "tokens", "seconds", "× tree", "peak MB", "Δ log-prob.", "Δ gradient"],
        table,
        content["environment"],
        notes=[
            f"Δ: first step, against `{_base_side(args.sides)}`; trl with its pairs a batch, p: "
            "precompute_ref_log_probs"
        ],
    )
    _refuse_failures(args, content)


def _refuse_failures(args: argparse.Namespace, content: Row) -> None:
    """Raise RuntimeError if a requested side ran at no setting; the rest is saved."""
    for pairs in args.pairs:
        found = content[f"K={pairs}"]
        for side in args.sides:
            if not any(name.split()[0] == side for name in found):
                raise RuntimeError(f"K={pairs}: {side} did not run: {found.get('failed')}")


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = harness.parser("One epoch of DPO: packed trees against row by row, and TRL.")
    parser.add_argument("--pairs", type=harness.split_numbers, default=[8, 16, 32], metavar="K,…")
    parser.add_argument("--chains", type=int, default=1, help="of each K; one step each (1)")
    parser.add_argument("--model", default="smollm2-135m-instruct", help="name, folder or Hub id")
    parser.add_argument("--model-shape", choices=SHAPES, help="random weights of this shape")
    parser.add_argument("--dtype", choices=_TOLERANCE, default="float32")
    parser.add_argument("--sides", type=harness.names_among(SIDES, "side"), default=list(SIDES))
    parser.add_argument("--quantization", choices=["nf4"], help="of the base; default: none")
    parser.add_argument(
        "--trl",
        type=harness.names_among(_TRL_SETTINGS, "setting of TRL"),
        default=list(_TRL_TRIED),
        help=f"its batches, a side each ({','.join(_TRL_TRIED)})",
    )
    parser.add_argument("--gradient", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _options(args: argparse.Namespace, pairs: int) -> list[str]:
    shape = ["--model-shape", args.model_shape] if args.model_shape else []
    numbers = {"--pairs": pairs, "--chains": args.chains, "--seed": args.seed}
    given = [text for name, value in numbers.items() for text in (name, str(value))]
    packed = ["--quantization", args.quantization] if args.quantization else []
    return [*given, "--model", args.model, "--dtype", args.dtype, *shape, *packed]


def _sides(args: argparse.Namespace, pairs: int) -> dict[str, list[str]]:
    """Name of each side, and the options that only its process gets."""
    sides: dict[str, list[str]] = {}
    for side in args.sides:
        if side != "trl":
            sides[side] = []
            continue
        for setting in args.trl:
            if pairs % int(setting.rstrip("p")) == 0:
                sides[f"trl {setting}"] = ["--side", "trl", "--trl", setting]
    return sides


def _compare(args: argparse.Namespace, pairs: int) -> tuple[Row, list[list[Any]]]:
    import torch

    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        sides = _sides(args, pairs)
        files = {side: Path(folder) / f"{side}.pt" for side in sides}
        found = harness.measure(
            "benchmarks.dpo",
            {side: [*own, "--gradient", str(files[side])] for side, own in sides.items()},
            _options(args, pairs),
            rounds=args.rounds,
            threads=args.threads,
            until=args.until,
            may_fail=[side for side in sides if side.startswith("trl")],
            failed=failed,
        )
        first_steps = {side: torch.load(files[side]) for side in found}
    base = _base_side(found)
    table: list[list[Any]] = []
    content: Row = {"failed": failed} if failed else {}
    for side, rows in found.items():
        (values, gradient), (wanted, whole) = first_steps[side], first_steps[base]
        differences = {
            "loss": abs(rows[0]["loss"] - found[base][0]["loss"]),
            "log_probability": _difference(values, wanted),
            "gradient": float((gradient - whole).norm() / whole.norm()),
        }
        _check(side, base, differences, args.dtype)
        seconds = median(rows, "seconds")
        ratio = seconds / median(found["tree"], "seconds") if "tree" in found else None
        rates = {
            "tokens_per_second": rows[0]["tokens"] / seconds,
            "pairs_per_second": pairs * args.chains / seconds,
        }
        content[side] = {"measured": rows, "seconds": seconds, "× tree": ratio, **rates}
        content[side] |= differences
        figures = [rows[0]["tokens"], seconds, ratio, median(rows, "peak_mb")]
        shown = [differences[name] for name in ("log_probability", "gradient")]
        table.append([side, pairs, *figures, *shown])
    return content, table


def _difference(values: Tensor, wanted: Tensor) -> float:
    """Return the largest difference of two sides' log-probabilities, (2, B) and (2, K).

    Where a side records the means of its batches alone, of those.
    """
    return float((values - wanted.view(2, values.shape[1], -1).mean(-1)).abs().max())


def _base_side(sides: Iterable[str]) -> str:
    """What the others are compared with: row by row, or else the first."""
    known = list(sides)
    return "rows" if "rows" in known else known[0]


def _check(side: str, base: str, differences: Row, dtype: str) -> None:
    what = f"{side} does not compute what {base} computes"
    harness.require_within(what, differences, _TOLERANCE[dtype])


def _one_side(args: argparse.Namespace) -> None:
    import torch
    from peft import get_peft_model, prepare_model_for_kbit_training

    from benchmarks.dpo_sides import lora_config, relgen_epoch, trl_epoch, warm_up
    from relgen.kernels import accelerate

    if args.side in ("tree-plain", "trl"):
        os.environ["RELGEN_KERNELS"] = "off"
    torch.set_num_threads(args.threads)
    chains, tokenizer = chains_of(args)
    base = _base(args)
    if args.side == "trl":
        (setting,) = args.trl
        batch, precompute = int(setting.rstrip("p")), setting.endswith("p")
        seconds, epoch = trl_epoch(
            base,
            lambda policy: start(policy, args.seed),
            chains,
            tokenizer,
            batch=batch,
            precompute=precompute,
            bfloat16=args.dtype == "bfloat16",
            before=harness.reset_peak_memory,
        )
    else:
        if args.quantization:
            base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=False)
        policy = get_peft_model(base, lora_config())
        accelerate(policy, for_="training")
        start(policy, args.seed)
        # what is packed computes in bfloat16, as TRL's trainer does
        with torch.autocast(policy.device.type, torch.bfloat16, enabled=bool(args.quantization)):
            warm_up(args.side, policy, chains)
            harness.reset_peak_memory()
            seconds, epoch = harness.timed(lambda: relgen_epoch(args.side, policy, chains))
    if args.gradient:
        torch.save((epoch.log_probabilities, epoch.gradient), args.gradient)
    values: Row = {"loss": epoch.loss, "tokens": epoch.tokens}
    values["peak_mb"] = harness.peak_memory_mb()
    print(json.dumps({"seconds": seconds, **values}))


def chains_of(args: argparse.Namespace) -> tuple[list[Any], Any]:
    """Return chains of exactly K pairs as tokens of the model, and its tokenizer."""
    from relgen.common import InputError
    from relgen.data import RecordChecks, load_schema, split
    from relgen.data.corpora import everyday, read_corpus
    from relgen.dpo import build_chains, tokenise_chain
    from relgen.models import EMBEDDED_LANGUAGE_MODEL, load_tokenizer
    from relgen.prompting import PromptWriter, prompt_format

    (pairs,) = args.pairs
    folder = harness.semeval()
    if folder:
        samples = list(read_corpus("semeval", RecordChecks(folder / "TRAIN_FILE.TXT")))
    else:
        samples = [sample for part in everyday.SPLITS for sample in everyday.read_split(part)]
    schema = load_schema("semeval" if folder else "everyday")
    tokenizer = load_tokenizer(EMBEDDED_LANGUAGE_MODEL if args.model_shape else args.model)
    writer = PromptWriter(prompt_format(tokenizer))
    shots = split(samples, schema, shots=pairs + 1, seed=args.seed, dev="none").train
    whole = [
        tokenise_chain(chain, schema[chain.relation], writer, tokenizer, max_length=1 << 20)
        for chain in build_chains(shots, schema, seed=args.seed)
        if len(chain.pairs) == pairs
    ]
    if len(whole) < args.chains:
        raise InputError(f"the corpus gives {len(whole)} chains of {pairs} pairs", field="--chains")
    # neither the longest nor the shortest
    whole.sort(key=lambda chain: chain.tree_tokens)
    first = (len(whole) - args.chains) // 2
    chosen = whole[first : first + args.chains]
    if args.model_shape:
        chosen = [_within(chain, SHAPES[args.model_shape]["vocab_size"]) for chain in chosen]
    return chosen, tokenizer


def _within(chain: Any, vocabulary: int) -> Any:
    """Return the chain with ids that the random model has."""
    from dataclasses import replace

    def mapped(ids: Any) -> Any:
        return [mapped(i) if isinstance(i, list) else i % vocabulary for i in ids]

    names = ("prefix", "demonstrations", "cue", "chosen", "rejected")
    return replace(chain, **{name: mapped(getattr(chain, name)) for name in names})


def _base(args: argparse.Namespace) -> Any:
    import torch

    from benchmarks.shapes import random_model
    from relgen.kernels import ATTENTION
    from relgen.models import load_language_model

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # TRL gets the library's own attention; ours is the same without a plan
    attention = "sdpa" if args.side == "trl" else ATTENTION
    if not args.model_shape:
        model: Any = load_language_model(
            args.model,
            dtype=args.dtype,
            quantization=args.quantization,
            attention=attention,
            device=device,
        )
        return model if args.quantization else model.to(device)
    return random_model(
        args.model_shape,
        dtype=args.dtype,
        quantization=args.quantization,
        attention=attention,
        seed=args.seed,
    )


def start(policy: Any, seed: int) -> None:
    """Return weights that make the policy differ from the reference."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_" in name:
                values = torch.randn(weight.shape, generator=generator)
                weight.copy_(values * (0.02 if "lora_A" in name else 0.01))


if __name__ == "__main__":
    harness.run_main(main)

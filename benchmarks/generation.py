"""One-by-one generation: relgen's kept cache against `transformers.generate` called at every step.

    python -m benchmarks.generation                        # K = 16 and 32 samples, 8 relations
    python -m benchmarks.generation --samples 8 --sides cached,generate,single

    cached        relgen's backend: a step feeds the new demonstration and the cue
    free          the same without a grammar
    candidates    the same with M = 4 drafts a step
    generate      `model.generate` at every step, on the batch of relations
    single        the same, one relation at a time

All sides run relgen's own loop, so that prompts and rounds are the same; decoding is greedy and
every draft is accepted as it stands. Checked first: `cached`, `generate` and `single` write the
same texts.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import harness
from benchmarks.harness import Row, median

SIDES = ("cached", "generate", "single", "free", "candidates")
_SAME_TEXTS = ("cached", "generate", "single")
_RELATIONS = 8


def main(argv: Sequence[str] | None = None) -> None:
    """Measures all sides for every number of samples, or one side where `--side` says so."""
    args = _arguments(argv)
    if args.side:
        _one_side(args)
        return
    environment = harness.environment(threads=args.threads, seed=args.seed)
    content: Row = {"environment": environment}
    table: list[list[Any]] = []
    for samples in args.samples:
        options = ["--samples", str(samples), "--model", args.model, "--seed", str(args.seed)]
        found = harness.measure(
            "benchmarks.generation",
            {side: [] for side in args.sides},
            options,
            rounds=args.rounds,
            threads=args.threads,
        )
        _check_texts(found)
        content[f"K={samples}"] = found
        base = median(found[args.sides[0]], "seconds")
        for side, rows in found.items():
            seconds, step = median(rows, "seconds"), 1000 * median(rows, "seconds_a_pass")
            work = [rows[0]["fed"], rows[0]["drafted"], rows[0]["passes"]]
            table.append(
                [side, samples, *work, seconds, seconds / base, step, median(rows, "peak_mb")]
            )
    harness.report(
        f"One-by-one generation, {args.model}, {_RELATIONS} relations, greedy",
        ["side", "K", "fed", "drafted", "passes", "s", f"× {args.sides[0]}", "ms/pass", "peak MB"],
        table,
        environment,
        notes=["fed: prompt tokens read; drafted: tokens written; passes: of the model"],
    )
    harness.save(args.json, content)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = harness.parser("Cached one-by-one generation against generate at every step.")
    parser.add_argument("--samples", type=harness.split_numbers, default=[16, 32], metavar="K,…")
    parser.add_argument("--model", default="smollm2-135m-instruct", help="name, folder or Hub id")
    parser.add_argument("--sides", type=lambda text: text.split(","), default=list(SIDES))
    args = parser.parse_args(argv)
    if unknown := set(args.sides) - set(SIDES):
        parser.error(f"--sides: no such side: {', '.join(sorted(unknown))}")
    return args


def _check_texts(found: Mapping[str, Sequence[Row]]) -> None:
    texts = {side: rows[0]["texts"] for side, rows in found.items() if side in _SAME_TEXTS}
    if len({json.dumps(written) for written in texts.values()}) > 1:
        first, *others = texts
        for other in others:
            differing = [
                pair for pair in zip(texts[first], texts[other], strict=False) if len(set(pair)) > 1
            ]
            print(f"{first} | {other}: {differing[:2]}", file=sys.stderr)
        raise RuntimeError(f"{', '.join(texts)} do not write the same texts")


def _one_side(args: argparse.Namespace) -> None:
    import torch

    from benchmarks.generation_sides import CountingModel, GenerateBackend
    from relgen.corpora import everyday
    from relgen.generation.acceptance import Pool
    from relgen.generation.chains import plan
    from relgen.generation.journal import Journal
    from relgen.generation.loading import stop_ids
    from relgen.generation.loop import GenerationLoop
    from relgen.generation.settings import GenerationSettings
    from relgen.generation.transformers_backend import TransformersBackend
    from relgen.language_model import load_language_model, load_tokenizer
    from relgen.prompts import PromptWriter, prompt_format
    from relgen.schema import load_schema

    torch.set_num_threads(args.threads)
    (samples,) = args.samples
    settings = GenerationSettings(
        model=args.model,
        mode="obo",
        samples=samples,
        temperature=0.0,
        repetition_penalty=1.0,
        grammar=args.side != "free",
        one_sentence=True,
        max_context_words=10,
        max_entity_words=3,
        max_new_tokens=60,
        candidates=4 if args.side == "candidates" else 1,
        # a draft that the grammar cut off is no sample, and its chain tries again in vain
        max_drafts_per_sample=1,
        seed=args.seed,
    )
    tokenizer = load_tokenizer(args.model)
    writer = PromptWriter(prompt_format(tokenizer))
    model: Any = load_language_model(args.model, dtype="float32")
    if torch.cuda.is_available():
        model = model.to("cuda")
    counting = CountingModel(model)
    stops = stop_ids(tokenizer, writer.format.terminator, lines=1)
    if args.side in ("generate", "single"):
        backend: Any = GenerateBackend(
            model, tokenizer, stops, batch=1 if args.side == "single" else None
        )
    else:
        backend = TransformersBackend(model, tokenizer, settings, stops)
    schema = load_schema("everyday")
    relations = [relation for relation in schema if relation.name != schema.negative]
    states = plan(relations[:_RELATIONS], everyday.read_split("train"), settings)
    with tempfile.TemporaryDirectory() as folder:
        loop = GenerationLoop(
            settings,
            states,
            writer,
            [],
            Pool.of(settings, []),
            {},
            Journal(Path(folder) / "journal.jsonl", ""),
            lambda: backend,
        )
        seconds, results = harness.timed(lambda: list(loop.run()))
    accepted = [sample for result in results for sample in result.accepted]
    print(
        json.dumps(
            {
                "seconds": seconds,
                "seconds_a_pass": seconds / counting.passes,
                "peak_mb": harness.peak_memory_mb(),
                "fed": counting.tokens - sum(result.tokens for result in results),
                "drafted": sum(result.tokens for result in results),
                "passes": counting.passes,
                "texts": [sample.text for sample in accepted],
            }
        )
    )


if __name__ == "__main__":
    harness.run_main(main)

"""Measures one-by-one generation: relgen's kept cache against `transformers.generate` each step.

    python -m benchmarks.generation                        # K = 16 and 32 samples, 8 relations
    python -m benchmarks.generation --samples 8 --sides cached,generate,single

    cached        relgen's backend: a step feeds the new demonstration and the cue
    generate      `model.generate` at every step, on the batch of relations
    single        the same, one relation at a time
    sampled       relgen's backend at temperature 0.9
    candidates    the same with M = 4 drafts a step, of which one is kept
    llama.cpp     llama.cpp's server, greedy, asked for all relations at once by relgen's backend
                  for servers (only with --llama-server and --gguf)

All sides run relgen's own loop under the same grammar, with no check but that a draft can be read;
the first three decode greedily, and no figure is shown unless they write the same texts (llama.cpp
rounds differently, and may write others). A step lasts as long as its longest draft, so that M
drafts cost more than their share of a batch.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import harness
from benchmarks.harness import Row, median
from benchmarks.shapes import SHAPES
from relgen.generation import GenerationSettings

if TYPE_CHECKING:
    from relgen.generation.backends.base import Backend
    from relgen.generation.files.journal import Journal
    from relgen.generation.loop import GenerationLoop, RoundResult
    from relgen.prompting import PromptWriter

SIDES = ("cached", "generate", "single", "sampled", "candidates", "llama.cpp")
LLAMA_CPP = SIDES[-1]
_SAME_TEXTS = ("cached", "generate", "single")
_RELATIONS = 8
_CONTEXT = 4096
"""Tokens of a prompt and its answer, for a server."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure all sides for each number of samples, or one side if `--side` is given."""
    args = _arguments(argv)
    if args.side:
        _one_side(args)
        return
    environment = harness.environment(threads=args.threads, seed=args.seed)
    content: Row = {"environment": environment}
    table: list[list[Any]] = []
    for samples in args.samples:
        options = ["--samples", str(samples), "--model", args.model, "--seed", str(args.seed)]
        options += ["--dtype", args.dtype, "--chains", str(args.chains)]
        options += ["--model-shape", args.model_shape] if args.model_shape else []
        options += ["--words", str(args.words), "--max-new-tokens", str(args.max_new_tokens)]
        if args.llama_server:
            options += ["--llama-server", args.llama_server, "--gguf", args.gguf]
        found = harness.measure(
            "benchmarks.generation",
            {side: [] for side in args.sides},
            options,
            rounds=args.rounds,
            threads=args.threads,
            until=args.until,
        )
        _check_texts(found)
        content[f"K={samples}"] = found
        base = median(found[args.sides[0]], "seconds")
        table += [[side, samples, *_cells(rows, base)] for side, rows in found.items()]
        # a larger K may take more memory than there is
        harness.save(args.json, content)
    harness.report(
        f"One-by-one generation, {args.model_shape or args.model}, {args.dtype}, {_RELATIONS} "
        f"relations, {args.chains} chain(s) each",
        [
            *("side", "K", "accepted", "read", "drafted", "passes"),
            *("s", f"× {args.sides[0]}", "ms/pass", "grammar", "peak MB"),
        ],
        table,
        environment,
        notes=[
            "read: tokens that went through the model, padding included; drafted: tokens written; "
            "passes: of the model; grammar: its share of the time"
        ],
    )


def _cells(rows: Sequence[Row], base: float) -> list[Any]:
    """Return the table's cells for one side, given the first side's seconds."""
    seconds = median(rows, "seconds")
    work = [rows[0].get(name, "") for name in ("accepted", "read", "drafted", "passes")]
    inside: list[Any] = ["", ""]  # unknown for a server
    if "passes" in rows[0]:
        grammar = f"{100 * median(rows, 'grammar_share'):.1f}%"
        inside = [1000 * median(rows, "seconds_a_pass"), grammar]
    return [*work, seconds, seconds / base, *inside, median(rows, "peak_mb")]


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = harness.parser("Cached one-by-one generation against generate at every step.")
    parser.add_argument("--samples", type=harness.split_numbers, default=[16, 32], metavar="K,…")
    parser.add_argument("--model", default="smollm2-135m-instruct", help="name, folder or Hub id")
    parser.add_argument("--model-shape", choices=SHAPES, help="random weights of this shape")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "int8"], default="float32")
    parser.add_argument("--chains", type=int, default=1, help="of each relation, side by side (1)")
    parser.add_argument("--sides", type=harness.names_among(SIDES, "side"))
    parser.add_argument("--llama-server", metavar="PATH", help="llama.cpp's server")
    parser.add_argument("--gguf", metavar="FILE", help="the same model for it")
    parser.add_argument("--words", type=int, default=10, help="around entities, at most (10)")
    parser.add_argument("--max-new-tokens", type=int, default=120, help="of a draft (120)")
    args = parser.parse_args(argv)
    if bool(args.llama_server) != bool(args.gguf):
        parser.error("--llama-server and --gguf go together")
    if args.sides is None:
        args.sides = [side for side in SIDES if side != LLAMA_CPP or args.llama_server]
    if LLAMA_CPP in (*args.sides, args.side) and not args.llama_server:
        parser.error(f"the side {LLAMA_CPP} needs --llama-server and --gguf")
    return args


def _check_texts(found: Mapping[str, Sequence[Row]]) -> None:
    texts = {side: rows[0]["texts"] for side, rows in found.items() if side in _SAME_TEXTS}
    if len(texts) < 2:
        return
    if not all(texts.values()):
        raise RuntimeError("nothing was accepted, so that there is nothing to compare")
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

    from benchmarks.generation_sides import CountingModel, GenerateBackend, GrammarClock
    from relgen.generation.backends.transformers import TransformersBackend
    from relgen.generation.files.journal import Journal
    from relgen.kernels import ATTENTION, accelerate
    from relgen.models import EMBEDDED_LANGUAGE_MODEL, load_tokenizer
    from relgen.prompting import PromptWriter, prompt_format, stop_ids

    if args.side == LLAMA_CPP:
        _llama_cpp_side(args)
        return
    # `generate` gets the library's own attention and products, and relgen its own
    theirs = args.side in ("generate", "single")
    if theirs:
        os.environ["RELGEN_KERNELS"] = "off"
    torch.set_num_threads(args.threads)
    settings = _settings(args)
    # random weights read the embedded model's tokens
    name = EMBEDDED_LANGUAGE_MODEL if args.model_shape else args.model
    tokenizer = load_tokenizer(name)
    writer = PromptWriter(prompt_format(tokenizer))
    model = _model(args, "sdpa" if theirs else ATTENTION, vocabulary=len(tokenizer))
    counting, grammar = CountingModel(model), GrammarClock()
    stops = stop_ids(tokenizer, writer.format.terminator, lines=1)
    backend: Any
    if theirs:
        together = 1 if args.side == "single" else None
        backend = GenerateBackend(model, tokenizer, stops, batch=together)
    else:
        accelerate(model, for_="generation")  # as `relgen.generation.backends.loading` does
        backend = TransformersBackend(model, tokenizer, settings, stops)
    harness.reset_peak_memory()
    with tempfile.TemporaryDirectory() as folder:
        loop = _loop(settings, writer, backend, Journal(Path(folder, "journal.jsonl"), ""))
        seconds, results = harness.timed(lambda: list(loop.run()))
    row = {
        **_written(loop, seconds, results),
        "seconds_a_pass": seconds / counting.passes,
        "peak_mb": harness.peak_memory_mb(),
        "read": counting.tokens,
        "grammar_share": grammar.seconds / seconds,
        "passes": counting.passes,
    }
    print(json.dumps(row))


def _model(args: argparse.Namespace, attention: str, *, vocabulary: int) -> Any:
    """Load the model, or make one of random weights in the shape that was asked for."""
    import torch

    from benchmarks.shapes import random_model
    from relgen.kernels import accelerate
    from relgen.models import load_language_model

    if args.model_shape:
        return random_model(
            args.model_shape,
            dtype=args.dtype,
            attention="sdpa",
            seed=args.seed,
            vocabulary=vocabulary,
        )
    model: Any = load_language_model(args.model, dtype=args.dtype, attention=attention)
    accelerate(model, for_="reading", int8=args.dtype == "int8")
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


def _llama_cpp_side(args: argparse.Namespace) -> None:
    from benchmarks import llama_cpp
    from relgen.generation.backends.server import ServerBackend
    from relgen.generation.files.journal import Journal
    from relgen.models import load_tokenizer
    from relgen.prompting import PromptWriter, prompt_format

    writer = PromptWriter(prompt_format(load_tokenizer(args.model)))
    with (
        llama_cpp.running(
            args.llama_server,
            args.gguf,
            threads=args.threads,
            slots=_RELATIONS * args.chains,
            context=_CONTEXT,
        ) as (url, process),
        tempfile.TemporaryDirectory() as folder,
    ):
        settings = llama_cpp.served(_settings(args), url, args.model)
        journal = Journal(Path(folder, "journal.jsonl"), "")
        backend = ServerBackend(settings, journal)
        loop = _loop(settings, writer, backend, journal)
        seconds, results = harness.timed(lambda: list(loop.run()))
        backend.close()
        memory = harness.peak_ram_mb(process)
    print(json.dumps({**_written(loop, seconds, results), "peak_mb": memory}))


def _written(loop: GenerationLoop, seconds: float, results: Sequence[RoundResult]) -> Row:
    """Return what every side reports."""
    texts = [sample.text for sample in loop.accepted]
    return {
        "seconds": seconds,
        "drafted": sum(result.tokens for result in results),
        "accepted": len(texts),
        "texts": texts,
    }


def _settings(args: argparse.Namespace) -> GenerationSettings:
    (samples,) = args.samples
    return GenerationSettings(
        model=args.model,
        mode="obo",
        samples=samples,
        chains=args.chains,
        temperature=0.9 if args.side in ("sampled", "candidates") else 0.0,
        top_p=0.95,
        top_k=50,
        repetition_penalty=1.0,
        grammar=True,
        one_sentence=True,
        max_context_words=args.words,
        max_entity_words=3,
        max_new_tokens=args.max_new_tokens,
        candidates=4 if args.side == "candidates" else 1,
        # greedy decoding would write a rejected draft again and again
        max_drafts_per_sample=1,
        seed=args.seed,
    )


def _loop(
    settings: GenerationSettings, writer: PromptWriter, backend: Backend, journal: Journal
) -> GenerationLoop:
    """Return relgen's loop over the first relations of the everyday corpus, with no checks."""
    from relgen.data import load_schema
    from relgen.data.corpora import everyday
    from relgen.generation.acceptance import KnownTexts
    from relgen.generation.loop import GenerationLoop
    from relgen.generation.states import initial_states

    schema = load_schema("everyday")
    relations = [relation for relation in schema if relation.name != schema.negative]
    return GenerationLoop(
        settings,
        initial_states(relations[:_RELATIONS], everyday.read_split("train"), settings),
        writer,
        [],
        KnownTexts(settings, []),
        {},
        journal,
        lambda: backend,
    )


if __name__ == "__main__":
    harness.run_main(main)

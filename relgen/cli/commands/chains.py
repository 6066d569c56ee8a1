"""`relgen chains`: builds chains of preference pairs from labelled samples."""

from __future__ import annotations

from collections import Counter

from relgen.common import check_outputs, counted, recorded
from relgen.data import load_schema, read_samples
from relgen.dpo import EQUAL_SHARES, REJECTION_KINDS, build_chains, write_chains
from relgen.dpo import ChainsOptions as Options


def run(options: Options) -> None:
    """Read, build and write the chains, and print how many."""
    check_outputs([options.out], [options.train, options.schema])
    schema = load_schema(options.schema)
    chains = build_chains(
        read_samples(options.train, schema=schema),
        schema,
        seed=options.seed,
        half=options.half,
        shares=options.shares or EQUAL_SHARES,
        chains_per_relation=options.chains_per_relation,
    )
    with recorded([options.out], "chains"):
        write_chains(options.out, chains, replace=options.force)
    kinds = Counter(pair.kind for chain in chains for pair in chain.pairs)
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in REJECTION_KINDS)
    pairs = f"{counted(kinds.total(), 'pair')} ({counts})"
    print(f"{counted(len(chains), 'chain')}, {pairs} -> {options.out}")

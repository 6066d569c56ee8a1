"""`relgen chains`: labelled samples to chains of preference pairs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from relgen.common import POSITIONAL, NonNegativeFloat, PositiveInt, refuse_inputs
from relgen.data import Half, load_schema, read_samples
from relgen.dpo import EQUAL_SHARES, REJECTION_KINDS, RejectionKind, build_chains, write_chains


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Build chains of preference pairs from labelled samples.

    The chosen sample is a labelled one; the rejected one has a wrong label or copies a
    demonstration.
    """

    train: str = field(metadata=POSITIONAL)
    """File with a few samples for each relation (samples.jsonl)."""
    schema: str
    """Schema file, or the name of a shipped schema."""
    out: str
    """File to write (chains.jsonl)."""
    half: Half | None = None
    """Take the relations of this half only."""
    seed: int = 1
    """Seed of halves, orders and choices."""
    shares: dict[RejectionKind, NonNegativeFloat] = field(default_factory=dict)
    """Relative shares of wrong_label, near_copy and exact_copy (by default equal); a kind that is
    left out gets none.
    """
    chains_per_relation: PositiveInt = 1
    """Chains of a relation."""


def run(options: Options) -> None:
    """Read, build and write the chains, and print how many."""
    refuse_inputs([options.out], [options.train, options.schema])
    schema = load_schema(options.schema)
    chains = build_chains(
        read_samples(options.train, schema=schema),
        schema,
        seed=options.seed,
        half=options.half,
        shares=options.shares or EQUAL_SHARES,
        chains_per_relation=options.chains_per_relation,
    )
    write_chains(options.out, chains)
    kinds = Counter(pair.kind for chain in chains for pair in chain.pairs)
    counts = ", ".join(f"{kinds[kind]} {kind}" for kind in REJECTION_KINDS)
    print(f"{len(chains)} chains, {sum(kinds.values())} pairs ({counts}) -> {options.out}")

"""Labelled samples, schemas and chains, built in code."""

from __future__ import annotations

import random

from relgen.data.samples import Entity, Sample
from relgen.data.schema import Relation, RelationSchema, parse_schema
from relgen.data.tagged_text import parse
from relgen.dpo.preference_pairs import Chain, PreferencePair
from relgen.dpo.tokenize import ChainTokens

SCHEMA = RelationSchema(
    "tiny",
    (
        Relation("cause", "The head brings about the tail."),
        Relation("part", "The head is a part of the tail."),
    ),
)


def sample(name: str, head: str, middle: str, tail: str, relation: str = "cause") -> Sample:
    """`The {head} {middle} {tail}.`"""
    start = 4 + len(head) + 1 + len(middle) + 1
    text = f"The {head} {middle} {tail}."
    entities = Entity(4, 4 + len(head)), Entity(start, start + len(tail))
    return Sample(name, text, *entities, relation)


def chain(pairs: int, *, name: str = "cause#0", relation: str = "cause") -> Chain:
    """A chain whose rejected samples take turns through the three kinds."""
    heads = ["rain", "virus", "spark", "error", "storm", "drug", "noise", "frost"]
    tails = ["flood", "fever", "fire", "crash", "delay", "sleep", "worry", "loss"]
    shown = [
        sample(f"{name}-{i}", heads[i % 8], f"led {i} times to", tails[(i * 3) % 8], relation)
        for i in range(pairs + 1)
    ]
    wrong = sample(f"{name}-w", "wheel", "belongs to the", "cart", relation)
    made = []
    for step in range(pairs):
        near = sample(f"{name}-n{step}", "ice", f"led {step} times to", "fog", relation)
        kinds = [("wrong_label", wrong), ("near_copy", near), ("exact_copy", shown[step])]
        kind, rejected = kinds[step % 3]
        made.append(PreferencePair(shown[step + 1], rejected, kind))
    return Chain(name, relation, shown[0], tuple(made))


def chain_tokens(pairs: int, *, seed: int = 0) -> ChainTokens:
    """Random ids with segments of uneven length."""
    rng = random.Random(seed)

    def ids(low: int, high: int) -> list[int]:
        return [rng.randrange(2, 500) for _ in range(rng.randint(low, high))]

    return ChainTokens(
        id=f"chain-{seed}",
        prefix=ids(5, 12),
        demonstrations=[ids(2, 7) for _ in range(pairs)],
        cue=ids(1, 4),
        chosen=[[*ids(1, 8), 0] for _ in range(pairs)],
        rejected=[[*ids(1, 8), 0] for _ in range(pairs)],
        kinds=[rng.randrange(3) for _ in range(pairs)],
    )


def sentence(
    tagged_head: str,
    middle: str,
    tagged_tail: str,
    *,
    before: str = "The ",
    after: str = ".",
    relation: str = "causes",
    name: str = "s",
    types: tuple[str | None, str | None] = (None, None),
) -> Sample:
    """A sample with the head first."""
    text = f"{before}{tagged_head}{middle}{tagged_tail}{after}"
    head = len(before)
    tail = head + len(tagged_head) + len(middle)
    return Sample(
        name,
        text,
        Entity(head, head + len(tagged_head), types[0]),
        Entity(tail, tail + len(tagged_tail), types[1]),
        relation,
    )


def tagged(text: str, *, relation: str = "causes", name: str = "s") -> Sample:
    """A sample written as `<head>…</head> … <tail>…</tail>`."""
    return Sample(name, *parse(text), relation)


def typed_schema() -> RelationSchema:
    """Two relations, of which one restricts its types."""
    return parse_schema(
        {
            "name": "tiny",
            "negative": None,
            "relations": {
                "causes": {"explanation": "The head brings about the tail."},
                "made_of": {
                    "explanation": "The head consists of the tail.",
                    "head_types": ["OBJECT"],
                    "tail_types": ["MATERIAL", "OBJECT"],
                },
            },
        }
    )


def labelled() -> list[Sample]:
    """Two labelled samples a relation."""
    return [
        sentence("drought", " left the farmers without a ", "harvest", name="c1"),
        sentence("storm", " on Monday brought about a long ", "power cut", name="c2"),
        sentence("table", " was cut from a single piece of ", "oak", relation="made_of", name="m1"),
        sentence("old bell", " had been cast in ", "bronze", relation="made_of", name="m2"),
    ]

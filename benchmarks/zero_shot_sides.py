"""Extracts relations with GLiNER-relex or GLiNER2; `benchmarks.zero_shot` starts it.

It imports nothing of relgen, whose transformers may be too new for these libraries. Reads one JSON
object from stdin: `library`, `model`, `texts`, `pairs` (the places of each text's two entities),
`relations` (names with explanations), `types`, `threshold`, `batch` and `threads`. Prints one:
`seconds`, and for each text its `facts`, each [relation, head, tail, score], with places as [start,
end].
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

Place = tuple[int, int]
Fact = tuple[str, Place, Place, float]
Extract = Callable[[Sequence[str], Sequence[Sequence[Place]]], list[list[Fact]]]
# the entities are known: the model only has to keep them
_ENTITY_THRESHOLD = 0.1


def main() -> None:
    """Extract, and print what was found."""
    import torch

    asked = json.load(sys.stdin)
    torch.set_num_threads(asked["threads"])
    extract = LIBRARIES[asked["library"]](asked)
    texts, pairs = asked["texts"], asked["pairs"]
    extract(texts[: asked["batch"]], pairs[: asked["batch"]])  # warm
    began = time.perf_counter()
    facts = extract(texts, pairs)
    print(json.dumps({"seconds": time.perf_counter() - began, "facts": facts}))


def gliner(asked: dict[str, Any]) -> Extract:
    """Return GLiNER-relex (gliner 0.2.29), which is told where the entities are."""
    from gliner import GLiNER

    model = GLiNER.from_pretrained(asked["model"])

    def extract(texts: Sequence[str], pairs: Sequence[Sequence[Place]]) -> list[list[Fact]]:
        _, found = model.inference(
            list(texts),
            asked["types"],
            relations=list(asked["relations"]),
            input_spans=[[{"start": s, "end": e} for s, e in sorted(pair)] for pair in pairs],
            threshold=_ENTITY_THRESHOLD,
            adjacency_threshold=asked["threshold"],
            relation_threshold=asked["threshold"],
            batch_size=asked["batch"],
        )
        return [
            [
                (one["relation"], _place(one["head"]), _place(one["tail"]), one["score"])
                for one in of
            ]
            for of in found
        ]

    return extract


def gliner2(asked: dict[str, Any]) -> Extract:
    """Return GLiNER2 (gliner2 2.1), which is told what relations mean, and finds the entities."""
    from gliner2 import AutoExtractor

    model = AutoExtractor.from_pretrained(asked["model"])

    def extract(texts: Sequence[str], pairs: Sequence[Sequence[Place]]) -> list[list[Fact]]:
        found = model.batch_extract_relations(
            list(texts),
            asked["relations"],
            batch_size=asked["batch"],
            threshold=asked["threshold"],
            include_confidence=True,
            include_spans=True,
        )
        return [
            [
                (name, _place(one["head"]), _place(one["tail"]), _confidence(one))
                for name, of_name in of["relation_extraction"].items()
                for one in of_name
            ]
            for of in found
        ]

    return extract


LIBRARIES: dict[str, Callable[[dict[str, Any]], Extract]] = {"gliner": gliner, "gliner2": gliner2}


def _place(entity: dict[str, Any]) -> Place:
    return entity["start"], entity["end"]


def _confidence(fact: dict[str, Any]) -> float:
    """Return a relation's own confidence, or that of its less certain entity."""
    least = min(fact["head"]["confidence"], fact["tail"]["confidence"])
    return float(fact.get("confidence", least))


if __name__ == "__main__":
    main()

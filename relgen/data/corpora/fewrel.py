"""FewRel's JSON: one object that maps relations to their sentences.

    {"P177": [{"tokens": ["The", "bridge", …], "h": ["bridge", "Q1", [[1]]],
               "t": ["Rhine", "Q2", [[5], [9, 10]]]}, …], …}

The index lists are an entity's mentions, by token. The first pair of head and tail mentions that do
not overlap becomes a sample; with `ambiguous="all-pairs"` every such pair does, with `"skip"` none
of several. A mention with gaps extends from its first to its last token. The whole file is held in
memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from relgen.common import InputError, read_json
from relgen.data.corpora.reading import ReadOptions
from relgen.data.corpora.tokens import TokenText
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of a FewRel file, with ids such as `fewrel-train_wiki-P177-1`.

    With all mentions, the number of the pair is added to the id. Messages name records `P177[3]`,
    counted from 1.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(v, list) for v in content.values()):
        problem = "must be an object that maps relations to lists of sentences"
        remedy = "give FewRel's train_wiki.json or a file in its format"
        raise InputError(problem, path=path, value=type(content).__name__, remedy=remedy)
    for relation, records in content.items():
        for number, record in enumerate(records, start=1):
            name = f"{relation}[{number}]"
            with checks.record(name):
                text, pairs = _parse(record)
                key = f"fewrel-{options.split_name or path.stem}-{relation}-{number}"
                named = {key: pairs[0]}
                if options.ambiguous == "all-pairs":
                    named = {f"{key}-{turn}": pair for turn, pair in enumerate(pairs, start=1)}
                elif options.ambiguous == "skip" and len(pairs) > 1:
                    checks.note("were left out, since entities have several mentions", name)
                    continue
                for key, (head, tail) in named.items():
                    sample = Sample(key, text, head, tail, relation)
                    if checks.passes(None, name):
                        yield sample


def _parse(record: Any) -> tuple[str, list[tuple[Entity, Entity]]]:
    if not isinstance(record, dict):
        raise InputError("a sentence must be a JSON object", value=record)
    tokens = TokenText.join(record.get("tokens"), "tokens")
    heads, tails = (_mentions(record, key, tokens) for key in ("h", "t"))
    pairs = list(product(heads, tails))
    apart = [(h, t) for h, t in pairs if h.end <= t.start or t.end <= h.start]
    return tokens.text, apart or pairs


def _mentions(record: dict[str, Any], key: str, tokens: TokenText) -> list[Entity]:
    value = record.get(key)
    if not isinstance(value, list) or len(value) != 3 or not isinstance(value[2], list):
        raise InputError(
            "must be [name, id, [[token, …], …]], with a list of mentions", field=key, value=value
        )
    for indices in value[2]:
        if not isinstance(indices, list) or {type(index) for index in indices} != {int}:
            raise InputError("a mention must be a list of token indices", field=key, value=indices)
    if not value[2]:
        raise InputError("the entity has no mention", field=key, value=value)
    return [tokens.entity(min(i), max(i) + 1, field=key) for i in value[2]]

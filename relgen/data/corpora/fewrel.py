"""FewRel's JSON: one object that maps relations to their sentences.

    {"P177": [{"tokens": ["The", "bridge", …], "h": ["bridge", "Q1", [[1]]],
               "t": ["Rhine", "Q2", [[5], [9, 10]]]}, …], …}

The index lists are the mentions of an entity, by token. `mentions="first"` takes the first pair of
head and tail mentions that do not overlap, `"all"` makes a sample of every such pair. A mention
whose indices have gaps is taken from its first to its last token, since a sample's mention is one
stretch of text. The file is one JSON document, so all of it is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Literal

from relgen.common import InputError, read_json
from relgen.data.corpora.tokens import TokenText
from relgen.data.samples import Entity, Sample
from relgen.data.validation import ReadStatistics, RecordChecks

Mentions = Literal["first", "all"]


def read(
    path: str | Path,
    *,
    split_name: str | None = None,
    skip_bad: bool = False,
    statistics: ReadStatistics | None = None,
    mentions: Mentions = "first",
) -> Iterator[Sample]:
    """Yields the samples of a FewRel file, with ids such as `fewrel-train_wiki-P177-1`.

    Args:
        path: the JSON file.
        split_name: for the ids; by default the file's name without its ending.
        skip_bad: leave malformed records out and count them, in place of raising.
        statistics: receives the counts.
        mentions: `first`, or `all` (whose ids end in `-1`, `-2`, … as well).

    Raises:
        InputError: names file, record (`P177[3]`, counted from 1), field, value and remedy.
    """
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(v, list) for v in content.values()):
        raise InputError(
            "must be an object that maps relations to lists of sentences",
            path=path,
            value=type(content).__name__,
            remedy="give FewRel's train_wiki.json or a file of its form",
        )
    split = split_name or Path(path).stem
    checks = RecordChecks(path, skip_bad=skip_bad, statistics=statistics)
    for relation, records in content.items():
        for number, record in enumerate(records, start=1):
            name = f"{relation}[{number}]"
            with checks.record(name):
                text, pairs = _parse(record)
                prefix = f"fewrel-{split}-{relation}-{number}"
                for index, (head, tail) in enumerate(pairs, start=1):
                    key = f"{prefix}-{index}" if mentions == "all" else prefix
                    sample = Sample(key, text, head, tail, relation)
                    if checks.passes(None, name):
                        yield sample
                    if mentions == "first":
                        break
    checks.finish()


def _parse(record: Any) -> tuple[str, list[tuple[Entity, Entity]]]:
    if not isinstance(record, dict):
        raise InputError("a sentence must be a JSON object", value=record)
    tokens = TokenText.join(record.get("tokens"), "tokens")
    heads = _mentions(record, "h", tokens)
    tails = _mentions(record, "t", tokens)
    pairs = [(h, t) for h, t in product(heads, tails) if h.end <= t.start or t.end <= h.start]
    if not pairs:
        raise InputError(
            "every mention of the head overlaps one of the tail",
            field="t",
            value=[record["h"], record["t"]],
        )
    return tokens.text, pairs


def _mentions(record: dict[str, Any], key: str, tokens: TokenText) -> list[Entity]:
    value = record.get(key)
    if not isinstance(value, list) or len(value) != 3 or not isinstance(value[2], list):
        raise InputError(
            "must be [name, id, [[token, …], …]], with a list of mentions", field=key, value=value
        )
    found = []
    for indices in value[2]:
        if (
            not isinstance(indices, list)
            or not indices
            or not all(isinstance(i, int) and not isinstance(i, bool) for i in indices)
        ):
            raise InputError("a mention is a list of token indices", field=key, value=indices)
        found.append(tokens.entity(min(indices), max(indices) + 1, field=key))
    if not found:
        raise InputError("no mention", field=key, value=value)
    return found

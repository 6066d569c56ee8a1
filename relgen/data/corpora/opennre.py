"""OpenNRE's JSON lines, or an array: wiki80, NYT10, the files of KnowPrompt and its relatives.

    {"token": ["Ann", "lives", "in", "Bern", "."], "h": {"name": "Ann", "pos": [0, 1]},
     "t": {"name": "Bern", "pos": [3, 4]}, "relation": "residence"}
    {"text": "Ann lives in Bern.", "h": {"pos": [0, 3]}, "t": {"pos": [13, 17]}, …}

`pos` counts tokens when the line has `token`, and characters when it has `text`; its end is
exclusive. Tokens are joined as in `relgen.data.corpora.tokens`. `id` and an entity's `type` are
optional.

Both projects evaluate a line as Python, and some of their files hold the repr of a dictionary
({'token': ["n't", …]}) instead of JSON: it is read as a literal, without running code.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from relgen.common import InputError, counted, decode_json, read_lines
from relgen.data.corpora.reading import ReadOptions, json_records, offsets
from relgen.data.corpora.tokens import TokenText, readable
from relgen.data.samples import Entity, Sample
from relgen.data.text import normalised
from relgen.data.validation import RecordChecks, json_lines

_ROLES = {"head": "h", "tail": "t"}


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of a file, with the file's ids or `opennre-train-1` by line."""
    split = options.split_name or path.stem
    misplaced: list[str] = []
    for number, line in _rows(path):
        with checks.record(number):
            row = _decode(line)
            own_id = None if row.get("id") is None else str(row["id"])
            name = f"opennre-{split}-{str(number).strip('[]')}"
            sample = _parse(row, name if own_id is None else own_id)
            place = f"line {number}" if isinstance(number, int) else f"record {number}"
            misplaced += [f"{place}: {each}" for each in _misplaced(row, sample)]
            if checks.passes(own_id, number):
                yield sample
    if misplaced:
        checks.doubts.append(
            f"{path}: {counted(len(misplaced), 'entity', 'entities')} with a name that is in the "
            "text, but not at `pos`; "
            f"first: {misplaced[0]}. In lines with `text`, `pos` counts characters, with `token` "
            "tokens; its end is exclusive"
        )


def _misplaced(row: dict[str, Any], sample: Sample) -> list[str]:
    """Return the entities whose name is in a line's text, but not at their `pos`.

    A name that is not in the text at all is merely spelt differently.
    """
    text, found = f" {normalised(sample.text)} ", []
    for role, mention in (("head", sample.head_text), ("tail", sample.tail_text)):
        name = row[_ROLES[role]].get("name")
        plain = normalised(name) if isinstance(name, str) else ""
        if plain not in ("", normalised(mention)) and f" {plain} " in text:
            found.append(f"'{name}', while '{mention}' is marked")
    return found


def _rows(path: Path) -> Iterator[tuple[int | str, str | Mapping[str, Any] | InputError]]:
    """Yield the lines of a file, or the decoded objects of an array."""
    lines = read_lines(path) if path.is_file() else iter(())  # a pipe is read once
    if next(filter(str.strip, lines), "").lstrip().startswith("["):
        yield from json_records(path)
    else:
        yield from json_lines(path)


def _decode(line: str | Mapping[str, Any] | InputError) -> dict[str, Any]:
    if isinstance(line, InputError):
        raise line
    if not isinstance(line, str):
        return dict(line)
    try:
        row = decode_json(line)
    except InputError:
        row = _literal(line)
        if row is None:
            raise
    if not isinstance(row, dict):
        raise InputError("must be a JSON object", value=row)
    return row


def _literal(line: str) -> Any:
    """Return a dictionary written by Python's `repr`, as JSON would decode it, or None."""
    # a line may begin with JSON's quotes and continue with Python's
    if not line.lstrip().startswith("{"):
        return None
    try:
        return json.loads(json.dumps(ast.literal_eval(line.strip())))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _parse(row: dict[str, Any], sample_id: str) -> Sample:
    tokens = TokenText.join(row["token"], "token") if "token" in row else None
    if tokens is None and not isinstance(row.get("text"), str):
        raise InputError("a line needs `token` or `text`", field="token", value=sorted(row))
    text = row["text"] if tokens is None else tokens.text
    entities = {role: _entity(row, key, tokens, text) for role, key in _ROLES.items()}
    # texts and offsets are checked as those of a samples file
    return Sample.from_json(
        {
            "id": sample_id,
            "text": text,
            "relation": row.get("relation"),
            **{role: asdict(entity) for role, entity in entities.items()},
        }
    )


def _entity(row: dict[str, Any], key: str, tokens: TokenText | None, text: str) -> Entity:
    entity = row.get(key)
    if not isinstance(entity, dict):
        raise InputError('must be {"name": …, "pos": [start, end]}', field=key, value=entity)
    start, end = offsets(entity.get("pos"), f"{key}.pos")
    name = entity.get("name")
    if tokens is not None and isinstance(name, str):
        _refuse_other_units(start, end, name, f"{key}.pos", tokens)
    kind = entity.get("type")
    if tokens is not None:
        return tokens.entity(start, end, field=f"{key}.pos", kind=kind)
    return Entity(start, end, kind)


def _refuse_other_units(start: int, end: int, name: str, field: str, tokens: TokenText) -> None:
    """Raise InputError for positions of characters, and for inclusive ends.

    Some files made from TACRED keep its inclusive ends.
    """
    known, exclusive = 0 <= start < end <= len(tokens.starts), ""
    if known:
        exclusive = tokens.text[tokens.starts[start] : tokens.ends[end - 1]]
    plain = normalised(name)
    if plain and normalised(tokens.text[max(start, 0) : end]) == plain != normalised(exclusive):
        problem = f"counts characters ('{name}' is at these), where tokens are counted"
        remedy = "count tokens, or write `text` in place of `token`"
        raise InputError(problem, field=field, value=[start, end], remedy=remedy)
    if not 0 <= start <= end < len(tokens.starts):
        return
    inclusive = tokens.text[tokens.starts[start] : tokens.ends[end]]
    named = " ".join(map(readable, name.split()))
    # case-folded text misses other spacing; normalised text misses a last token of punctuation
    if any(
        form(inclusive) == form(named) != form(exclusive) for form in (str.casefold, normalised)
    ):
        problem = f"the end must be exclusive, but '{name}' includes the token at this end"
        raise InputError(problem, field=field, value=[start, end], remedy="add one to each end")

"""OpenNRE's JSON lines, or an array: wiki80, NYT10, the files of KnowPrompt and its relatives.

    {"token": ["Ann", "lives", "in", "Bern", "."], "h": {"name": "Ann", "pos": [0, 1]},
     "t": {"name": "Bern", "pos": [3, 4]}, "relation": "residence"}
    {"text": "Ann lives in Bern.", "h": {"pos": [0, 3]}, "t": {"pos": [13, 17]}, …}

`pos` counts tokens when the line has `token`, and characters when it has `text`; its end is
exclusive. Where it disagrees with a `name` that is in the text, it is read otherwise (inclusive
ends, as TACRED's; characters) or refused. Tokens are joined as in `relgen.data.corpora.tokens`.
`id` and an entity's `type` are optional.

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

from relgen.common import InputError, decode_json, read_lines
from relgen.data.corpora.reading import ReadOptions, json_records, offsets
from relgen.data.corpora.tokens import TokenText, named_in
from relgen.data.corpora.units import Unit, entity_at
from relgen.data.samples import Entity, Sample
from relgen.data.validation import RecordChecks, json_lines

_ROLES = {"head": "h", "tail": "t"}


def read(path: Path, checks: RecordChecks, options: ReadOptions) -> Iterator[Sample]:
    """Yield the samples of a file, with the file's ids or `opennre-train-1` by line."""
    split = options.split_name or path.stem
    for number, line in _rows(path):
        with checks.record(number):
            row = _decode(line)
            own_id = None if row.get("id") is None else str(row["id"])
            name = f"opennre-{split}-{str(number).strip('[]')}"
            sample, others = _parse(row, name if own_id is None else own_id, options.offsets)
            for other in others:
                checks.note(f"have offsets that count {other}: converted", number)
            if checks.passes(own_id, number):
                yield sample


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


def _parse(row: dict[str, Any], sample_id: str, unit: Unit) -> tuple[Sample, list[str]]:
    """Return the sample of a line, and the units of its offsets that are others than said."""
    tokens = TokenText.join(row["token"], "token") if "token" in row else None
    if tokens is None and not isinstance(row.get("text"), str):
        raise InputError("a line needs `token` or `text`", field="token", value=sorted(row))
    text = row["text"] if tokens is None else tokens.text
    found = {role: _entity(row, key, tokens, text, unit) for role, key in _ROLES.items()}
    # texts and offsets are checked as those of a samples file
    sample = Sample.from_json(
        {
            "id": sample_id,
            "text": text,
            "relation": row.get("relation"),
            **{role: asdict(entity) for role, (entity, _) in found.items()},
        }
    )
    return sample, [other for _, other in found.values() if other is not None]


def _entity(
    row: dict[str, Any], key: str, tokens: TokenText | None, text: str, unit: Unit
) -> tuple[Entity, str | None]:
    """Return an entity, and the unit of its offsets if it is another than said."""
    entity, field = row.get(key), f"{key}.pos"
    if not isinstance(entity, dict):
        raise InputError('must be {"name": …, "pos": [start, end]}', field=key, value=entity)
    start, end = offsets(entity.get("pos"), field)
    name, kind = named_in(text, entity.get("name")), entity.get("type")
    if tokens is None:
        return entity_at(text, start, end, name, unit=unit, kind=kind, field=field)
    return tokens.entity_at(start, end, name, unit=unit, kind=kind, field=field)
